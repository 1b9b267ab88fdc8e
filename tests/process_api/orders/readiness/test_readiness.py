"""Readiness: what a later system would refuse is known before the first write, every fault of it at once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from process_api.database.tables import orders
from process_api.legal_entities import PaymentTerm
from process_api.orders.readiness.examination import Submitted
from process_api.orders.readiness.faults import NOT_READY, NotReady
from process_api.orders.readiness.quote_state import total_of
from process_api.settings import ProcessSettings
from shared.canonical import Address, BillingFrequency, Contact, Quote, QuoteKind, QuoteStatus, Recurrence
from shared.problem import Unavailable
from tests.process_api.conftest import Process
from tests.process_api.orders.order_endings import submit_and_end
from tests.process_api.orders.readiness.readiness_desk import NOON, RULES, Desk
from tests.process_api.system_stand_in import Fault, euros, line, mixed_quote


@pytest.fixture
def desk(process: Process) -> Desk:
    """A desk with the rules of a German company."""
    return Desk(process)


def changed(**fields: Any) -> Quote:
    return msgspec.structs.replace(mixed_quote(), **fields)


def with_line(**fields: Any) -> Quote:
    quote = mixed_quote()
    return msgspec.structs.replace(quote, lines=[msgspec.structs.replace(quote.lines[1], **fields), *quote.lines[2:]])


async def test_a_quote_that_every_system_takes_has_no_fault(desk: Desk) -> None:
    assert await desk.codes(mixed_quote()) == []


@pytest.mark.parametrize(
    ("quote", "code"),
    [
        (changed(status=QuoteStatus.draft), "quote_not_accepted"),
        (changed(kind=QuoteKind.amendment), "amendment_not_supported"),
        (changed(kind=QuoteKind.renewal), "renewal_not_supported"),
        (changed(expires_on="2026-11-30"), "quote_expired"),
        (changed(lines=[]), "quote_empty"),
        (
            changed(lines=[line(f"l{n}", "GATEWAY-EDGE", "1", "1490", Recurrence.none) for n in range(501)]),
            "too_many_lines",
        ),
        (changed(lines=[line("l1", "GATEWAY-EDGE", "999999999999", "1490", Recurrence.none)]), "amounts_too_large"),
        (changed(lines=[line("l1", "GATEWAY-EDGE", "335570470", "1490", Recurrence.none)]), "amounts_too_large"),
        (changed(bill_to=None), "bill_to_email_missing"),
        (changed(bill_to=Contact(name="Petra Muster")), "bill_to_email_missing"),
        (changed(payment_terms="2/10 Net 30"), "unknown_payment_terms"),
        (changed(shipping=euros("25.00")), "shipping_not_configured"),
        (with_line(quantity="1.5"), "quantity_not_whole"),
        (with_line(quantity="0"), "quantity_zero"),
        (with_line(usage=True), "usage_not_supported"),
        (with_line(in_arrears=True), "arrears_not_supported"),
        (with_line(bundle_parent_id="elsewhere"), "bundle_incomplete"),
        (with_line(sku="MON-RETIRED"), "unknown_product"),
        (with_line(unit_price=euros("9.90")), "price_outside_policy"),
        (with_line(discount_percent="45"), "price_outside_policy"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_the_quote_tells_is_a_fault_in_a_sentence(desk: Desk, quote: Quote, code: str) -> None:
    found = await desk.examine(quote)

    assert [fault.code for fault in found.faults] == [code]
    assert found.faults[0].message.endswith(".")


@pytest.mark.parametrize(
    ("quote", "codes"),
    [
        (changed(lines=[line("l1", "GATEWAY-EDGE", "1", "-50.00", Recurrence.none)]), ["price_outside_policy"]),
        (
            changed(lines=mixed_quote().lines[:1], shipping=euros("-100000.00")),
            ["shipping_negative", "shipping_not_configured"],
        ),
    ],
)
async def test_what_comes_to_less_than_nothing_is_a_fault_and_no_question_of_credit(
    desk: Desk, quote: Quote, codes: list[str]
) -> None:
    assert await desk.codes(quote) == codes

    assert (
        "check_credit" not in desk.process.system.calls
    )  # the ERP is asked about what will be owed, and takes no other


@pytest.mark.parametrize(
    ("quote", "rules"),
    [
        (changed(payment_terms="Net 30"), {"payment_terms": {"Net 30": PaymentTerm(erp="30 days net", days=30)}}),
        (changed(shipping=euros("25.00")), {"shipping_sku": "SHIPPING"}),
        (changed(shipping=euros("0.00")), {}),
        (changed(bill_to=None, lines=mixed_quote().lines[:1]), {"collection": "charge_automatically"}),
        (changed(bill_to=None, lines=mixed_quote().lines[:1]), {}),
        (changed(expires_on="2026-12-01"), {}),
        (changed(billing_frequency=BillingFrequency.month), {}),
        (changed(lines=[msgspec.structs.replace(mixed_quote().lines[0], in_arrears=True)]), {}),
    ],
)
async def test_what_the_rules_allow_is_no_fault(process: Process, quote: Quote, rules: dict[str, Any]) -> None:
    assert await Desk(process, msgspec.structs.replace(RULES, **rules)).codes(quote) == []


async def test_a_quote_expires_by_the_day_of_the_legal_entity(process: Process) -> None:
    quote = changed(expires_on="2026-11-30")
    late_on_the_30th = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    in_new_york = Desk(process, msgspec.structs.replace(RULES, timezone="America/New_York"))

    assert await in_new_york.codes(quote, now=late_on_the_30th) == []
    assert await Desk(process).codes(quote, now=late_on_the_30th) == ["quote_expired"]


@pytest.mark.parametrize(
    ("taken_in", "codes"),
    [
        ("2026-11-30T22:59:59Z", []),  # still the 30th in Berlin
        ("2026-11-30T23:00:00Z", ["quote_expired"]),
    ],
)
async def test_an_order_that_waits_is_held_to_the_day_it_was_submitted(
    desk: Desk, taken_in: str, codes: list[str]
) -> None:
    quote = changed(expires_on="2026-11-30")
    submitted = Submitted(quote.quote_id, quote.revision, at=datetime.fromisoformat(taken_in))

    assert await desk.codes(quote, submitted=submitted, now=NOON) == codes


async def test_a_start_date_is_held_to_the_day_on_which_billing_would_begin(desk: Desk) -> None:
    quote = changed(start_date="2026-11-30", lines=mixed_quote().lines[1:])
    submitted = Submitted(quote.quote_id, quote.revision, at=datetime(2026, 11, 29, 12, tzinfo=UTC))

    assert set(await desk.codes(quote, submitted=submitted)) == {"start_date_past"}


async def test_an_order_taken_in_before_its_quote_expired_is_booked_after(process: Process) -> None:
    assert process.system.quote is not None
    yesterday = datetime.now(UTC) - timedelta(days=1)
    process.system.quote = msgspec.structs.replace(process.system.quote, expires_on=f"{yesterday:%Y-%m-%d}")
    gate = process.switch.hold("/v1/crm/quotes/")  # the submission does without, and the flow waits
    answer = await process.submit()
    order_id = answer.json()["orderId"]
    async with process.worker.store.transaction("nordwind") as connection:
        await connection.execute(update(orders).where(orders.c.order_id == order_id).values(created_at=yesterday))
    gate.set()

    order = await process.ended(order_id)

    assert order["status"] == "booked", order["reason"]


@pytest.mark.parametrize(
    ("changed_at", "codes"),
    [
        ("2026-11-20T10:00:00Z", []),
        ("2026-11-20T10:00:01Z", ["line_changed_after_acceptance"]),
        ("2026-11-20T11:00:00+01:00", []),
        (None, []),
    ],
)
async def test_a_line_changed_after_acceptance_is_a_fault(desk: Desk, changed_at: str | None, codes: list[str]) -> None:
    quote = msgspec.structs.replace(with_line(changed_at=changed_at), accepted_at="2026-11-20T10:00:00Z")

    assert await desk.codes(quote) == codes


@pytest.mark.parametrize(
    ("address", "code"),
    [
        (None, "billing_address_missing"),
        (Address(street="", postal_code="", city="", country="DE"), "address_incomplete"),
        (Address(street="Main St 1", postal_code="1", city="", country="DE"), "address_incomplete"),
        (Address(street="Main St 1", postal_code="1", city="Ulm", country="US", region="ZZ"), "unknown_state"),
        *(
            (Address(street="Main St 1", postal_code="1", city="Ulm", country=country, region=region), "unknown_state")
            for country, region in [
                *(("CA", "NY"), ("AU", "XX"), ("BR", "XX"), ("CN", "99"), ("IE", "XX"), ("IN", "XX"), ("IT", "XX")),
                ("MX", "XX"),
            ]
        ),
    ],
)
async def test_an_address_that_cannot_be_invoiced_is_a_fault(desk: Desk, address: Address | None, code: str) -> None:
    assert desk.process.system.account is not None
    account = msgspec.structs.replace(desk.process.system.account, billing_address=address)
    desk.process.system.account = account

    assert await desk.codes(mixed_quote()) == [code]


@pytest.mark.parametrize(
    ("term", "frequency", "codes"),
    [
        (5, BillingFrequency.quarter, ["term_not_divisible"]),
        (6, BillingFrequency.quarter, []),
        (18, BillingFrequency.year, ["term_not_divisible"]),
        (24, BillingFrequency.year, []),
        (5, BillingFrequency.month, []),
        (5, None, []),
        (None, BillingFrequency.quarter, []),
    ],
)
async def test_a_term_that_ends_within_an_invoice_is_a_fault(
    desk: Desk, term: int | None, frequency: BillingFrequency | None, codes: list[str]
) -> None:
    monthly = mixed_quote().lines[1:2]
    quote = changed(term_months=term, billing_frequency=frequency, lines=monthly)

    found = await desk.examine(quote)

    assert [fault.code for fault in found.faults] == codes
    for fault in found.faults:
        assert (fault.field, fault.line_id, fault.system) == ("termMonths", "l2", "billing")
        assert f"the term of {term} months is no multiple of that" in fault.message


async def test_a_term_shorter_than_the_period_of_a_price_is_a_fault(desk: Desk) -> None:
    yearly = mixed_quote().lines[2:]

    assert await desk.codes(changed(term_months=6, lines=yearly)) == ["term_not_divisible"]
    assert await desk.codes(changed(term_months=6, lines=yearly, billing_frequency=BillingFrequency.quarter)) == []


@pytest.mark.parametrize(
    ("operation", "pointer", "field"),
    [
        ("find_account", "/billingAddress/region", "billingAddress.region"),
        ("find_account", None, "accountId"),
        ("calculate_tax", "/buyer/region", "billingAddress.region"),
        ("calculate_tax", "/buyerVatId", "vatId"),
        ("calculate_tax", None, "billingAddress"),
        ("look_up_prices", None, "lines"),
        ("check_credit", None, "accountId"),
    ],
)
async def test_a_systems_refusal_names_the_field_that_it_is_about(
    desk: Desk, operation: str, pointer: str | None, field: str
) -> None:
    desk.process.system.fail(operation, "rejected")
    desk.process.system.refused_at = pointer

    found = await desk.examine(mixed_quote())

    assert [(fault.code, fault.field) for fault in found.faults] == [("test_refusal", field)]


@pytest.mark.parametrize(
    ("quantity", "digits", "codes"),
    [
        ("1.5", 0, ["quantity_not_whole"]),
        ("-0.1", 0, ["quantity_not_whole"]),
        ("2.00", 0, []),
        ("1.255", 2, ["quantity_too_fine"]),
        ("1.25", 2, []),
        ("1.2500", 2, []),
        ("0.0001", None, []),
    ],
)
async def test_a_quantity_finer_than_the_erps_unit_is_a_fault(
    desk: Desk, quantity: str, digits: int | None, codes: list[str]
) -> None:
    lines = [line("l1", "GATEWAY-EDGE", quantity, "1490.00", Recurrence.none)]
    desk.process.system.quantity_digits = {} if digits is None else {"GATEWAY-EDGE": digits}

    found = await desk.examine(changed(lines=lines))

    told = [fault for fault in found.faults if fault.field == "quantity"]
    assert [(fault.code, fault.line_id, fault.system) for fault in told] == [(code, "l1", "ERP") for code in codes]
    assert all(f"Line 1 (GATEWAY-EDGE): {quantity} of it cannot be sold" in fault.message for fault in told)


async def test_one_product_twice_at_the_list_price_can_be_ordered(desk: Desk) -> None:
    # Billing takes a price once in a subscription: the adapter has one made for the second line.
    lines = [
        line("a", "MON-STD", "20", "4.90", Recurrence.month),
        line("b", "GATEWAY-EDGE", "1", "1490.00", Recurrence.none),
        line("c", "MON-STD", "5", "4.90", Recurrence.month),
        line("d", "MON-STD", "5", "4.90", Recurrence.month, "5"),
    ]

    found = await desk.examine(changed(lines=lines))

    assert found.faults == []


async def test_another_revision_is_the_only_fault_that_is_told(desk: Desk) -> None:
    quote = changed(status=QuoteStatus.draft, lines=[])

    assert await desk.codes(quote, submitted=Submitted(quote.quote_id, 7)) == ["quote_revision_changed"]
    assert desk.process.system.calls == []


@pytest.mark.parametrize(
    ("expected", "currency", "codes"),
    [
        ("4129.00", None, []),
        ("4129", "EUR", []),
        ("4129.00", "USD", ["total_changed"]),
        ("4128.99", None, ["total_changed"]),
    ],
)
async def test_a_total_that_the_user_did_not_see_is_a_fault(
    desk: Desk, expected: str, currency: str | None, codes: list[str]
) -> None:
    quote = mixed_quote()
    assert total_of(quote) == euros("4129.00")

    found = await desk.examine(quote, Submitted(quote.quote_id, 1, Decimal(expected), currency))

    assert [fault.code for fault in found.faults] == codes
    for fault in found.faults:
        assert "4129.00 EUR" in fault.message
        assert f"{expected} {currency or 'EUR'} as it was seen" in fault.message


async def test_what_was_accepted_is_the_grand_total_or_else_the_lines_totals() -> None:
    quote = mixed_quote()
    lines = [msgspec.structs.replace(each, total=euros("10.01")) for each in quote.lines]

    assert total_of(msgspec.structs.replace(quote, lines=lines)) == euros("30.03")
    assert total_of(msgspec.structs.replace(quote, lines=lines, grand_total=euros("35.00"))) == euros("35.00")


async def test_every_fault_is_told_at_once_and_nothing_is_written(process: Process) -> None:
    system = process.system
    assert system.quote is not None
    assert system.account is not None
    lines = [
        line("l1", "GATEWAY-EDGE", "2", "1690.00", Recurrence.none),
        line("l2", "MON-STD", "1.5", "4.90", Recurrence.month),
        line("l3", "RETIRED", "1", "1.00", Recurrence.none),
    ]
    system.quote = msgspec.structs.replace(system.quote, lines=lines, bill_to=None, payment_terms="someday")
    system.account = msgspec.structs.replace(system.account, billing_address=None)
    system.credit_limit = None

    order = await submit_and_end(process)

    assert (order["status"], order["reasonCode"]) == ("rejected", NOT_READY)
    told = {(fault["code"], fault["lineId"]) for fault in order["faults"]}
    assert told == {
        ("price_outside_policy", "l1"),
        ("quantity_not_whole", "l2"),
        ("unknown_product", "l3"),
        ("bill_to_email_missing", None),
        ("unknown_payment_terms", None),
        ("billing_address_missing", None),
        ("credit_refused", None),
    }
    for fault in order["faults"]:
        assert fault["message"] in order["reason"]
    written = {"ensure_customer", "create_order", "ensure_billing_customer", "create_subscription"}
    assert not written & set(system.calls)
    assert not [entry for entry in system.journal if entry[0] != "report"]


async def test_what_was_mended_is_no_fault_of_the_next_order(process: Process) -> None:
    system = process.system
    good = system.quote
    assert good is not None
    system.quote = msgspec.structs.replace(good, bill_to=None)
    refused = await submit_and_end(process)
    assert refused["reasonCode"] == "bill_to_email_missing"
    system.quote = good

    order = await submit_and_end(process)

    assert (order["status"], order["faults"]) == ("booked", [])


# -- as an operation --------------------------------------------------------------------------------------------------


async def ask(process: Process, **body: Any) -> dict[str, Any]:
    path = f"/v1/quotes/{process.system.quote_id}/readiness"
    answer = await process.client.post(path, json=body, headers=process.headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_readiness_is_what_an_order_would_be_told(process: Process) -> None:
    assert process.system.quote is not None
    assert (await ask(process))["ready"] is True
    process.system.quote = msgspec.structs.replace(process.system.quote, bill_to=None, payment_terms="someday")
    before = list(process.system.journal)

    found = await ask(process)
    assert process.system.journal == before
    order = await submit_and_end(process)

    assert found["ready"] is False
    assert found["total"] == {"amount": "4129.00", "currency": "EUR"}
    assert found["faults"] == order["faults"]


async def test_readiness_tells_another_revision_and_another_total(process: Process) -> None:
    assert [fault["code"] for fault in (await ask(process, quoteRevision=2))["faults"]] == ["quote_revision_changed"]
    assert [fault["code"] for fault in (await ask(process, expectedTotal="1"))["faults"]] == ["total_changed"]


@pytest.mark.parametrize(
    ("operation", "system"),
    [
        ("find_account", "Salesforce"),
        ("check_credit", "ERP"),
        ("look_up_prices", "ERP and billing"),
        ("calculate_tax", "tax"),
    ],
)
@pytest.mark.parametrize("fault", ["unavailable", "not_sent"])
async def test_a_system_that_is_away_is_named_and_the_others_are_asked(
    process: Process, operation: str, system: str, fault: Fault
) -> None:
    assert process.system.quote is not None
    process.system.quote = msgspec.structs.replace(process.system.quote, bill_to=None)
    process.system.fail(operation, *[fault] * 5)

    found = await ask(process)

    assert found["ready"] is False
    assert [each["system"] for each in found["unchecked"]] == [system]
    assert [each["code"] for each in found["faults"]] == ["bill_to_email_missing"]


async def test_readiness_of_no_quote_is_404(process: Process) -> None:
    path = "/v1/quotes/0Q0QW00000000019AA/readiness"
    answer = await process.client.post(path, json={}, headers=process.headers)

    assert answer.status_code == 404


async def test_a_system_that_is_away_makes_the_step_try_again(desk: Desk) -> None:
    desk.process.system.fail("look_up_prices", "unavailable")

    with pytest.raises(Unavailable):
        (await desk.examine(mixed_quote())).require()


async def test_known_faults_are_told_although_a_system_is_away(desk: Desk) -> None:
    desk.process.system.fail("look_up_prices", "unavailable")

    with pytest.raises(NotReady, match=r"There may be more: not all could be asked \(ERP and billing\)\.") as refused:
        (await desk.examine(changed(status=QuoteStatus.draft))).require()
    assert refused.value.reason_code == "quote_not_accepted"


def test_the_check_asks_with_the_rules_of_the_file(process_settings: ProcessSettings) -> None:
    settings = msgspec.structs.replace(process_settings, legal_entities_file="sandbox/data/legal_entities.toml")

    assert settings.legal_entities().of("nordwind", "NW-DE").timezone == "Europe/Berlin"
    assert replace(settings.legal_entities(), entities={}).of("nordwind", "NW-DE").timezone == "UTC"
