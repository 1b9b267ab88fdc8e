"""Amounts, dates and terms of subscriptions in Stripe's simulator: the accepted amounts are invoiced."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec
import pytest

from process_api.pricing.discount_policy import DiscountPolicy
from shared.canonical import (
    BillingFrequency,
    Collection,
    CustomerDraft,
    ListPrice,
    Money,
    QuoteLine,
    Recurrence,
    SubscriptionLine,
    SubscriptionStatus,
)
from shared.problem import Rejected
from system_api.billing.stripe.adapter import Stripe
from tests.system_api.billing.conftest import started, stripe_get, stripe_post
from tests.system_api.billing.drafts import external_id, monthly
from tests.system_api.conftest import Simulator


def accepted(
    place: int, quantity: str, price: str, discount: str = "0", periods: int = 1, currency: str = "EUR"
) -> SubscriptionLine:
    """Return a line as the process tier sends it: the accepted amount of an invoice, and the quoted unit price."""
    unit = Decimal(price) * (1 - Decimal(discount) / 100)
    coin = Decimal(1) if currency == "ISK" else Decimal("0.01")
    return SubscriptionLine(
        sku="MON-STD",
        quantity=quantity,
        net_unit_price=Money.exact(unit.quantize(Decimal("0.0001"), ROUND_HALF_UP), currency),
        line_id=f"line-{place}",
        net_amount=Money.of((unit * Decimal(quantity)).quantize(coin, ROUND_HALF_UP) * periods, currency),
    )


def latest_invoice(stripe_account: Simulator, subscription: str) -> dict[str, Any]:
    kept = stripe_get(stripe_account, f"/v1/subscriptions/{subscription}")
    invoice: dict[str, Any] = stripe_get(stripe_account, f"/v1/invoices/{kept['latest_invoice']}")
    return invoice


async def test_every_line_is_invoiced_as_it_was_accepted(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator
) -> None:
    cases = [
        (quantity, price, off)
        for quantity in ("1", "7", "1000", "999999")
        for price, off in (("4.90", "7.77"), ("0.0033", "0"), ("4.90", "99.99"), ("4.90", "100"), ("1490.00", "33.33"))
    ]
    lines = [accepted(place, *case) for place, case in enumerate(cases)]

    name, _ = await started(billing, customer_draft, items=lines)

    found = await billing.find_subscription(name)
    assert {line.line_id: line.net_amount for line in found.lines} == {line.line_id: line.net for line in lines}
    kept = stripe_get(
        stripe_account, f"/v1/invoices/{latest_invoice(stripe_account, str(found.vendor_id))['id']}/lines"
    )
    page = stripe_get(stripe_account, kept["url"], limit=100)
    invoiced = sorted(line["amount"] for line in page["data"])
    assert invoiced == sorted(int(line.net.value * 100) for line in lines)


async def test_the_tax_is_what_stripe_charges(billing: Stripe, customer_draft: CustomerDraft) -> None:
    name, _ = await started(billing, customer_draft, items=[accepted(1, "1", "0.50"), accepted(2, "1", "0.50")])

    found = await billing.find_subscription(name)

    # 19 % of 0.50 is 0.095, rounded for each line.
    assert (found.period_amount, found.tax) == (
        Money(amount="1.00", currency="EUR"),
        Money(amount="0.20", currency="EUR"),
    )


async def test_a_product_on_two_lines_at_its_list_price_is_charged_twice(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator
) -> None:
    name, _ = await started(billing, customer_draft, items=[accepted(1, "3", "4.90"), accepted(2, "5", "4.90")])

    found = await billing.find_subscription(name)

    items = stripe_get(stripe_account, f"/v1/subscriptions/{found.vendor_id}")["items"]["data"]
    prices = {item["price"]["id"] for item in items}
    assert len(prices) == 2  # Stripe takes a price once in a subscription
    assert [line.net_amount.amount for line in found.lines] == ["14.70", "24.50"]


@pytest.mark.parametrize(
    ("frequency", "periods", "amount", "interval"),
    [
        (BillingFrequency.month, 1, "4519.27", ("month", 1)),
        (BillingFrequency.quarter, 3, "13557.81", ("month", 3)),
        (BillingFrequency.year, 12, "54231.24", ("year", 1)),
    ],
)
async def test_monthly_prices_are_invoiced_as_often_as_agreed(
    billing: Stripe,
    customer_draft: CustomerDraft,
    stripe_account: Simulator,
    frequency: BillingFrequency,
    periods: int,
    amount: str,
    interval: tuple[str, int],
) -> None:
    lines = [accepted(1, "1000", "4.90", "7.77", periods)]

    name, _ = await started(billing, customer_draft, items=lines, billing_frequency=frequency)

    found = await billing.find_subscription(name)
    assert (found.billing_frequency, found.period_amount) == (frequency, Money(amount=amount, currency="EUR"))
    (item,) = stripe_get(stripe_account, f"/v1/subscriptions/{found.vendor_id}")["items"]["data"]
    recurring = item["price"]["recurring"]
    assert (recurring["interval"], recurring["interval_count"]) == interval
    assert latest_invoice(stripe_account, str(found.vendor_id))["total_excluding_tax"] == int(Decimal(amount) * 100)


async def test_monthly_list_price_is_not_used_for_a_quarter(billing: Stripe, customer_draft: CustomerDraft) -> None:
    # A third of the list price, three times: the sum of a month at list.
    lines = [msgspec.structs.replace(accepted(1, "3", "4.90"), net_amount=Money(amount="14.70", currency="EUR"))]

    name, _ = await started(billing, customer_draft, items=lines, billing_frequency=BillingFrequency.quarter)

    assert (await billing.find_subscription(name)).billing_frequency is BillingFrequency.quarter


async def test_full_amount_is_charged_at_the_start_and_nothing_before(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator
) -> None:
    starts_at = datetime.now(UTC).replace(hour=23, minute=0, second=0, microsecond=0) + timedelta(days=80)
    dates = {"starts_on": "2027-02-01", "starts_at": starts_at.isoformat().replace("+00:00", "Z"), "term_months": 24}

    name, ordered = await started(billing, customer_draft, items=[accepted(1, "20", "4.90")], **dates)

    found = await billing.find_subscription(name)
    again = await billing.create_subscription(name, ordered)
    assert (found.status, found.starts_on, found.tax) == (SubscriptionStatus.trialing, "2027-02-01", None)
    assert again.vendor_id == found.vendor_id
    kept = stripe_get(stripe_account, f"/v1/subscriptions/{found.vendor_id}")
    assert kept["trial_end"] == kept["billing_cycle_anchor"] == int(starts_at.timestamp())
    assert kept["metadata"]["quoteway_term_months"] == "24"
    assert latest_invoice(stripe_account, str(found.vendor_id))["total"] == 0
    cancelled = await billing.cancel_subscription(name)
    assert cancelled.status is SubscriptionStatus.cancelled
    assert (await billing.find_subscription(name)).status is SubscriptionStatus.cancelled


async def test_past_start_date_starts_at_once(billing: Stripe, customer_draft: CustomerDraft) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat().replace("+00:00", "Z")

    name, _ = await started(billing, customer_draft, starts_on="2026-01-01", starts_at=yesterday)

    assert (await billing.find_subscription(name)).status is SubscriptionStatus.active


async def test_terms_and_purchase_order_are_on_the_invoice(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator
) -> None:
    name, _ = await started(billing, customer_draft, days_until_due=14, purchase_order_number="4500012345")

    found = await billing.find_subscription(name)

    kept = stripe_get(stripe_account, f"/v1/subscriptions/{found.vendor_id}")
    assert (kept["collection_method"], kept["days_until_due"]) == ("send_invoice", 14)
    invoice = latest_invoice(stripe_account, str(found.vendor_id))
    assert invoice["custom_fields"] == [{"name": "PO number", "value": "4500012345"}]


async def test_a_customer_without_a_payment_method_is_not_charged_automatically(
    billing: Stripe, customer_draft: CustomerDraft
) -> None:
    with pytest.raises(Rejected):
        await started(billing, customer_draft, collection=Collection.charge_automatically)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"items": [accepted(1, "2", "-4.90")]}, "negative_price"),
        (
            {
                "items": [
                    msgspec.structs.replace(accepted(1, "0", "4.90"), net_amount=Money(amount="1.00", currency="EUR"))
                ]
            },
            "net_not_bookable",
        ),
        ({"purchase_order_number": "4" * 141}, "purchase_order_number_too_long"),
    ],
)
async def test_amount_that_stripe_cannot_charge_is_refused_by_name(
    billing: Stripe, customer_draft: CustomerDraft, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Rejected) as raised:
        await started(billing, customer_draft, **changes)

    assert raised.value.reason_code == reason


@pytest.fixture
def krona_price(stripe_account: Simulator) -> None:
    """590 ISK a month, as Stripe documents it: two decimals that are 00."""
    if not stripe_get(stripe_account, "/v1/prices", **{"lookup_keys[0]": "MON-STD-ISK-month"})["data"]:
        price = {"product": "MON-STD", "currency": "isk", "unit_amount": "59000", "recurring[interval]": "month"}
        stripe_post(stripe_account, "/v1/prices", **price, lookup_key="MON-STD-ISK-month")


@pytest.mark.usefixtures("krona_price")
async def test_a_company_in_isk_sells_at_its_list_price(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator
) -> None:
    listed = (await billing.list_prices({"MON-STD": (Recurrence.month,)}, "ISK"))["MON-STD", Recurrence.month]
    customer = await billing.ensure_customer(customer_draft)
    lines = [accepted(1, "20", "590", currency="ISK"), accepted(2, "7", "590", "7.77", currency="ISK")]
    draft = monthly(customer.vendor_id, customer_draft.account_id, currency="ISK", items=lines)

    subscription = await billing.create_subscription(external_id(), draft)

    assert listed == Money(amount="590", currency="ISK")
    # 20 x 590, and 7 x 590 less 7.77 %: 3,809.10 is 3,809
    assert [line.net_amount.amount for line in subscription.lines] == ["11800", "3809"]
    assert subscription.period_amount == Money(amount="15609", currency="ISK")
    assert latest_invoice(stripe_account, str(subscription.vendor_id))["total_excluding_tax"] == 1_560_900
    quoted = QuoteLine(
        line_id="1", sku="MON-STD", description="", quantity="20", recurrence=Recurrence.month,
        unit_price=Money(amount="590", currency="ISK"),
    )  # fmt: skip
    policy = DiscountPolicy(discount_max_percent=Decimal(20), tolerance_percent=Decimal("0.5"))
    sold = ListPrice(sku="MON-STD", billing=listed, billing_recurrence=Recurrence.month)
    assert policy.judge(quoted, sold) == (Decimal(0), None)
