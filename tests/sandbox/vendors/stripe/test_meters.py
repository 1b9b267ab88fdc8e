"""Meters: which events count, what they add up to, and what they cost."""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Any

import pytest
import stripe

from tests.sandbox.vendors.stripe.clocked import DAY, START, Clocked, day, monthly_price
from tests.sandbox.vendors.stripe.conftest import items_of
from tests.sandbox.vendors.stripe.metering import metered_price, new_meter, record


@pytest.fixture
def clocked(client: stripe.StripeClient) -> Clocked:
    return Clocked(client)


def counted(clocked: Clocked, meter: stripe.billing.Meter, start: int, end: int, **params: Any) -> list[float]:
    found = clocked.client.v1.billing.meters.event_summaries.list(
        meter.id,
        {"customer": clocked.customer, "start_time": start, "end_time": end, **params},  # type: ignore[typeddict-item]  # a merged dict is no TypedDict
    )
    return [summary.aggregated_value for summary in reversed(found.data)]


def refused(clocked: Clocked, meter: stripe.billing.Meter, value: str, **params: Any) -> stripe.InvalidRequestError:
    with pytest.raises(stripe.InvalidRequestError) as told:
        record(clocked, meter, value, **params)
    return told.value


@pytest.mark.parametrize(("formula", "expected"), [("sum", 7.75), ("count", 3), ("last", 1.25)])
def test_events_are_aggregated_as_the_meter_says(
    client: stripe.StripeClient, clocked: Clocked, formula: str, expected: float
) -> None:
    meter = new_meter(client, formula)
    for value, at in (("4", START - DAY), ("1.25", START), ("2.5", START - 60)):
        record(clocked, meter, value, timestamp=at)
    assert counted(clocked, meter, START - 2 * DAY, START + 60) == [expected]


def test_a_summary_is_grouped_by_day_or_hour_in_utc(client: stripe.StripeClient, clocked: Clocked) -> None:
    meter = new_meter(client)
    for at in (START - DAY, START - DAY + 3600, START - 1):
        record(clocked, meter, "1", timestamp=at)
    assert counted(clocked, meter, START - 2 * DAY, START, value_grouping_window="day") == [0, 3]
    assert counted(clocked, meter, START - DAY, START - DAY + 3 * 3600, value_grouping_window="hour") == [1, 1, 0]
    for late_s, params in ((1, {}), (60, {"value_grouping_window": "day"})):
        start = START - DAY + late_s
        with pytest.raises(stripe.InvalidRequestError, match="aligned"):
            counted(clocked, meter, start, START, **params)


def test_an_identifier_counts_once_in_a_day(client: stripe.StripeClient, clocked: Clocked) -> None:
    meter = new_meter(client)
    name = secrets.token_hex(8)
    assert record(clocked, meter, "5", identifier=name).identifier == name
    told = refused(clocked, meter, "5", identifier=name)
    assert str(told.user_message) == f"An event already exists with identifier {name}."
    clocked.advance(START + DAY - 60)
    refused(clocked, meter, "5", identifier=name)
    clocked.advance(START + DAY)
    record(clocked, meter, "5", identifier=name)
    assert counted(clocked, meter, START, START + 2 * DAY) == [10]


@pytest.mark.parametrize(
    ("value", "params", "code"),
    [
        ("many", {}, "meter_event_invalid_value"),
        ("1234567890.123456", {}, "meter_event_value_too_many_digits"),
        ("1", {"timestamp": START - 35 * DAY - 1}, "timestamp_too_far_in_past"),
        ("1", {"timestamp": START + 301}, "timestamp_in_future"),
        ("1", {"payload": {"value": "1"}}, "meter_event_no_customer_defined"),
        ("1", {"payload": {"value": "1", "stripe_customer_id": "cus_none"}}, "meter_event_customer_not_found"),
        ("1", {"event_name": "nobody_counts_this"}, "no_meter"),
    ],
)
def test_an_event_that_cannot_count_is_refused(
    client: stripe.StripeClient, clocked: Clocked, value: str, params: dict[str, Any], code: str
) -> None:
    assert refused(clocked, new_meter(client), value, **params).code == code


def test_fifteen_digits_and_the_edges_of_time_count(client: stripe.StripeClient, clocked: Clocked) -> None:
    meter = new_meter(client)
    record(clocked, meter, "1234567890.12345", timestamp=START - 35 * DAY)
    record(clocked, meter, "0", timestamp=START + 300)
    assert counted(clocked, meter, START - 36 * DAY, START + DAY) == [1234567890.12345]


def test_an_event_is_taken_back_within_a_day(client: stripe.StripeClient, clocked: Clocked) -> None:
    meter = new_meter(client)
    early, late = record(clocked, meter, "5"), record(clocked, meter, "7")

    def take_back(event: stripe.billing.MeterEvent) -> stripe.billing.MeterEventAdjustment:
        return client.v1.billing.meter_event_adjustments.create(
            {"event_name": meter.event_name, "type": "cancel", "cancel": {"identifier": event.identifier}}
        )

    assert take_back(early).status == "complete"
    assert counted(clocked, meter, START, START + DAY) == [7]
    with pytest.raises(stripe.InvalidRequestError, match="No event exists"):
        take_back(early)
    clocked.advance(START + DAY + 60)
    with pytest.raises(stripe.InvalidRequestError, match="past 24 hours"):
        take_back(late)


def test_a_meter_is_named_switched_off_and_on(client: stripe.StripeClient, clocked: Clocked) -> None:
    meter = new_meter(client)
    assert client.v1.billing.meters.update(meter.id, {"display_name": "Other"}).display_name == "Other"
    with pytest.raises(stripe.InvalidRequestError) as told:
        client.v1.billing.meters.create(
            {"display_name": "Twin", "event_name": meter.event_name, "default_aggregation": {"formula": "sum"}}
        )
    assert told.value.code == "resource_already_exists"
    assert client.v1.billing.meters.deactivate(meter.id).status == "inactive"
    assert refused(clocked, meter, "1").code == "archived_meter"
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        metered_price(client, meter, "5")
    assert client.v1.billing.meters.reactivate(meter.id).status == "active"
    assert meter.id in [each.id for each in client.v1.billing.meters.list({"status": "active", "limit": 100}).data]
    assert client.v1.billing.meters.retrieve(meter.id).event_name == meter.event_name


def test_usage_is_charged_when_its_period_has_ended(client: stripe.StripeClient, clocked: Clocked) -> None:
    meter = new_meter(client)
    price = metered_price(client, meter, "1.25")
    subscription = clocked.subscribe(price, monthly_price(client, 1000))
    metered = next(item for item in items_of(subscription) if item.price.id == price)
    assert "quantity" not in metered.to_dict()
    assert clocked.totals() == [1000]
    clocked.advance(START + 10 * DAY)
    for value in ("30", "10.5"):
        record(clocked, meter, value)
    seen = client.v1.invoices.create_preview({"subscription": subscription.id})
    assert seen.total == 1000 + 51, "40.5 × 1.25 is 50.625"
    clocked.advance(day(7, 2))
    record(clocked, meter, "4")
    assert clocked.totals() == [1000, 1051]
    newest = client.v1.invoices.list({"customer": clocked.customer}).data[0]
    used = next(line for line in newest.lines.data if line.amount == 51)
    assert (used.quantity_decimal, used.period.start, used.period.end) == (Decimal("40.5"), START, day(7))
    client.v1.subscriptions.cancel(subscription.id, {"invoice_now": True})
    assert clocked.totals()[-1] == 5


def test_the_last_usage_is_charged_at_a_scheduled_end(client: stripe.StripeClient, clocked: Clocked) -> None:
    meter = new_meter(client)
    subscription = clocked.subscribe(metered_price(client, meter, "100"))
    client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    clocked.advance(START + DAY)
    record(clocked, meter, "6")
    clocked.advance(day(7, 2))
    (last,) = client.v1.invoices.list({"customer": clocked.customer}).data
    assert (last.total, last.status, clocked.read(subscription.id).status) == (600, "paid", "canceled")


def test_a_metered_item_has_no_quantity_and_a_licensed_price_no_meter(
    client: stripe.StripeClient, clocked: Clocked
) -> None:
    meter = new_meter(client)
    price = metered_price(client, meter, "5")
    with pytest.raises(stripe.InvalidRequestError, match="Quantity should not be specified"):
        client.v1.subscriptions.create({"customer": clocked.customer, "items": [{"price": price, "quantity": 1}]})
    for recurring in ({"usage_type": "metered"}, {"meter": meter.id}):
        wanted = {
            "product_data": {"name": "Monitoring Standard, per sensor and month"},
            "currency": "eur",
            "unit_amount": 1,
        }
        with pytest.raises(stripe.InvalidRequestError) as told:
            client.v1.prices.create({**wanted, "recurring": {"interval": "month", **recurring}})  # type: ignore[typeddict-item]  # a merged dict is no TypedDict
        assert told.value.param == "recurring[meter]"
