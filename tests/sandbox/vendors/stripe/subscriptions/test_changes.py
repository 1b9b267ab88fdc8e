"""Subscriptions: how they change, what the change costs, and how they end."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
import stripe

from tests.sandbox.vendors.stripe.conftest import NewCustomer, invoice_of, items_of

DAY = 86_400


def _halfway(client: stripe.StripeClient, new_customer: NewCustomer, price: str, **params: Any) -> stripe.Subscription:
    """A subscription on a test clock, 10 of its 30 days old."""
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": 1_748_736_000})  # 2025-06-01T00:00:00Z
    customer = new_customer(test_clock=clock.id)
    items = [{"price": price, "quantity": 20}]
    made = client.v1.subscriptions.create(
        {"customer": customer.id, "items": items, **params}  # type: ignore[arg-type] # any parameters
    )
    client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": 1_748_736_000 + 10 * DAY})
    return made


def test_prorations_are_exact_and_wait_for_the_next_invoice(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    made = _halfway(client, new_customer, monthly.id)
    changed = client.v1.subscriptions.update(made.id, {"items": [{"id": items_of(made)[0].id, "quantity": 31}]})
    assert items_of(changed)[0].quantity == 31
    pending = client.v1.invoice_items.list({"customer": str(made.customer), "pending": True}).data
    rest = Decimal(20) / 30
    charge = int((31 * 490 * rest).quantize(Decimal(1), ROUND_HALF_UP))
    credit = int((20 * 490 * rest).quantize(Decimal(1), ROUND_HALF_UP))
    assert sorted(item.amount for item in pending) == [-credit, charge] == [-6533, 10127]
    assert all(item.proration for item in pending)
    clock = str(made.test_clock)
    client.v1.test_helpers.test_clocks.advance(clock, {"frozen_time": 1_748_736_000 + 30 * DAY + 1})
    (renewal,) = client.v1.invoices.list({"subscription": made.id, "status": "draft"}).data
    assert renewal.total == 31 * 490 + 10127 - 6533
    assert client.v1.invoice_items.list({"customer": str(made.customer), "pending": True}).data == []


def test_prorations_are_net_of_discounts(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    half = client.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    made = _halfway(client, new_customer, monthly.id, discounts=[{"coupon": half.id}])
    client.v1.subscriptions.update(
        made.id,
        {"items": [{"id": items_of(made)[0].id, "quantity": 0}], "proration_behavior": "always_invoice"},
    )
    latest = client.v1.invoices.list({"subscription": made.id}).data[0]
    assert (latest.billing_reason, latest.total, latest.amount_due) == ("subscription_update", -3267, 0)
    assert client.v1.customers.retrieve(str(made.customer)).balance == -3267, "what is overpaid is credited"
    client.v1.subscription_items.update(items_of(made)[0].id, {"quantity": 40, "proration_behavior": "always_invoice"})
    grown = client.v1.invoices.list({"subscription": made.id}).data[0]
    assert (grown.total, grown.amount_due) == (6533, 6533 - 3267), "the discount is in the proration, and not on it"


def test_proration_none_changes_only_the_future(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    made = _halfway(client, new_customer, monthly.id)
    client.v1.subscription_items.update(items_of(made)[0].id, {"quantity": 5, "proration_behavior": "none"})
    assert client.v1.invoice_items.list({"customer": str(made.customer)}).data == []
    client.v1.test_helpers.test_clocks.advance(str(made.test_clock), {"frozen_time": 1_748_736_000 + 31 * DAY})
    assert client.v1.invoices.list({"subscription": made.id}).data[0].total == 5 * 490


def test_a_change_that_is_invoiced_and_declined_can_be_refused_whole(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    made = _halfway(client, new_customer, monthly.id)
    client.v1.customers.update(str(made.customer), {"metadata": {"sandbox_behaviour": "decline"}})
    with pytest.raises(stripe.CardError):
        client.v1.subscriptions.update(
            made.id,
            {
                "items": [{"id": items_of(made)[0].id, "quantity": 40}],
                "proration_behavior": "always_invoice",
                "payment_behavior": "error_if_incomplete",
            },
        )
    unchanged = client.v1.subscriptions.retrieve(made.id)
    assert (items_of(unchanged)[0].quantity, unchanged.status) == (20, "active")
    assert len(client.v1.invoices.list({"subscription": made.id}).data) == 1


def test_items_are_added_and_deleted(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    made = _halfway(client, new_customer, monthly.id)
    other = client.v1.prices.create(
        {"product": "MON-STD", "currency": "eur", "unit_amount": 3000, "recurring": {"interval": "month"}}
    )
    added = client.v1.subscription_items.create({"subscription": made.id, "price": other.id})
    assert added.current_period_end == items_of(made)[0].current_period_end
    amounts = [item.amount for item in client.v1.invoice_items.list({"customer": str(made.customer)}).data]
    assert amounts == [2000]
    listed = client.v1.subscription_items.list({"subscription": made.id}).data
    assert [item.id for item in listed] == [items_of(made)[0].id, added.id]
    client.v1.subscription_items.delete(items_of(made)[0].id)
    with pytest.raises(stripe.InvalidRequestError, match="at least one active item"):
        client.v1.subscription_items.delete(added.id)
    with pytest.raises(stripe.InvalidRequestError, match="only once"):
        client.v1.subscriptions.update(made.id, {"items": [{"id": added.id}, {"id": added.id, "quantity": 2}]})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.subscription_items.update(added.id, {"price": "price_none"})
    assert refused.value.param == "price"


def test_another_interval_begins_a_period_of_its_own(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    made = _halfway(client, new_customer, monthly.id)
    yearly = client.v1.prices.create(
        {"product": "MON-STD", "currency": "eur", "unit_amount": 5000, "recurring": {"interval": "year"}}
    )
    changed = client.v1.subscriptions.update(
        made.id,
        {"items": [{"id": items_of(made)[0].id, "price": yearly.id, "quantity": 2}], "expand": ["latest_invoice"]},
    )
    start = 1_748_736_000 + 10 * DAY
    (item,) = items_of(changed)
    assert (item.current_period_start, item.current_period_end) == (start, start + 365 * DAY)
    assert changed.billing_cycle_anchor == start
    assert invoice_of(changed).total == 10_000 - 6533


def test_months_and_years_mix_in_flexible_billing_only(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    support = client.v1.prices.list({"lookup_keys": ["SUPPORT-PREM-EUR-year"]}).data[0]
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": 1_748_736_000})
    customer = new_customer(test_clock=clock.id)
    items: list[stripe.params.SubscriptionCreateParamsItem] = [{"price": monthly.id}, {"price": support.id}]
    made = client.v1.subscriptions.create({"customer": customer.id, "items": items, "expand": ["latest_invoice"]})
    assert made.billing_mode.type == "flexible"
    assert invoice_of(made).total == 490 + 120_000
    client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": 1_748_736_000 + 32 * DAY})
    renewal = client.v1.invoices.list({"subscription": made.id}).data[0]
    assert (renewal.total, renewal.billing_reason) == (490, "subscription_cycle")
    weekly = client.v1.prices.create(
        {"product": "MON-STD", "currency": "eur", "unit_amount": 100, "recurring": {"interval": "week"}}
    )
    with pytest.raises(stripe.InvalidRequestError, match="multiples of the shortest"):
        client.v1.subscriptions.create(
            {"customer": customer.id, "items": [{"price": monthly.id}, {"price": weekly.id}]}
        )
    with pytest.raises(stripe.InvalidRequestError, match="mismatch in interval"):
        client.v1.subscriptions.create({"customer": customer.id, "items": items, "billing_mode": {"type": "classic"}})


def test_an_anchor_makes_a_short_first_period(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": 1_748_736_000})
    customer = new_customer(test_clock=clock.id)
    anchor = 1_748_736_000 + 15 * DAY
    params: stripe.params.SubscriptionCreateParams = {
        "customer": customer.id,
        "items": [{"price": monthly.id, "quantity": 2}],
        "billing_cycle_anchor": anchor,
        "expand": ["latest_invoice"],
    }
    made = client.v1.subscriptions.create(params)
    assert items_of(made)[0].current_period_end == anchor
    assert invoice_of(made).total == 474, "15 of the 31 days from 16 May to 16 June, of 9.80"
    free = client.v1.subscriptions.create({**params, "proration_behavior": "none"})
    assert free.latest_invoice is None
    with pytest.raises(stripe.InvalidRequestError, match="next natural billing date"):
        client.v1.subscriptions.create({**params, "billing_cycle_anchor": 1_748_736_000 + 40 * DAY})


def test_the_cycle_can_be_restarted(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    made = _halfway(client, new_customer, monthly.id)
    changed = client.v1.subscriptions.update(
        made.id, {"billing_cycle_anchor": {"type": "now"}, "expand": ["latest_invoice"]}
    )
    assert changed.billing_cycle_anchor == 1_748_736_000 + 10 * DAY
    assert invoice_of(changed).total == 9800 - 6533


def test_cancel_at_once_with_credit_on_a_last_invoice(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    made = _halfway(client, new_customer, monthly.id)
    ended = client.v1.subscriptions.cancel(made.id, {"invoice_now": True, "prorate": True})
    assert (ended.status, ended.canceled_at) == ("canceled", 1_748_736_000 + 10 * DAY)
    last = client.v1.invoices.list({"subscription": made.id}).data[0]
    assert (last.total, last.ending_balance) == (-6533, -6533)
    assert client.v1.customers.retrieve(str(made.customer)).balance == -6533
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription"):
        client.v1.subscriptions.cancel(made.id)
    with pytest.raises(stripe.InvalidRequestError, match="only update its cancellation_details and metadata"):
        client.v1.subscriptions.update(made.id, {"description": "x"})
    assert client.v1.subscriptions.update(made.id, {"metadata": {"a": "b"}}).metadata["a"] == "b"
    assert client.v1.subscriptions.list({"customer": str(made.customer)}).data == []
    assert [s.id for s in client.v1.subscriptions.list({"customer": str(made.customer), "status": "ended"}).data] == [
        made.id
    ]


def test_cancel_at_period_end_and_back(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    made = _halfway(client, new_customer, monthly.id)
    ending = client.v1.subscriptions.update(made.id, {"cancel_at_period_end": True})
    assert (ending.status, ending.cancel_at) == ("active", items_of(made)[0].current_period_end)
    assert client.v1.subscriptions.update(made.id, {"cancel_at_period_end": False}).cancel_at is None
    client.v1.subscriptions.update(made.id, {"cancel_at_period_end": True})
    client.v1.test_helpers.test_clocks.advance(str(made.test_clock), {"frozen_time": 1_748_736_000 + 40 * DAY})
    assert client.v1.subscriptions.retrieve(made.id).status == "canceled"
    assert len(client.v1.invoices.list({"subscription": made.id}).data) == 1, "nothing more was charged"
