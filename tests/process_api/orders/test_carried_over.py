"""What was accepted reaches ERP and billing whole: amounts, dates, terms, shipping. What cannot is refused before."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from shared.canonical import (
    BillingFrequency,
    BookedLine,
    Collection,
    Contact,
    ErpOrderState,
    Money,
    QuoteLine,
    Recurrence,
    SubscriptionStatus,
)
from tests.process_api.conftest import Process
from tests.process_api.system_stand_in import euros, line, mixed_quote

pytestmark = pytest.mark.servers

START = (datetime.now(UTC) + timedelta(days=60)).date().isoformat()
LATER = (datetime.now(UTC) + timedelta(days=90)).date().isoformat()


def in_pounds() -> list[QuoteLine]:
    """The quote's lines, priced in another currency than its legal entity's."""
    pounds = Money(amount="1490.00", currency="GBP")
    return [msgspec.structs.replace(each, unit_price=pounds) for each in mixed_quote().lines]


async def ordered(process: Process, *lines: QuoteLine, **changes: Any) -> dict[str, Any]:
    """The order of a quote with these lines, once it has ended and Salesforce knows."""
    process.system.quote = msgspec.structs.replace(mixed_quote(), **changes)
    if lines:
        process.system.quote = msgspec.structs.replace(process.system.quote, lines=list(lines))
    answer = await process.submit()
    assert answer.status_code == 202, answer.text
    order = await process.ended(answer.json()["orderId"])
    await process.idle()
    return order


async def test_dates_terms_purchase_order_contact_and_shipping_reach_both_systems(process: Process) -> None:
    order = await ordered(
        process,
        line("l1", "GATEWAY-EDGE", "2", "1490.00", Recurrence.none, "5"),
        line("l2", "MON-STD", "20", "4.90", Recurrence.month),
        msgspec.structs.replace(line("l3", "MON-STD", "5", "4.90", Recurrence.month), start_date=LATER),
        start_date=START,
        term_months=24,
        billing_frequency=BillingFrequency.quarter,
        payment_terms="Net 14",
        purchase_order_number="4500012345",
        bill_to=Contact(name="Ines Kasse", email="kasse@acme.example"),
        shipping=euros("25.00"),
        grand_total=euros("2978.50"),
    )

    assert order["status"] == "booked", order["reason"]
    # 2 x 1,415.50, 20 and 5 x 4.90, 25.00 for shipping; and 19 % of each.
    assert (order["tax"]["amount"], order["total"]["amount"]) == ("565.92", "3544.42")
    erp = process.system.drafts[order["orderId"]]
    assert [(each.line_id, each.sku, each.net.amount) for each in erp.lines] == [
        ("l1", "GATEWAY-EDGE", "2831.00"),
        ("shipping", "SHIPPING", "25.00"),
    ]
    assert (erp.expected_tax, erp.expected_total) == (euros("542.64"), euros("3398.64"))
    assert (erp.payment_terms, erp.purchase_order_number, erp.requested_on) == ("14 days net", "4500012345", START)
    assert (erp.rounding_sku, erp.bill_to) == ("ROUNDING", Contact(name="Ines Kasse", email="kasse@acme.example"))
    first, later = (
        process.system.subscription_drafts[f"{order['orderId']}-{suffix}"] for suffix in ("month", f"month-{LATER}")
    )
    assert [(each.line_id, each.net.amount) for each in first.items] == [("l2", "294.00")]
    assert [(each.line_id, each.net.amount) for each in later.items] == [("l3", "73.50")]
    assert (first.starts_on, later.starts_on) == (START, LATER)
    assert (first.starts_at or "").endswith((":00:00Z",))
    for draft in (first, later):
        assert (draft.billing_frequency, draft.term_months) == (BillingFrequency.quarter, 24)
        assert (draft.days_until_due, draft.collection) == (14, Collection.send_invoice)
        assert draft.purchase_order_number == "4500012345"
    assert order["subscriptionIds"] == ["sub_1", "sub_2"]


async def test_billing_is_told_the_legal_entitys_time_zone_where_nothing_says_when_it_begins(process: Process) -> None:
    now, dated = (
        line("l2", "MON-STD", "20", "4.90", Recurrence.month),
        line("l3", "MON-STD", "1", "4.90", Recurrence.month),
    )

    order = await ordered(process, now, msgspec.structs.replace(dated, start_date=LATER))

    drafts = {draft.starts_on: draft.timezone for draft in process.system.subscription_drafts.values()}
    assert order["status"] == "booked", order["reason"]
    assert drafts == {None: "Europe/Berlin", LATER: None}


async def test_shipping_alone_is_an_order_of_the_erp(process: Process) -> None:
    order = await ordered(process, line("l2", "MON-STD", "20", "4.90", Recurrence.month), shipping=euros("25.00"))

    assert order["status"] == "booked", order["reason"]
    assert [each.sku for each in process.system.drafts[order["orderId"]].lines] == ["SHIPPING"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"grand_total": euros("4128.99")}, "grand_total_mismatch"),
        ({"currency": "GBP", "lines": in_pounds()}, "wrong_currency"),
        ({"payment_terms": "Net 45"}, "unknown_payment_terms"),
        ({"start_date": "2020-01-01"}, "start_date_past"),
        ({"tax": euros("1.00"), "grand_total": euros("4130.00")}, "tax_differs"),
    ],
)
async def test_what_cannot_be_carried_over_is_refused_before_anything_is_booked(
    process: Process, changes: dict[str, Any], reason: str
) -> None:
    order = await ordered(process, **changes)

    assert (order["status"], order["reasonCode"]) == ("rejected", reason)
    assert not process.system.orders
    assert not process.system.subscriptions


async def test_another_currency_is_told_before_credit_is_asked(process: Process) -> None:
    order = await ordered(process, currency="GBP", lines=in_pounds())

    assert "check_credit" not in process.system.calls
    assert "is in GBP; NW-DE sells in EUR." in order["reason"]


async def test_tax_that_billing_rounds_otherwise_is_the_orders(process: Process) -> None:
    process.system.billing_tax = euros("18.63")

    order = await ordered(process, line("l2", "MON-STD", "20", "4.90", Recurrence.month))

    assert (order["status"], order["tax"], order["total"]) == (
        "booked",
        {"amount": "18.63", "currency": "EUR"},
        {"amount": "116.63", "currency": "EUR"},
    )


@pytest.mark.parametrize(
    ("accepted", "charged", "status"),
    [
        # 20 x 4.90 at 19 % are 18.62. The CRM may have a coin more and billing one less, but not both.
        ("18.63", "18.63", "booked"),
        ("18.63", "18.62", "booked"),
        ("18.63", "18.64", "booked"),
        ("18.63", "18.61", "rejected"),
        ("18.61", "18.63", "rejected"),
        ("18.61", "18.60", "booked"),
    ],
)
async def test_tax_differs_by_one_coin_a_line_from_what_was_accepted_and_never_by_two(
    process: Process, accepted: str, charged: str, status: str
) -> None:
    process.system.billing_tax = euros(charged)
    total = euros(f"{Decimal('98.00') + Decimal(accepted):.2f}")

    order = await ordered(
        process, line("l2", "MON-STD", "20", "4.90", Recurrence.month), tax=euros(accepted), grand_total=total
    )

    assert order["status"] == status, order["reason"]
    if status == "booked":
        assert order["tax"] == {"amount": charged, "currency": "EUR"}
    else:
        assert f"its tax is {charged}, not {accepted}" in order["reason"]


async def test_tax_of_the_erp_is_held_to_what_was_accepted(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    confirm = type(process.system)._confirm_order

    def a_coin_less(system: Any, body: bytes, external_id: str) -> Any:
        found = confirm(system, body, external_id)
        return msgspec.structs.replace(found, tax=euros("537.88"), total=euros("3368.88"))

    monkeypatch.setattr(type(process.system), "_confirm_order", a_coin_less)
    one_off = line("l1", "GATEWAY-EDGE", "2", "1490.00", Recurrence.none, "5")  # 2831.00, taxed with 537.89

    order = await ordered(process, one_off, tax=euros("537.90"), grand_total=euros("3368.90"))

    assert order["reasonCode"] == "read_back_mismatch"
    assert "its tax is 537.88, not 537.90" in order["reason"]


async def test_the_tax_of_an_invoice_for_a_quarter_is_compared_too(process: Process) -> None:
    process.system.billing_tax = euros("55.84")  # 3 x 98.00 at 19 % are 55.86
    by_quarter = {"billing_frequency": BillingFrequency.quarter}

    order = await ordered(process, line("l2", "MON-STD", "20", "4.90", Recurrence.month), **by_quarter)

    assert order["reasonCode"] == "read_back_mismatch"
    assert "its tax is 55.84, not 55.86" in order["reason"]


async def test_tax_that_no_rounding_makes_is_no_booking(process: Process) -> None:
    process.system.billing_tax = euros("0.00")

    order = await ordered(process, line("l2", "MON-STD", "20", "4.90", Recurrence.month))

    assert order["reasonCode"] == "read_back_mismatch"
    assert "its tax is 0.00, not 18.62" in order["reason"]
    assert {each.status for each in process.system.subscriptions.values()} == {SubscriptionStatus.cancelled}


async def test_a_line_that_the_erp_holds_at_another_amount_is_taken_back(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The total is right, and the line count: only the lines tell."""
    confirm = type(process.system)._confirm_order

    def exchanged(system: Any, body: bytes, external_id: str) -> Any:
        lines = [BookedLine(line_id="l1", net_amount=Money(amount="2830.00", currency="EUR"))]
        return msgspec.structs.replace(confirm(system, body, external_id), lines=lines)

    monkeypatch.setattr(type(process.system), "_confirm_order", exchanged)

    order = await ordered(process)

    assert order["reasonCode"] == "read_back_mismatch"
    assert "GATEWAY-EDGE comes to 2830.00, not to 2831.00" in order["reason"]
    assert {each.state for each in process.system.orders.values()} == {ErpOrderState.cancelled}
