"""Subscription items: what a subscription charges, each with a price, a quantity and a period of its own.

Source: Stripe's changelog 2025-03-31.basil (periods moved to the items) and "Mixed interval subscriptions".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.catalogue.coupons import DISCOUNTS, make_discounts
from sandbox.vendors.stripe.catalogue.prices import RECURRING_DATA, inline_price, usable_price
from sandbox.vendors.stripe.catalogue.tax_rates import TAX_RATES, usable_tax_rates
from sandbox.vendors.stripe.periods import boundary_after
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid, no_such
from sandbox.vendors.stripe.wire.params import Hash, Integer, Metadata, Param, Text, merge_metadata

ITEMS_MAX = 20
ITEM: dict[str, Param] = {
    "discounts": DISCOUNTS,
    "metadata": Metadata(),
    "plan": Text(),
    "price": Text(),
    "price_data": Hash(fields=RECURRING_DATA),
    "quantity": Integer(minimum=0, maximum=999_999_999),
    "tax_rates": TAX_RATES,
}
_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}


def new_item(account: Account, wanted: Mapping[str, Any], subscription: Mapping[str, Any], param: str) -> Record:
    """Return an item that is neither stored nor in a period yet. Raises StripeError for a price that can't be used."""
    if not _price_ways(wanted):
        where = _within(param, "price")
        raise invalid(f"Missing required param: {where}.", code="parameter_missing", param=where)
    item: Record = {
        "id": new_id("si", 14),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": account.now(subscription["test_clock"]),
        "current_period_end": 0,
        "current_period_start": 0,
        "discounts": [],
        "metadata": {},
        "price": "",
        "quantity": 1,
        "subscription": subscription["id"],
        "tax_rates": [],
        "_anchor": subscription["billing_cycle_anchor"],
    }
    set_fields(account, item, wanted, subscription, param)
    return item


def set_fields(
    account: Account, item: Record, wanted: Mapping[str, Any], subscription: Mapping[str, Any], param: str
) -> None:
    """Give an item what a request wants of it: price, quantity, metadata, tax rates, discounts."""
    ways = _price_ways(wanted)
    if len(ways) > 1:
        raise invalid(
            f"You may only specify one of these parameters: {', '.join(ways)}.", param=_within(param, ways[1])
        )
    if ways == ["price_data"]:
        item["price"] = inline_price(account, wanted["price_data"])["id"]
    elif ways and wanted[ways[0]] != item["price"]:
        item["price"] = usable_price(account, wanted[ways[0]], recurring=True, param=_within(param, ways[0]))["id"]
    _set_quantity(account, item, wanted, param)
    if "metadata" in wanted:
        item["metadata"] = merge_metadata(item["metadata"], wanted["metadata"])
    if "tax_rates" in wanted:
        item["tax_rates"] = usable_tax_rates(account, wanted["tax_rates"], param=_within(param, "tax_rates"))
    if "discounts" in wanted:
        owner = {
            "customer": subscription["customer"],
            "subscription": subscription["id"],
            "subscription_item": item["id"],
        }
        at = account.now(subscription["test_clock"])
        item["discounts"] = make_discounts(
            account,
            wanted["discounts"],
            owner,
            at,
            param=_within(param, "discounts"),
            currency=account.fetch("price", item["price"])["currency"],
        )


def _set_quantity(account: Account, item: Record, wanted: Mapping[str, Any], param: str) -> None:
    metered = account.fetch("price", item["price"])["recurring"]["usage_type"] == "metered"
    if metered and "quantity" in wanted:
        raise invalid(
            "Quantity should not be specified where usage_type is `metered`. Remove quantity from "
            f"`{param or 'the subscription item'}`",
            param=_within(param, "quantity"),
        )
    if metered:
        item["quantity"] = None
    elif "quantity" in wanted:
        item["quantity"] = wanted["quantity"]
    elif item["quantity"] is None:
        item["quantity"] = 1


def start_period(account: Account, item: Record, anchor: int, start: int) -> None:
    """Put an item into the period that begins at `start`, with boundaries counted from `anchor`."""
    recurring = account.fetch("price", item["price"])["recurring"]
    item["_anchor"] = anchor
    item["current_period_start"] = start
    item["current_period_end"] = boundary_after(anchor, recurring["interval"], recurring["interval_count"], start)


def interval_of(account: Account, item: Mapping[str, Any]) -> tuple[str, int]:
    """Return the interval and the interval count of an item's price."""
    recurring = account.fetch("price", item["price"])["recurring"]
    return recurring["interval"], recurring["interval_count"]


def check_together(account: Account, items: list[Record], *, flexible: bool) -> str:
    """Return the currency of the items.

    Raises StripeError when there are none or too many, when two have the same price, when currencies differ, or when
    intervals differ: classic billing needs the same interval, flexible billing takes multiples of the shortest one.
    """
    if not items:
        raise invalid(
            "A subscription must have at least one active item. To cancel it, delete the subscription.", param="items"
        )
    if len(items) > ITEMS_MAX:
        raise invalid(f"Subscriptions can have up to {ITEMS_MAX} items.", param="items")
    prices = [item["price"] for item in items]
    twice = next((price for price in prices if prices.count(price) > 1), None)
    if twice is not None and account.settings.one_item_per_price:
        raise invalid(f"Cannot add multiple subscription items with the same plan: {twice}")
    currencies = {account.fetch("price", item["price"])["currency"] for item in items}
    intervals = {interval_of(account, item) for item in items}
    mismatch = "currency" if len(currencies) > 1 else "interval" if len(intervals) > 1 and not flexible else None
    if mismatch is not None:
        raise invalid(
            "Currency and interval fields must match across all plans on this subscription. Found mismatch in "
            f"{mismatch} field.",
            param="items",
        )
    if not _multiples(intervals):
        raise invalid("The intervals of the items must be multiples of the shortest one.", param="items")
    return str(currencies.pop())


def find_item(items: list[Record], item_id: str, param: str) -> Record:
    """Return the item with an id. Raises StripeError `resource_missing`."""
    for item in items:
        if item["id"] == item_id:
            return item
    raise no_such("subscription item", item_id, param=param)


def _within(param: str, name: str) -> str:
    return f"{param}[{name}]" if param else name


def _price_ways(wanted: Mapping[str, Any]) -> list[str]:
    return [name for name in ("price", "plan", "price_data") if name in wanted]


def _multiples(intervals: set[tuple[str, int]]) -> bool:
    for scale in (_DAYS, _MONTHS):
        if all(interval in scale for interval, _ in intervals):
            lengths = [scale[interval] * count for interval, count in intervals]
            return all(length % min(lengths) == 0 for length in lengths)
    return False
