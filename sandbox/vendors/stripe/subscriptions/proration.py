"""Proration: what the rest of a period is worth, to the second and rounded to the minor unit.

Source: Stripe's "Prorations": an amount for the unused time of what was, and one for the remaining time of what is.
Both are net of the discounts in effect, and no discount is taken off them again.
"""

from __future__ import annotations

from decimal import Decimal

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.catalogue.coupons import active_at
from sandbox.vendors.stripe.currencies import rounded, step
from sandbox.vendors.stripe.invoices.drafts import pricing
from sandbox.vendors.stripe.invoices.items import make_invoice_item
from sandbox.vendors.stripe.invoices.totals import discounted, line_amount
from sandbox.vendors.stripe.periods import boundary_before
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.subscriptions.items import interval_of


def rest_of_period(account: Account, subscription: Record, item: Record, at: int) -> int:
    """Return the value of an item from `at` to the end of its period, in minor units.

    The whole interval is what the price is for, also when the running period is a shorter first one.
    """
    if item["quantity"] is None:
        return 0  # what is metered is charged by its usage, and nothing of it is paid ahead
    interval, count = interval_of(account, item)
    end = item["current_period_end"]
    start = boundary_before(item["_anchor"], interval, count, end)
    price = account.fetch("price", item["price"])
    full = line_amount(price["unit_amount_decimal"], item["quantity"], price["currency"])
    discounts = active_at(account, [*item["discounts"], *subscription["discounts"]], at)
    net = discounted(account, full, discounts, price["currency"])
    return rounded(Decimal(net * max(0, end - at)) / Decimal(end - start), step(price["currency"]))


def credit_unused(account: Account, subscription: Record, item: Record, at: int) -> None:
    """Create a pending invoice item that credits the unused time of an item."""
    _prorate(account, subscription, item, at, sign=-1, words="Unused time on")


def charge_remaining(account: Account, subscription: Record, item: Record, at: int) -> None:
    """Create a pending invoice item that charges the remaining time of an item."""
    _prorate(account, subscription, item, at, sign=1, words="Remaining time on")


def _prorate(account: Account, subscription: Record, item: Record, at: int, *, sign: int, words: str) -> None:
    if item["quantity"] is None:
        return
    price = account.fetch("price", item["price"])
    product = account.fetch("product", price["product"])
    customer = account.fetch_live("customer", subscription["customer"])
    invoice_item = make_invoice_item(
        account,
        customer,
        amount=sign * rest_of_period(account, subscription, item, at),
        currency=price["currency"],
        description=f"{words} {item['quantity']} × {product['name']}",
        discountable=False,
        metadata=dict(subscription["metadata"]),
        parent={
            "subscription_details": {"subscription": subscription["id"], "subscription_item": item["id"]},
            "type": "subscription_details",
        },
        period={"end": item["current_period_end"], "start": at},
        pricing=pricing(price),
        proration=True,
        proration_details={"credited_items": None, "discount_amounts": []},
        quantity=item["quantity"],
        tax_rates=list(item["tax_rates"]),
    )
    account.emit("invoiceitem.created", invoice_item)
