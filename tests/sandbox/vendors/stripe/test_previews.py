"""Previews of invoices: they charge what the invoice charges that comes, and leave nothing behind."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.vendors.stripe.clocked import DAY, START, Clocked, day, monthly_price, shape
from tests.sandbox.vendors.stripe.conftest import items_of
from tests.sandbox.vendors.stripe.running_sandbox import RunningSandbox


@pytest.fixture
def clocked(client: stripe.StripeClient) -> Clocked:
    return Clocked(client)


def preview(client: stripe.StripeClient, **params: Any) -> stripe.Invoice:
    return client.v1.invoices.create_preview(params)  # type: ignore[arg-type]  # a merged dict is no TypedDict


def objects(sandbox: RunningSandbox) -> dict[str, int]:
    found: dict[str, int] = httpx.get(f"{sandbox.url}/_sandbox/state", trust_env=False).json()["objects"]
    return found


def test_the_next_renewal_is_previewed_as_it_comes(client: stripe.StripeClient, clocked: Clocked) -> None:
    running = clocked.subscribe(monthly_price(client, 1000), monthly_price(client, 250))
    seen = preview(client, subscription=running.id)
    assert (seen.total, seen.billing_reason, seen.status, seen.number) == (1250, "subscription_cycle", "draft", None)
    assert seen.id.startswith("upcoming_in")
    assert seen.next_payment_attempt == day(7, 1) + 3600
    clocked.advance(day(7, 2))
    (renewal, _) = client.v1.invoices.list({"customer": clocked.customer}).data
    assert shape(renewal) == shape(seen)


CHANGES: list[dict[str, Any]] = [
    {"items": [{"quantity": 7}]},
    {"items": [{"quantity": 7}], "proration_behavior": "none"},
    {"items": [{"quantity": 3}], "proration_behavior": "always_invoice"},
    {"items": [{"price": "dearer", "quantity": 2}], "proration_behavior": "always_invoice"},
    {"items": [{"price": "cheaper"}], "proration_date": START + 5 * DAY},
    {"items": [{"price": "yearly"}]},
    {"billing_cycle_anchor": {"type": "now"}},
    {"trial_end": START + 25 * DAY},
    {"cancel_at": START + 70 * DAY},
    {"items": [{"quantity": 2}], "proration_behavior": "always_invoice", "metadata": {"why": "growth"}},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: "-".join(map(str, change)))
def test_a_change_is_previewed_as_it_is_then_invoiced(
    client: stripe.StripeClient, clocked: Clocked, change: dict[str, Any]
) -> None:
    prices = {
        "dearer": monthly_price(client, 1700),
        "cheaper": monthly_price(client, 333),
        "yearly": monthly_price(client, 9000, "year"),
    }
    running = clocked.subscribe(monthly_price(client, 1000))
    clocked.advance(START + 10 * DAY)
    item = items_of(running)[0].id
    wanted = dict(change)
    if "items" in change:
        spec = change["items"][0]
        wanted["items"] = [{"id": item, **spec, **({"price": prices[spec["price"]]} if "price" in spec else {})}]
    seen = preview(client, subscription=running.id, subscription_details=wanted)
    assert clocked.totals() == [1000], "a preview makes no invoice"
    client.v1.subscriptions.update(running.id, wanted)  # type: ignore[arg-type]  # a merged dict is no TypedDict
    at_once = client.v1.invoices.list({"customer": clocked.customer}).data
    if len(at_once) == 1:
        clocked.advance(day(7, 2))
    newest = client.v1.invoices.list({"customer": clocked.customer}).data[0]
    assert (shape(newest), newest.total) == (shape(seen), seen.total)
    assert (newest.collection_method, newest.due_date) == (seen.collection_method, seen.due_date)


def test_a_cancellation_now_is_previewed_with_what_it_credits(client: stripe.StripeClient, clocked: Clocked) -> None:
    running = clocked.subscribe(monthly_price(client, 3000))
    clocked.advance(START + 10 * DAY)
    seen = preview(client, subscription=running.id, subscription_details={"cancel_now": True})
    assert seen.total == -2000
    assert clocked.read(running.id).status == "active"
    client.v1.subscriptions.cancel(running.id, {"invoice_now": True, "prorate": True})
    assert clocked.totals()[-1] == -2000


def test_a_subscription_that_has_not_begun_is_previewed(client: stripe.StripeClient, clocked: Clocked) -> None:
    rate = client.v1.tax_rates.create({"display_name": "USt", "percentage": 19, "inclusive": False})
    details = {"items": [{"price": monthly_price(client, 999), "quantity": 3}], "default_tax_rates": [rate.id]}
    seen = preview(client, customer=clocked.customer, subscription_details=details)
    assert (seen.subtotal, seen.total, seen.parent) == (2997, 3566, None)
    made = client.v1.subscriptions.create(
        {"customer": clocked.customer, **details, "expand": ["latest_invoice"]}  # type: ignore[arg-type]  # a merged dict is no TypedDict
    )
    assert isinstance(made.latest_invoice, stripe.Invoice)
    assert made.latest_invoice.total == seen.total
    nobody = preview(
        client,
        customer_details={"address": {"country": "DE"}, "tax_exempt": "reverse"},
        subscription_details=details,
    )
    assert (nobody.total, nobody.customer) == (2997, None)


def test_items_discounts_and_pending_items_are_in_a_preview(client: stripe.StripeClient, clocked: Clocked) -> None:
    running = clocked.subscribe(monthly_price(client, 1000))
    client.v1.invoice_items.create(
        {"customer": clocked.customer, "subscription": running.id, "currency": "eur", "amount": 300}
    )
    half = client.v1.coupons.create({"percent_off": 50, "duration": "once"}).id
    seen = preview(
        client,
        subscription=running.id,
        invoice_items=[{"amount": 200, "description": "Visit"}],
        discounts=[{"coupon": half}],
    )
    assert (seen.subtotal, seen.total) == (1500, 750)
    assert client.v1.coupons.retrieve(half).times_redeemed == 0
    recurring = preview(client, subscription=running.id, preview_mode="recurring")
    assert (recurring.total, len(recurring.lines.data)) == (1000, 1)


def test_a_preview_leaves_no_object_event_or_journal_entry(
    client: stripe.StripeClient, clocked: Clocked, sandbox: RunningSandbox
) -> None:
    running = clocked.subscribe(monthly_price(client, 1000))
    before, entries = objects(sandbox), len(sandbox.journal("invoice"))
    details = {
        "items": [
            {
                "price_data": {
                    "currency": "eur",
                    "product": "MON-STD",
                    "unit_amount": 5,
                    "recurring": {"interval": "month"},
                }
            }
        ],
        "proration_behavior": "always_invoice",
    }
    for _ in range(3):
        preview(client, subscription=running.id, subscription_details=details)
        preview(client, customer_details={"tax_exempt": "none"}, subscription_details={"items": details["items"]})
    assert objects(sandbox) == before
    assert len(sandbox.journal("invoice")) == entries
    assert client.v1.test_helpers.test_clocks.retrieve(clocked.clock).frozen_time == START


def test_where_nothing_comes_there_is_no_upcoming_invoice(client: stripe.StripeClient, clocked: Clocked) -> None:
    running = clocked.subscribe(monthly_price(client, 1000))
    for params in (
        {"subscription": running.id, "subscription_details": {"cancel_at_period_end": True}},
        {"subscription": client.v1.subscriptions.cancel(clocked.subscribe(monthly_price(client, 1)).id).id},
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            preview(client, **params)
        assert (refused.value.http_status, refused.value.code) == (404, "invoice_upcoming_none")
    with pytest.raises(stripe.InvalidRequestError, match="at least one of customer"):
        preview(client, currency="eur")


def test_a_schedule_is_previewed_with_the_phase_that_comes(client: stripe.StripeClient, clocked: Clocked) -> None:
    old, new = monthly_price(client, 1000), monthly_price(client, 1700)
    running = clocked.subscribe(old)
    schedule = client.v1.subscription_schedules.create({"from_subscription": running.id})
    assert preview(client, schedule=schedule.id).total == 1000
    phases = [
        {"items": [{"price": old}], "start_date": START, "end_date": day(7)},
        {"items": [{"price": new, "quantity": 2}]},
    ]
    seen = preview(client, schedule=schedule.id, schedule_details={"phases": phases})
    assert seen.total == 3400
    assert len(client.v1.subscription_schedules.retrieve(schedule.id).phases) == 1, "nothing is kept"
    begun = preview(client, customer=clocked.customer, schedule_details={"phases": [{"items": [{"price": new}]}]})
    assert begun.total == 1700
