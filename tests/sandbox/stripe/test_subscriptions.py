"""Subscriptions: what they charge at first, how they change, how they end."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
import stripe

from tests.sandbox.stripe.conftest import NewCustomer

DAY = 86_400


def _invoice(subscription: stripe.Subscription) -> stripe.Invoice:
    assert isinstance(subscription.latest_invoice, stripe.Invoice)
    return subscription.latest_invoice


def _items(subscription: stripe.Subscription) -> list[stripe.SubscriptionItem]:
    return subscription["items"].data  # type: ignore[no-any-return] # `items` is also a method of the SDK's object


def test_a_card_that_works_makes_it_active_and_paid(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    made = client.v1.subscriptions.create(
        {
            "customer": new_customer().id,
            "items": [{"price": monthly.id, "quantity": 20}],
            "metadata": {"order": "1"},
            "expand": ["latest_invoice", "customer", "items.data.price.product"],
        }
    )
    assert made.status == "active"
    invoice = _invoice(made)
    assert (invoice.status, invoice.total, invoice.amount_paid, invoice.amount_remaining) == ("paid", 9800, 9800, 0)
    assert invoice.billing_reason == "subscription_create"
    assert invoice.number is not None
    (item,) = _items(made)
    assert (item.quantity, item.price.unit_amount) == (20, 490)
    assert 28 * DAY <= item.current_period_end - item.current_period_start <= 31 * DAY
    assert isinstance(item.price.product, stripe.Product)
    assert item.price.product.name.startswith("Monitoring")
    assert isinstance(made.customer, stripe.Customer)
    (line,) = invoice.lines.data
    assert (line.amount, line.quantity, line.period.end) == (9800, 20, item.current_period_end)
    assert line.parent is not None
    assert line.parent.subscription_item_details is not None
    assert line.parent.subscription_item_details.subscription_item == item.id


def test_send_invoice_drafts_for_an_hour_and_needs_no_card(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    customer = new_customer(card=None)
    made = client.v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": monthly.id}],
            "collection_method": "send_invoice",
            "days_until_due": 30,
            "expand": ["latest_invoice"],
        }
    )
    invoice = _invoice(made)
    assert (made.status, invoice.status, invoice.auto_advance) == ("active", "draft", True)
    assert invoice.automatically_finalizes_at == invoice.created + 3600
    finalized = client.v1.invoices.finalize_invoice(invoice.id)
    assert finalized.due_date is not None
    assert finalized.status_transitions.finalized_at is not None
    assert finalized.due_date - finalized.status_transitions.finalized_at == 30 * DAY
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.subscriptions.create(
            {"customer": customer.id, "items": [{"price": monthly.id}], "collection_method": "send_invoice"}
        )
    assert (refused.value.code, refused.value.param) == ("parameter_missing", "days_until_due")


@pytest.mark.parametrize("decline", ["card", "metadata"])
def test_a_refused_payment_under_error_if_incomplete_is_402_and_leaves_nothing(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price, decline: str
) -> None:
    customer = (
        new_customer(card="pm_card_chargeDeclined")
        if decline == "card"
        else new_customer(metadata={"sandbox_behaviour": "decline"})
    )
    with pytest.raises(stripe.CardError) as refused:
        client.v1.subscriptions.create(
            {
                "customer": customer.id,
                "items": [{"price": monthly.id}],
                "payment_behavior": "error_if_incomplete",
            }
        )
    assert (refused.value.http_status, refused.value.code) == (402, "card_declined")
    assert client.v1.subscriptions.list({"customer": customer.id, "status": "all"}).data == []
    assert client.v1.invoices.list({"customer": customer.id}).data == []
    assert client.v1.customers.retrieve(customer.id).next_invoice_sequence == 1


def test_a_refused_payment_is_incomplete_by_default_until_it_is_paid(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    customer = new_customer(card="pm_card_chargeDeclined")
    made = client.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": monthly.id}], "expand": ["latest_invoice"]}
    )
    assert (made.status, _invoice(made).status, _invoice(made).attempt_count) == ("incomplete", "open", 1)
    with pytest.raises(stripe.CardError):
        client.v1.invoices.pay(_invoice(made).id)
    assert client.v1.invoices.retrieve(_invoice(made).id).attempt_count == 2, "a declined attempt is a fact"
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    client.v1.invoices.pay(_invoice(made).id, {"payment_method": card.id})
    assert client.v1.subscriptions.retrieve(made.id).status == "active"


def test_default_incomplete_waits_and_voiding_its_invoice_ends_it(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    made = client.v1.subscriptions.create(
        {
            "customer": new_customer(card=None).id,
            "items": [{"price": monthly.id}],
            "payment_behavior": "default_incomplete",
            "expand": ["latest_invoice"],
        }
    )
    assert (made.status, _invoice(made).status) == ("incomplete", "open")
    client.v1.invoices.void_invoice(_invoice(made).id)
    assert client.v1.subscriptions.retrieve(made.id).status == "incomplete_expired"


def test_without_a_card_nothing_is_charged(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source") as refused:
        client.v1.subscriptions.create({"customer": new_customer(card=None).id, "items": [{"price": monthly.id}]})
    assert (refused.value.http_status, refused.value.code) == (400, "resource_missing")


def test_a_trial_begins_with_an_invoice_over_nothing(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    made = client.v1.subscriptions.create(
        {
            "customer": new_customer(card=None).id,
            "items": [{"price": monthly.id}],
            "trial_period_days": 14,
            "expand": ["latest_invoice"],
        }
    )
    assert (made.status, _invoice(made).status, _invoice(made).total) == ("trialing", "paid", 0)
    assert made.trial_end == made.created + 14 * DAY == _items(made)[0].current_period_end


def test_discounts_and_taxes_come_off_and_on_to_the_cent(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    """20 × 4.90 less 5 % on the line, less 10 % on the whole, plus 19 %: 9800 → 9310 → 8379 → 1592.01 tax."""
    five = client.v1.coupons.create({"percent_off": 5, "duration": "forever"})
    ten = client.v1.coupons.create({"percent_off": 10, "duration": "once"})
    vat = client.v1.tax_rates.create({"display_name": "VAT", "percentage": 19, "inclusive": False})
    made = client.v1.subscriptions.create(
        {
            "customer": new_customer().id,
            "items": [{"price": monthly.id, "quantity": 20, "discounts": [{"coupon": five.id}]}],
            "discounts": [{"coupon": ten.id}],
            "default_tax_rates": [vat.id],
            "expand": ["latest_invoice", "items.data.discounts.source.coupon"],
        }
    )
    invoice = _invoice(made)
    assert (invoice.subtotal, invoice.total_excluding_tax, invoice.total) == (9800, 8379, 9971)
    assert invoice.total_taxes is not None
    assert [(tax.amount, tax.taxable_amount) for tax in invoice.total_taxes] == [(1592, 8379)]
    assert invoice.total_discount_amounts is not None
    assert sorted(entry.amount for entry in invoice.total_discount_amounts) == [490, 931]
    discount = _items(made)[0].discounts[0]
    assert isinstance(discount, stripe.Discount)
    assert isinstance(discount.source.coupon, stripe.Coupon)
    assert discount.source.coupon.percent_off == 5
    assert made.discounts == [], "a coupon with duration once is used up by the first invoice"
    assert made.default_tax_rates is not None
    assert made.default_tax_rates[0].percentage == 19


@pytest.mark.parametrize(("exempt", "reason"), [("reverse", "reverse_charge"), ("exempt", "customer_exempt")])
def test_an_exempt_customer_pays_no_tax_and_the_invoice_says_why(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price, exempt: str, reason: str
) -> None:
    vat = client.v1.tax_rates.create({"display_name": "VAT", "percentage": 19, "inclusive": False})
    made = client.v1.subscriptions.create(
        {
            "customer": new_customer(tax_exempt=exempt).id,
            "items": [{"price": monthly.id}],
            "default_tax_rates": [vat.id],
            "expand": ["latest_invoice"],
        }
    )
    assert _invoice(made).total == 490
    assert [(tax.amount, tax.taxability_reason) for tax in _invoice(made).total_taxes or []] == [(0, reason)]


def test_inline_price_data(client: stripe.StripeClient, new_customer: NewCustomer) -> None:
    made = client.v1.subscriptions.create(
        {
            "customer": new_customer().id,
            "items": [
                {
                    "price_data": {
                        "currency": "eur",
                        "product": "MON-STD",
                        "recurring": {"interval": "month"},
                        "unit_amount_decimal": Decimal("465.5"),
                    },
                    "quantity": 3,
                }
            ],
            "expand": ["latest_invoice"],
        }
    )
    assert _invoice(made).total == 1397, "3 × 4.655 is 13.965: half a cent goes up"
    assert _items(made)[0].price.active is False


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
    changed = client.v1.subscriptions.update(made.id, {"items": [{"id": _items(made)[0].id, "quantity": 31}]})
    assert _items(changed)[0].quantity == 31
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
        {"items": [{"id": _items(made)[0].id, "quantity": 0}], "proration_behavior": "always_invoice"},
    )
    latest = client.v1.invoices.list({"subscription": made.id}).data[0]
    assert (latest.billing_reason, latest.total, latest.amount_due) == ("subscription_update", -3267, 0)
    assert client.v1.customers.retrieve(str(made.customer)).balance == -3267, "what is overpaid is credited"
    client.v1.subscription_items.update(_items(made)[0].id, {"quantity": 40, "proration_behavior": "always_invoice"})
    grown = client.v1.invoices.list({"subscription": made.id}).data[0]
    assert (grown.total, grown.amount_due) == (6533, 6533 - 3267), "the discount is in the proration, and not on it"


def test_proration_none_changes_only_the_future(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    made = _halfway(client, new_customer, monthly.id)
    client.v1.subscription_items.update(_items(made)[0].id, {"quantity": 5, "proration_behavior": "none"})
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
                "items": [{"id": _items(made)[0].id, "quantity": 40}],
                "proration_behavior": "always_invoice",
                "payment_behavior": "error_if_incomplete",
            },
        )
    unchanged = client.v1.subscriptions.retrieve(made.id)
    assert (_items(unchanged)[0].quantity, unchanged.status) == (20, "active")
    assert len(client.v1.invoices.list({"subscription": made.id}).data) == 1


def test_items_are_added_and_deleted(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    made = _halfway(client, new_customer, monthly.id)
    other = client.v1.prices.create(
        {"product": "MON-STD", "currency": "eur", "unit_amount": 3000, "recurring": {"interval": "month"}}
    )
    added = client.v1.subscription_items.create({"subscription": made.id, "price": other.id})
    assert added.current_period_end == _items(made)[0].current_period_end
    amounts = [item.amount for item in client.v1.invoice_items.list({"customer": str(made.customer)}).data]
    assert amounts == [2000]
    listed = client.v1.subscription_items.list({"subscription": made.id}).data
    assert [item.id for item in listed] == [_items(made)[0].id, added.id]
    client.v1.subscription_items.delete(_items(made)[0].id)
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
        {"items": [{"id": _items(made)[0].id, "price": yearly.id, "quantity": 2}], "expand": ["latest_invoice"]},
    )
    start = 1_748_736_000 + 10 * DAY
    (item,) = _items(changed)
    assert (item.current_period_start, item.current_period_end) == (start, start + 365 * DAY)
    assert changed.billing_cycle_anchor == start
    assert _invoice(changed).total == 10_000 - 6533


def test_months_and_years_mix_in_flexible_billing_only(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    support = client.v1.prices.list({"lookup_keys": ["SUPPORT-PREM-EUR-year"]}).data[0]
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": 1_748_736_000})
    customer = new_customer(test_clock=clock.id)
    items: list[stripe.params.SubscriptionCreateParamsItem] = [{"price": monthly.id}, {"price": support.id}]
    made = client.v1.subscriptions.create({"customer": customer.id, "items": items, "expand": ["latest_invoice"]})
    assert made.billing_mode.type == "flexible"
    assert _invoice(made).total == 490 + 120_000
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
    assert _items(made)[0].current_period_end == anchor
    assert _invoice(made).total == 474, "15 of the 31 days from 16 May to 16 June, of 9.80"
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
    assert _invoice(changed).total == 9800 - 6533


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
    assert (ending.status, ending.cancel_at) == ("active", _items(made)[0].current_period_end)
    assert client.v1.subscriptions.update(made.id, {"cancel_at_period_end": False}).cancel_at is None
    client.v1.subscriptions.update(made.id, {"cancel_at_period_end": True})
    client.v1.test_helpers.test_clocks.advance(str(made.test_clock), {"frozen_time": 1_748_736_000 + 40 * DAY})
    assert client.v1.subscriptions.retrieve(made.id).status == "canceled"
    assert len(client.v1.invoices.list({"subscription": made.id}).data) == 1, "nothing more was charged"


def test_lists_filter_by_price_and_status(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    customer = new_customer()
    made = client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": monthly.id}]})
    listed = client.v1.subscriptions.list({"customer": customer.id, "price": monthly.id, "status": "active"})
    assert [subscription.id for subscription in listed.data] == [made.id]
    assert client.v1.subscriptions.list({"customer": customer.id, "price": "price_other"}).data == []
    assert client.v1.subscriptions.list({"customer": customer.id, "status": "past_due"}).data == []


def test_a_price_that_is_withdrawn_or_one_time_is_refused(
    client: stripe.StripeClient, new_customer: NewCustomer
) -> None:
    once = client.v1.prices.list({"lookup_keys": ["GATEWAY-EDGE-EUR-none"]}).data[0]
    withdrawn = client.v1.prices.create(
        {"product": "MON-STD", "currency": "eur", "unit_amount": 1, "recurring": {"interval": "month"}, "active": False}
    )
    for price, words in ((once.id, "type=one_time"), (withdrawn.id, "inactive"), ("price_none", "No such price")):
        with pytest.raises(stripe.InvalidRequestError, match=words) as refused:
            client.v1.subscriptions.create({"customer": new_customer().id, "items": [{"price": price}]})
        assert refused.value.param == "items[0][price]"
