"""The Tryton adapter against a real Tryton."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from sandbox.tryton.rest import RestClient
from sandbox.tryton.server import TrytonServer
from shared.canonical import (
    Address,
    CreditDecision,
    Customer,
    ErpOrder,
    ErpOrderState,
    InvoiceSource,
    InvoiceStatus,
    Money,
)
from shared.problem import InvalidRequest, OutcomeUnknown, Rejected, Unavailable
from system_api.connections import Secret
from system_api.erp.tryton import Tryton
from tests.system_api.erp.conftest import (
    ACME,
    TIDEWATER,
    connection_of,
    euros,
    hardware,
    line,
    new_customer,
    order_id,
    tryton_connection,
)
from tests.system_api.transports import Lossy


@pytest.fixture
def rest(tryton: TrytonServer) -> RestClient:
    """The ERP seen past the adapter."""
    return tryton.client("nordwind", "NW-DE")


@pytest_asyncio.fixture
async def acme(erp: Tryton) -> Customer:
    found = await erp.find_customer(ACME)
    assert found is not None
    return found


def sales(rest: RestClient, reference: str) -> list[dict[str, Any]]:
    return rest.search("sale.sale", [["reference", "=", reference]], ["state", "lines.quantity", "total_amount"])


# -- customers and credit ---------------------------------------------------------------------------------------------


async def test_a_known_customer_is_found_by_its_account(erp: Tryton, acme: Customer) -> None:
    assert (acme.code, acme.name) == ("C-1001", "Acme Industriewerke GmbH")
    assert await erp.find_customer("001unknown") is None


async def test_a_customer_is_made_once_with_address_and_vat_id(erp: Tryton, rest: RestClient) -> None:
    draft = new_customer()

    first = await erp.ensure_customer(draft)
    second = await erp.ensure_customer(draft)

    assert first.created
    assert not second.created
    assert first.vendor_id == second.vendor_id
    fields = ("identifiers.type", "identifiers.code", "addresses.city", "addresses.country.code")
    party = rest.read("party.party", int(first.vendor_id), [*fields, "customer_payment_term.name"])
    assert {(each["type"], each["code"]) for each in party["identifiers"]} == {
        (None, f"SF:{draft.account_id}"),
        ("eu_vat", "ATU13585627"),
    }
    assert [(each["city"], each["country"]["code"]) for each in party["addresses"]] == [("Wien", "AT")]
    assert party["customer_payment_term"]["name"] == "30 days net"


async def test_many_at_once_make_one_customer(erp: Tryton, rest: RestClient) -> None:
    draft = new_customer()

    customers = await asyncio.gather(*(erp.ensure_customer(draft) for _ in range(4)))

    assert len({customer.vendor_id for customer in customers}) == 1
    assert sum(customer.created for customer in customers) == 1
    assert len(rest.search("party.identifier", [["code", "=", f"SF:{draft.account_id}"]], ["id"])) == 1


async def test_a_lost_answer_to_a_new_customer_is_unknown_and_found_again(erp: Tryton, network: Lossy) -> None:
    draft = new_customer()
    with network.losing("POST", "/party.party"), pytest.raises(OutcomeUnknown):
        await erp.ensure_customer(draft)

    assert not (await erp.ensure_customer(draft)).created


async def test_an_american_customer_keeps_its_state(erp: Tryton, rest: RestClient) -> None:
    address = Address(street="88 Wharf Road", postal_code="94607", city="Oakland", country="US", region="CA")

    customer = await erp.ensure_customer(new_customer(address=address, vat_id=None))

    party = rest.read("party.party", int(customer.vendor_id), ["addresses.subdivision.code"])
    assert party["addresses"][0]["subdivision"]["code"] == "US-CA"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"address": Address(street="s", postal_code="1", city="c", country="XX")}, "unknown_country"),
        ({"address": Address(street="s", postal_code="1", city="c", country="US", region="ZZ")}, "unknown_state"),
        ({"vat_id": "ATU99999999"}, "refused_by_erp"),
    ],
)
async def test_a_customer_that_the_erp_cannot_keep_is_refused(
    erp: Tryton, changes: dict[str, Any], reason: str
) -> None:
    draft = new_customer(**changes)

    with pytest.raises(Rejected) as raised:
        await erp.ensure_customer(draft)

    assert raised.value.reason_code == reason
    assert await erp.find_customer(draft.account_id) is None


async def test_credit_is_what_fits_beside_what_is_owed(erp: Tryton) -> None:
    fits = await erp.check_credit(TIDEWATER, euros("5000.00"))
    too_much = await erp.check_credit(TIDEWATER, euros("5000.01"))
    abroad = await erp.check_credit(TIDEWATER, Money(amount="1.00", currency="USD"))

    assert fits is not None
    assert too_much is not None
    assert abroad is not None
    assert (fits.decision, fits.limit, fits.available) == (
        CreditDecision.approved,
        euros("5000.00"),
        euros("5000.00"),
    )
    assert too_much.decision is CreditDecision.refused
    assert "does not fit under the limit of 5000.00 EUR" in too_much.reason
    assert abroad.decision is CreditDecision.unknown
    assert await erp.check_credit("001unknown", euros("1.00")) is None


async def test_a_confirmed_order_counts_against_the_limit(erp: Tryton, acme: Customer) -> None:
    before = await erp.check_credit(ACME, euros("1.00"))
    order = order_id()
    await erp.create_order(order, hardware(acme.vendor_id))
    await erp.confirm_order(order)

    during = await erp.check_credit(ACME, euros("1.00"))
    await erp.cancel_order(order)
    after = await erp.check_credit(ACME, euros("1.00"))

    assert before is not None
    assert during is not None
    assert during.exposure.value - before.exposure.value == Decimal("4621.00")
    assert after == before


async def test_a_customer_without_a_limit_has_credit(erp: Tryton) -> None:
    customer = await erp.ensure_customer(new_customer())

    credit = await erp.check_credit(customer.account_id, euros("1000000.00"))

    assert credit is not None
    assert (credit.decision, credit.limit) == (CreditDecision.approved, None)


# -- prices -----------------------------------------------------------------------------------------------------------


async def test_prices_are_the_companys_own(erp: Tryton, tryton: TrytonServer) -> None:
    american = Tryton(connection_of(tryton, "NW-US", "USD"))

    assert await erp.list_prices(["GATEWAY-EDGE", "MON-LEGACY", "NONE"], "EUR") == {"GATEWAY-EDGE": euros("1490.00")}
    assert await american.list_prices(["GATEWAY-EDGE"], "USD") == {
        "GATEWAY-EDGE": Money(amount="1590.00", currency="USD")
    }
    assert await erp.list_prices(["GATEWAY-EDGE"], "USD") == {}
    await american.close()


# -- orders -----------------------------------------------------------------------------------------------------------


async def test_an_order_is_quoted_confirmed_and_withdrawn(erp: Tryton, acme: Customer, rest: RestClient) -> None:
    order = order_id()

    quoted = await erp.create_order(order, hardware(acme.vendor_id))
    again = await erp.create_order(order, hardware(acme.vendor_id))
    confirmed = await erp.confirm_order(order)
    confirmed_again = await erp.confirm_order(order)
    late_create = await erp.create_order(order, hardware(acme.vendor_id))
    cancelled = await erp.cancel_order(order)
    cancelled_again = await erp.cancel_order(order)

    assert quoted == again
    assert (quoted.state, quoted.line_count, quoted.tax, quoted.total) == (
        ErpOrderState.quoted,
        2,
        euros("877.99"),
        euros("5498.99"),
    )
    assert quoted.number is not None
    assert confirmed == confirmed_again == late_create
    assert confirmed.state is ErpOrderState.confirmed
    assert cancelled == cancelled_again
    assert cancelled.state is ErpOrderState.cancelled
    assert [each["state"] for each in sales(rest, order)] == ["cancelled"]


async def test_what_was_never_ordered_is_absent(erp: Tryton) -> None:
    assert (await erp.find_order("never")).state is ErpOrderState.absent
    assert (await erp.cancel_order("never")).state is ErpOrderState.absent
    with pytest.raises(Rejected) as raised:
        await erp.confirm_order("never")
    assert raised.value.reason_code == "order_absent"


async def test_many_at_once_leave_one_order(erp: Tryton, acme: Customer, rest: RestClient) -> None:
    order = order_id()

    made = await asyncio.gather(
        *(erp.create_order(order, hardware(acme.vendor_id)) for _ in range(4)), return_exceptions=True
    )
    confirmed = await asyncio.gather(*(erp.confirm_order(order) for _ in range(3)), return_exceptions=True)

    assert all(isinstance(each, ErpOrder | Unavailable) for each in (*made, *confirmed)), [*made, *confirmed]
    live = [each for each in sales(rest, order) if each["state"] != "cancelled"]
    assert [each["state"] for each in live] == ["confirmed"]
    await erp.cancel_order(order)
    assert {each["state"] for each in sales(rest, order)} == {"cancelled"}


@pytest.mark.parametrize("lost", ["/sale.sale", "/quote"])
async def test_a_lost_answer_is_found_again_and_booked_no_second_time(
    erp: Tryton, acme: Customer, rest: RestClient, network: Lossy, lost: str
) -> None:
    order = order_id()
    with network.losing("POST", lost), pytest.raises(OutcomeUnknown):
        await erp.create_order(order, hardware(acme.vendor_id))
    assert (await erp.find_order(order)).state in {ErpOrderState.draft, ErpOrderState.quoted}

    assert (await erp.create_order(order, hardware(acme.vendor_id))).state is ErpOrderState.quoted
    assert len(sales(rest, order)) == 1


async def test_a_confirmation_whose_answer_was_lost_is_not_confirmed_twice(
    erp: Tryton, acme: Customer, network: Lossy
) -> None:
    order = order_id()
    await erp.create_order(order, hardware(acme.vendor_id))
    with network.losing("POST", "/confirm"), pytest.raises(OutcomeUnknown):
        await erp.confirm_order(order)

    assert (await erp.confirm_order(order)).state is ErpOrderState.confirmed
    await erp.cancel_order(order)


async def test_a_withdrawal_that_broke_off_is_finished_by_the_next(erp: Tryton, acme: Customer, network: Lossy) -> None:
    order = order_id()
    await erp.create_order(order, hardware(acme.vendor_id))
    await erp.confirm_order(order)
    with network.losing("POST", "/draft"), pytest.raises(OutcomeUnknown):
        await erp.cancel_order(order)

    assert (await erp.cancel_order(order)).state is ErpOrderState.cancelled


async def test_what_was_made_but_cannot_be_read_back_is_an_unknown_outcome(
    erp: Tryton, acme: Customer, network: Lossy
) -> None:
    order = order_id()
    await erp.create_order(order, hardware(acme.vendor_id))
    before = len(network.sent)
    with network.losing("GET", "/sale.sale"), pytest.raises(Unavailable):
        await erp.find_order(order)
    assert len(network.sent) - before == 3  # a read is tried again

    other = order_id()
    made = erp._sales._make(other, hardware(acme.vendor_id))
    with network.losing("GET", "/sale.sale"), pytest.raises(OutcomeUnknown, match="could not be read back"):
        await made


@pytest.mark.parametrize(
    ("changes", "said_so"),
    [
        ({"expected_tax": euros("870.00"), "expected_total": euros("5491.00")}, "its tax is 877.99, not 870.00"),
        ({"expected_total": euros("5499.00")}, "its net amount is 4621.00, not 4621.01"),
    ],
)
async def test_an_order_that_comes_to_something_else_is_refused_and_can_be_withdrawn(
    erp: Tryton, acme: Customer, changes: dict[str, Any], said_so: str
) -> None:
    order = order_id()

    with pytest.raises(Rejected, match=said_so) as raised:
        await erp.create_order(order, hardware(acme.vendor_id, **changes))

    assert raised.value.reason_code == "read_back_mismatch"
    assert (await erp.cancel_order(order)).state is ErpOrderState.cancelled


async def test_tax_may_be_rounded_otherwise_and_then_the_erps_counts(erp: Tryton, acme: Customer) -> None:
    # Three lines of 0.50 net: 0.095 each is 0.30 rounded per line, but 0.285 of their sum, half to even, is 0.28.
    lines = [line("SENSOR-TEMP", "1", "0.50") for _ in range(3)]
    draft = hardware(acme.vendor_id, lines=lines, expected_tax=euros("0.30"), expected_total=euros("1.80"))

    booked = await erp.create_order(order_id(), draft)

    assert (booked.tax, booked.total) == (euros("0.28"), euros("1.78"))


async def test_a_cancelled_external_id_is_used_up(erp: Tryton, acme: Customer) -> None:
    order = order_id()
    await erp.create_order(order, hardware(acme.vendor_id))
    await erp.cancel_order(order)

    for call in (erp.create_order(order, hardware(acme.vendor_id)), erp.confirm_order(order)):
        with pytest.raises(Rejected) as raised:
            await call
        assert raised.value.reason_code == "already_cancelled"


async def test_an_order_over_the_limit_is_refused_in_the_erps_own_words(erp: Tryton, rest: RestClient) -> None:
    customer = await erp.find_customer(TIDEWATER)
    assert customer is not None
    draft = hardware(
        customer.vendor_id,
        lines=[line("GATEWAY-EDGE", "4", "1490.00")],
        expected_tax=euros("1132.40"),
        expected_total=euros("7092.40"),
    )
    order = order_id()
    await erp.create_order(order, draft)

    with pytest.raises(Rejected, match="credit limit") as raised:
        await erp.confirm_order(order)

    assert raised.value.reason_code == "credit_limit"
    assert [each["state"] for each in sales(rest, order)] == ["quotation"]
    await erp.cancel_order(order)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lines": [line("MON-LEGACY", "1", "1.00")]}, "product_not_sold"),
        ({"tax_code": "US-CA"}, "unknown_tax"),
        ({"customer_vendor_id": "999999"}, "unknown_customer"),
        ({"customer_vendor_id": "not-a-number"}, "unknown_customer"),
        ({"currency": "USD"}, "wrong_currency"),
        ({"lines": [line("SENSOR-TEMP", "1", "0.123456")]}, "refused_by_erp"),
        ({"lines": [line("SENSOR-TEMP", "0.5", "1.00")]}, "refused_by_erp"),
    ],
)
async def test_what_the_erp_cannot_book_is_refused_and_leaves_nothing(
    erp: Tryton, acme: Customer, rest: RestClient, changes: dict[str, Any], reason: str
) -> None:
    order = order_id()

    with pytest.raises(Rejected) as raised:
        await erp.create_order(order, hardware(acme.vendor_id, **changes))

    assert raised.value.reason_code == reason
    assert sales(rest, order) == []


async def test_a_processed_order_can_no_longer_be_withdrawn_and_its_invoice_is_listed(
    erp: Tryton, rest: RestClient
) -> None:
    customer = await erp.ensure_customer(
        new_customer(address=Address(street="s", postal_code="1", city="Köln", country="DE"), vat_id=None)
    )
    orders = [order_id(), order_id()]
    for order in orders:
        await erp.create_order(order, hardware(customer.vendor_id))
        booked = await erp.confirm_order(order)
        rest.act("sale.sale", int(booked.vendor_id or 0), "process")

    assert (await erp.confirm_order(orders[0])).state is ErpOrderState.confirmed
    with pytest.raises(Rejected, match="a person has to cancel") as raised:
        await erp.cancel_order(orders[0])
    assert raised.value.reason_code == "too_late_to_cancel"

    (processed,) = rest.search("sale.sale", [["reference", "=", orders[1]]], ["invoices.id"])
    rest.act("account.invoice", processed["invoices"][0]["id"], "post")
    first = await erp.list_invoices(customer.account_id, open_only=False, limit=1, cursor=None)
    second = await erp.list_invoices(customer.account_id, open_only=False, limit=1, cursor=first.next_cursor)
    unpaid = await erp.list_invoices(customer.account_id, open_only=True, limit=10, cursor=None)

    assert [each.order_id for each in (*first.invoices, *second.invoices)] == orders[::-1]
    assert [each.status for each in (*first.invoices, *second.invoices)] == [InvoiceStatus.open, InvoiceStatus.draft]
    assert (first.next_cursor, second.next_cursor) == (first.invoices[0].vendor_id, None)
    (posted,) = unpaid.invoices
    assert posted.source is InvoiceSource.erp
    assert (posted.total, posted.amount_due) == (euros("5498.99"), euros("5498.99"))
    assert posted.number is not None
    assert posted.issued_on is not None
    assert posted.due_on is not None
    assert posted.due_on > posted.issued_on
    assert second.invoices[0].number is None


async def test_an_account_unknown_to_the_erp_has_no_invoices(erp: Tryton) -> None:
    page = await erp.list_invoices("001unknown", open_only=False, limit=10, cursor=None)

    assert page.invoices == []
    with pytest.raises(InvalidRequest, match="cursor"):
        await erp.list_invoices(ACME, open_only=False, limit=10, cursor="x")


# -- readiness --------------------------------------------------------------------------------------------------------


async def test_a_company_that_is_not_there_or_keeps_other_money_is_said(erp: Tryton, tryton: TrytonServer) -> None:
    connection = connection_of(tryton, "NW-DE", "USD")
    other_money = Tryton(connection)
    nowhere = Tryton(tryton_connection(tryton.url, key=connection.key, database=tryton.database, company=99))

    assert await erp.ready() is None
    assert await other_money.ready() == "Tryton's company 1 is kept in EUR, not in USD."
    assert await nowhere.ready() == "Tryton has no company 99, or shows it to nobody with our key."
    await other_money.close()
    await nowhere.close()


async def test_a_wrong_key_says_which_setting_to_check(tryton: TrytonServer) -> None:
    erp = Tryton(tryton_connection(tryton.url, database=tryton.database, key=Secret("wrong")))

    with pytest.raises(Unavailable, match="Check the connection's url, database, company and key") as raised:
        await erp.ready()

    assert raised.value.reason_code == "credentials_refused"
    await erp.close()


async def test_an_erp_that_is_away_is_unavailable_for_reads_and_writes(dead_url: str) -> None:
    erp = Tryton(tryton_connection(dead_url))

    with pytest.raises(Unavailable):
        await erp.find_customer(ACME)
    with pytest.raises(Unavailable):
        await erp.create_order(order_id(), hardware("1"))
    await erp.close()
