"""Customers, credit, prices and readiness of a real Tryton, and of its stand-in."""

import uuid
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest

from sandbox.vendors.tryton.rest import RestClient
from shared.canonical import (
    Address,
    Contact,
    CreditDecision,
    Customer,
    Money,
    OrderCheck,
)
from shared.canonical.wire import ShortText
from shared.problem import Rejected, Unavailable
from system_api.connections import Secret
from system_api.erp.contract import SoldProduct
from system_api.erp.tryton.adapter import Tryton
from tests.system_api.erp.conftest import Books, connection_of, tryton_connection
from tests.system_api.erp.drafts import ACME, TIDEWATER, euros, hardware, new_customer, order_id

# -- customers and credit ---------------------------------------------------------------------------------------------


def test_a_known_customer_is_found_by_its_account(acme: Customer) -> None:
    assert (acme.code, acme.name) == ("C-1001", "Acme Industriewerke GmbH")


async def test_a_new_customer_has_address_vat_id_and_terms(erp: Tryton, rest: RestClient) -> None:
    draft = new_customer()

    customer = await erp.ensure_customer(draft)

    fields = ("identifiers.type", "identifiers.code", "addresses.city", "addresses.country.code")
    party = rest.read("party.party", int(customer.vendor_id), [*fields, "customer_payment_term.name"])
    assert {(each["type"], each["code"]) for each in party["identifiers"]} == {
        (None, f"SF:{draft.account_id}"),
        ("eu_vat", draft.vat_id),
    }
    assert [(each["city"], each["country"]["code"]) for each in party["addresses"]] == [("Wien", "AT")]
    assert party["customer_payment_term"]["name"] == "30 days net"


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


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        (
            {"address": Address(street="s", postal_code="1", city="c", country="XX")},
            "unknown_country",
            "billingAddress.country",
        ),
        (
            {"address": Address(street="s", postal_code="1", city="c", country="US", region="ZZ"), "vat_id": None},
            "unknown_state",
            "billingAddress.region",
        ),
        ({"vat_id": "ATU99999999"}, "tax_id_impossible", "vatId"),
        ({"vat_id": "12/345/67890"}, "tax_id_unreadable", "vatId"),
        ({}, None, None),
    ],
)
async def test_what_the_erp_would_refuse_of_a_customer_is_found_without_writing(
    erp: Tryton, changes: dict[str, Any], code: str | None, field: str | None
) -> None:
    draft = new_customer(**changes)

    found = await erp.check_order(OrderCheck(customer=draft))

    assert [(fault.code, fault.field) for fault in found.faults] == ([(code, field)] if code else [])
    assert await erp.find_customer(draft.account_id) is None
    if field == "vatId":
        assert f"The tax id of account {draft.account_id}" in found.faults[0].message
    if code is not None and code != "tax_id_unreadable":  # which is not written at all
        with pytest.raises(Rejected):
            await erp.ensure_customer(draft)


async def test_the_longest_texts_of_our_model_fit(erp: Tryton, rest: RestClient) -> None:
    """Tryton limits none of them: docs/vendors/text-lengths.md."""
    (longest,) = (each.max_length for each in get_args(ShortText)[1:])
    text = f"{uuid.uuid4().hex} {'ä' * longest}"[:longest]
    place = Address(street=text, postal_code="7" * 20, city=text, country="AT")
    draft = new_customer(name=text, address=place)

    assert (await erp.check_order(OrderCheck(customer=draft, purchase_order_number=text))).faults == []
    customer = await erp.ensure_customer(draft)
    lines = [msgspec.structs.replace(each, description=text) for each in hardware(customer.vendor_id).lines]
    contact = Contact(name=text, email=text)
    changes = {"lines": lines, "comment": "c" * 2000, "purchase_order_number": text, "bill_to": contact}
    order = await erp.create_order(order_id(), hardware(customer.vendor_id, account_id=draft.account_id, **changes))

    [held] = rest.search("sale.sale", [["id", "=", int(order.vendor_id or 0)]], ["party.name", "lines.description"])
    assert held["party"]["name"] == text
    assert {each["description"] for each in held["lines"]} == {f"{text}\nPO {text}"}


async def test_a_tax_id_that_cannot_be_kept_is_said(erp: Tryton) -> None:
    address = Address(street="s", postal_code="1", city="c", country="MX")

    found = await erp.check_order(OrderCheck(customer=new_customer(address=address, vat_id="ESO901010AB1")))

    assert [fault.field for fault in found.faults] == ["billingAddress.country"]  # the sandbox's ERP knows no Mexico
    assert "the forms of those of MX are not known here" in found.notes[0]


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


async def test_prices_are_the_companys_own(erp: Tryton, books: Books) -> None:
    american = Tryton(connection_of(books, "NW-US", "USD"))

    assert await erp.list_prices(["GATEWAY-EDGE", "MON-LEGACY", "NONE"], "EUR") == {
        "GATEWAY-EDGE": SoldProduct(euros("1490.00"), quantity_digits=0)
    }
    assert await american.list_prices(["GATEWAY-EDGE"], "USD") == {
        "GATEWAY-EDGE": SoldProduct(Money(amount="1590.00", currency="USD"), quantity_digits=0)
    }
    assert await erp.list_prices(["GATEWAY-EDGE"], "USD") == {}
    await american.close()


# -- readiness --------------------------------------------------------------------------------------------------------


async def test_missing_company_or_wrong_currency_is_reported(erp: Tryton, books: Books) -> None:
    connection = connection_of(books, "NW-DE", "USD")
    other_money = Tryton(connection)
    nowhere = Tryton(tryton_connection(books.url, key=connection.key, database=books.database, company=99))

    assert await erp.ready() is None
    assert await other_money.ready() == "Tryton's company 1 is kept in EUR, not in USD."
    assert await nowhere.ready() == "Tryton has no company 99, or shows it to nobody with our key."
    await other_money.close()
    await nowhere.close()


async def test_a_wrong_key_says_which_setting_to_check(books: Books) -> None:
    erp = Tryton(tryton_connection(books.url, database=books.database, key=Secret("wrong")))

    with pytest.raises(Unavailable) as raised:
        await erp.ready()

    assert raised.value.reason_code == "credentials_refused"
    assert raised.value.what_to_do == "Check the connection's url, database, company and key."
    await erp.close()
