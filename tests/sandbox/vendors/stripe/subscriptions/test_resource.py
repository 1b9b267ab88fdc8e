"""Subscriptions: what they charge at first, and what makes them begin."""

from __future__ import annotations

from decimal import Decimal

import pytest
import stripe

from tests.sandbox.vendors.stripe.clocked import DAY, START, Clocked, day, monthly_price, shape
from tests.sandbox.vendors.stripe.conftest import NewCustomer, invoice_of, items_of


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
    invoice = invoice_of(made)
    assert (invoice.status, invoice.total, invoice.amount_paid, invoice.amount_remaining) == ("paid", 9800, 9800, 0)
    assert invoice.billing_reason == "subscription_create"
    assert invoice.number is not None
    (item,) = items_of(made)
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
    invoice = invoice_of(made)
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
    assert (made.status, invoice_of(made).status, invoice_of(made).attempt_count) == ("incomplete", "open", 1)
    with pytest.raises(stripe.CardError):
        client.v1.invoices.pay(invoice_of(made).id)
    assert client.v1.invoices.retrieve(invoice_of(made).id).attempt_count == 2, "a declined attempt is a fact"
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    client.v1.invoices.pay(invoice_of(made).id, {"payment_method": card.id})
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
    assert (made.status, invoice_of(made).status) == ("incomplete", "open")
    client.v1.invoices.void_invoice(invoice_of(made).id)
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
    assert (made.status, invoice_of(made).status, invoice_of(made).total) == ("trialing", "paid", 0)
    assert made.trial_end == made.created + 14 * DAY == items_of(made)[0].current_period_end


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
    invoice = invoice_of(made)
    assert (invoice.subtotal, invoice.total_excluding_tax, invoice.total) == (9800, 8379, 9971)
    assert invoice.total_taxes is not None
    assert [(tax.amount, tax.taxable_amount) for tax in invoice.total_taxes] == [(1592, 8379)]
    assert invoice.total_discount_amounts is not None
    assert sorted(entry.amount for entry in invoice.total_discount_amounts) == [490, 931]
    discount = items_of(made)[0].discounts[0]
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
    assert invoice_of(made).total == 490
    assert [(tax.amount, tax.taxability_reason) for tax in invoice_of(made).total_taxes or []] == [(0, reason)]


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
    assert invoice_of(made).total == 1397, "3 × 4.655 is 13.965: half a cent goes up"
    assert items_of(made)[0].price.active is False


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


def test_a_backdated_beginning_is_charged_with_the_first_period(client: stripe.StripeClient) -> None:
    clocked = Clocked(client)
    price = monthly_price(client, 3100)
    since = day(4, 17)  # a month, and 15 of 31 days
    subscription = clocked.subscribe(price, backdate_start_date=since, expand=["latest_invoice"])
    assert (subscription.start_date, subscription.billing_cycle_anchor) == (since, START)
    invoice = invoice_of(subscription)
    assert shape(invoice) == [
        ("1 × Monitoring Standard, per sensor and month (at 31.00 EUR / month)", 3100, START, day(7)),
        ("1 × Monitoring Standard, per sensor and month (at 31.00 EUR / month)", 3100 + 1500, since, START),
    ]
    free = clocked.subscribe(price, backdate_start_date=since, proration_behavior="none", expand=["latest_invoice"])
    assert invoice_of(free).total == 3100
    with pytest.raises(stripe.InvalidRequestError, match="cannot be in the future"):
        clocked.subscribe(price, backdate_start_date=START + DAY)


def test_one_off_items_are_on_the_first_invoice_only(client: stripe.StripeClient) -> None:
    clocked = Clocked(client)
    setup = client.v1.prices.list({"lookup_keys": ["INSTALL-DAY-EUR-none"]}).data[0]
    one_off = [{"price": setup.id, "quantity": 2}]
    clocked.subscribe(monthly_price(client, 1000), add_invoice_items=one_off)
    clocked.advance(day(7, 2))
    assert clocked.totals() == [1000 + 2 * 98_000, 1000]


def test_payment_settings_are_kept(client: stripe.StripeClient, new_customer: NewCustomer) -> None:
    made = client.v1.subscriptions.create(
        {
            "customer": new_customer().id,
            "items": [{"price": monthly_price(client, 1000)}],
            "payment_settings": {
                "payment_method_types": ["card"],
                "save_default_payment_method": "on_subscription",
            },
        }
    )
    assert made.payment_settings is not None
    assert made.payment_settings.save_default_payment_method == "on_subscription"
