"""The first periods of a subscription, and the lines that charge them."""

from __future__ import annotations

from decimal import Decimal

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.currencies import rounded, step
from sandbox.vendors.stripe.gateway.operation import Call
from sandbox.vendors.stripe.invoices.drafts import subscription_line
from sandbox.vendors.stripe.periods import add_intervals, boundary_before
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.subscriptions.billing import charge_lines, trial_lines
from sandbox.vendors.stripe.subscriptions.items import interval_of, start_period
from sandbox.vendors.stripe.subscriptions.proration import rest_of_period
from sandbox.vendors.stripe.wire.errors import invalid


def set_cycle(call: Call, subscription: Record, items: list[Record], at: int) -> None:
    """Put the items into their first periods, a trial included.

    Raises StripeError for a trial that would be over, an anchor that is past or too far away, or a beginning that is
    still to come.
    """
    params = call.params
    _set_start(call, subscription, at)
    trial_end = _trial_end(call, at)
    anchor = params.get("billing_cycle_anchor")
    if trial_end is not None:
        subscription |= {"trial_start": at, "trial_end": trial_end, "billing_cycle_anchor": anchor or trial_end}
        trial = {"_anchor": anchor or trial_end, "current_period_start": at, "current_period_end": trial_end}
        for item in items:
            item.update(trial)
        return
    if anchor is not None:
        if anchor < at:
            raise invalid("billing_cycle_anchor cannot be in the past.", param="billing_cycle_anchor")
        subscription["billing_cycle_anchor"] = anchor
    for item in items:
        start_period(call.account, item, subscription["billing_cycle_anchor"], at)
        if item["current_period_end"] < subscription["billing_cycle_anchor"]:
            raise invalid(
                "billing_cycle_anchor cannot be later than the next natural billing date of the subscription.",
                param="billing_cycle_anchor",
            )


def _set_start(call: Call, subscription: Record, at: int) -> None:
    backdated = call.params.get("backdate_start_date")
    if backdated is None:
        return
    if backdated > at:
        raise invalid("backdate_start_date cannot be in the future.", param="backdate_start_date")
    subscription["start_date"] = backdated


def _trial_end(call: Call, at: int) -> int | None:
    end = call.params.get("trial_end")
    if "trial_period_days" in call.params:
        if end is not None:
            raise invalid(
                "You may only specify one of these parameters: trial_end, trial_period_days.", param="trial_end"
            )
        return int(at + call.params["trial_period_days"] * 86_400)
    if not isinstance(end, int):
        return None
    if end <= at:
        raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", param="trial_end")
    return end


def first_lines(call: Call, subscription: Record, items: list[Record], at: int) -> list[Record]:
    """Return the lines of the first invoice: of the time since a backdated beginning, and of a trial or the first
    periods.
    """
    backdated = _backdated_lines(call, subscription, items, at)
    if subscription["trial_end"] is not None:
        return backdated + trial_lines(call.account, subscription, items)
    return backdated + _lines_of_first_periods(call, subscription, items, at)


def _backdated_lines(call: Call, subscription: Record, items: list[Record], at: int) -> list[Record]:
    """Return a line per item for the time between the beginning and now (Stripe: `backdate_start_date`)."""
    start = subscription["start_date"]
    if start >= at or call.params.get("proration_behavior", "create_prorations") == "none":
        return []
    lines = []
    for item in items:
        if item["quantity"] is None:
            continue
        price = call.account.fetch("price", item["price"])
        line = subscription_line(call.account, subscription, item, start, at)
        exact = Decimal(price["unit_amount_decimal"]) * item["quantity"] * _intervals(call.account, item, start, at)
        amount = rounded(exact, step(price["currency"]))
        line |= {"amount": amount, "subtotal": amount}
        line["parent"]["subscription_item_details"]["proration"] = True
        lines.append(line)
    return lines


def _intervals(account: Account, item: Record, start: int, end: int) -> Decimal:
    """Return how many of an item's intervals lie between two moments, counted from the first."""
    interval, count = interval_of(account, item)
    whole = 0
    while add_intervals(start, interval, (whole + 1) * count) <= end:
        whole += 1
    last = add_intervals(start, interval, whole * count)
    length = add_intervals(start, interval, (whole + 1) * count) - last
    return whole + Decimal(end - last) / Decimal(length)


def _lines_of_first_periods(call: Call, subscription: Record, items: list[Record], at: int) -> list[Record]:
    """Return the lines of the first periods: the part up to the anchor, or nothing without proration, where they are
    short.
    """
    account = call.account
    whole: list[Record] = []
    short: list[Record] = []
    for item in items:
        interval, count = interval_of(account, item)
        start = boundary_before(item["_anchor"], interval, count, item["current_period_end"])
        (whole if start == at else short).append(item)
    lines = charge_lines(account, subscription, whole)
    if call.params.get("proration_behavior", "create_prorations") == "none":
        return lines
    short = [item for item in short if item["quantity"] is not None]
    for item, line in zip(short, charge_lines(account, subscription, short), strict=True):
        # The discounts come off on the invoice, as they do for a whole period.
        undiscounted = item | {"discounts": []}
        amount = rest_of_period(account, subscription | {"discounts": []}, undiscounted, at)
        line |= {"amount": amount, "subtotal": amount}
        line["parent"]["subscription_item_details"]["proration"] = True
        lines.append(line)
    return lines
