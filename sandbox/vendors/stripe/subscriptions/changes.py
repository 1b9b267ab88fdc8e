"""Changes to the items and the cycle of a running subscription, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.customers.currencies import claim_currency
from sandbox.vendors.stripe.periods import boundary_before
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.subscriptions.billing import charge_lines, invoice_now
from sandbox.vendors.stripe.subscriptions.items import (
    check_together,
    find_item,
    interval_of,
    new_item,
    set_fields,
    start_period,
)
from sandbox.vendors.stripe.subscriptions.proration import charge_remaining, credit_unused
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.presentation import items_of

_BILLED = frozenset({"active", "past_due", "unpaid"})


@dataclass(frozen=True)
class Terms:
    """How a change is to be billed."""

    proration_behavior: str
    payment_behavior: str
    at: int

    @property
    def prorates(self) -> bool:
        """Whether the change is credited and charged for the running period."""
        return self.proration_behavior != "none"


@dataclass(frozen=True)
class _Change:
    before: Record | None
    after: Record | None
    restarts: bool

    @property
    def costs(self) -> bool:
        """Whether the change has anything to do with money."""
        if self.before is None or self.after is None:
            return True
        return any(self.before[name] != self.after[name] for name in ("price", "quantity"))


def terms_of(account: Account, params: Mapping[str, Any], subscription: Record) -> Terms:
    """Return the terms that a request sets, with Stripe's defaults.

    Raises StripeError for a `proration_date` outside of the running period.
    """
    at = account.now(subscription["test_clock"])
    wanted = params.get("proration_date", at)
    items = items_of(account.store, subscription["id"])
    if not min(i["current_period_start"] for i in items) <= wanted <= max(i["current_period_end"] for i in items):
        raise invalid(
            "Invalid proration_date: it must lie within the current period of the subscription.", param="proration_date"
        )
    return Terms(
        params.get("proration_behavior", "create_prorations"),
        params.get("payment_behavior", "allow_incomplete"),
        wanted,
    )


def change_items(
    account: Account, subscription: Record, wanted: list[Mapping[str, Any]], terms: Terms, *, param: str = "items"
) -> None:
    """Add, change and delete items. Stores the subscription, and invoices what has to be invoiced at once.

    An item whose price has another interval begins a new period at once, and is charged for all of it. `param` names
    the list of items in errors; it is empty when one item's parameters are the request's own.
    """
    old = items_of(account.store, subscription["id"])
    named = [spec["id"] for spec in wanted if "id" in spec]
    if len(named) > len(set(named)):
        raise invalid("Each subscription item can be changed only once in a request.", param=param)
    changes = [
        _changed(account, subscription, old, spec, terms, f"{param}[{index}]" if param else "")
        for index, spec in enumerate(wanted)
    ]
    touched = {change.before["id"] for change in changes if change.before is not None}
    left = [item for item in old if item["id"] not in touched]
    left += [change.after for change in changes if change.after is not None]
    flexible = subscription["billing_mode"]["type"] == "flexible"
    subscription["currency"] = check_together(account, left, flexible=flexible)
    customer = account.fetch_live("customer", subscription["customer"])
    claim_currency(account, customer, subscription["currency"], apart_from=subscription["id"])
    prorates = terms.prorates and subscription["status"] in _BILLED
    for change in changes:
        # Where the period ends at this very moment, nothing of it is left to credit or to charge.
        prorated = prorates and change.costs and not _at_period_end(change, terms.at)
        if prorated and change.before is not None:
            credit_unused(account, subscription, change.before, terms.at)
        _store(account, change)
        if prorated and change.after is not None and not change.restarts:
            charge_remaining(account, subscription, change.after, terms.at)
    account.store.put(subscription)
    restarted = [change.after for change in changes if change.after is not None and change.restarts]
    if restarted and len(restarted) == len(left):
        subscription["billing_cycle_anchor"] = terms.at
    _bill(account, subscription, restarted, terms)


def restart_cycle(account: Account, subscription: Record, terms: Terms) -> None:
    """Begin a new period for all items now, and invoice it: `billing_cycle_anchor=now`, or the end of a trial."""
    at = account.now(subscription["test_clock"])
    items = items_of(account.store, subscription["id"])
    for item in items:
        if terms.prorates and subscription["status"] in _BILLED:
            credit_unused(account, subscription, item, at)
        start_period(account, item, at, at)
        account.store.put(item)
    if subscription["status"] == "trialing":
        subscription["status"] = "active"
        subscription["trial_end"] = at
    subscription["billing_cycle_anchor"] = at
    _bill(account, subscription, items, terms)


def move_trial_end(account: Account, subscription: Record, end: int, terms: Terms) -> None:
    """Begin a trial, or give it another end; the cycle begins with its end.

    Raises StripeError for an end in the past.
    """
    at = account.now(subscription["test_clock"])
    if end <= at:
        raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", param="trial_end")
    for item in items_of(account.store, subscription["id"]):
        if terms.prorates and subscription["status"] in _BILLED:
            credit_unused(account, subscription, item, at)
        start = item["current_period_start"] if subscription["status"] == "trialing" else at
        account.store.put(item | {"_anchor": end, "current_period_start": start, "current_period_end": end})
    if subscription["status"] != "trialing":
        subscription["trial_start"] = at
    subscription |= {"status": "trialing", "trial_end": end, "billing_cycle_anchor": end}
    account.store.put(subscription)


def _changed(
    account: Account, subscription: Record, old: list[Record], spec: Mapping[str, Any], terms: Terms, param: str
) -> _Change:
    if "id" not in spec:
        if spec.get("deleted"):
            raise invalid("An item to delete needs its id.", code="parameter_missing", param=f"{param}[id]")
        item = new_item(account, spec, subscription, param)
        joined = _join_period(account, item, old, terms.at)
        return _Change(None, item, restarts=not joined)
    before = find_item(old, spec["id"], f"{param}[id]")
    if spec.get("deleted"):
        return _Change(before, None, restarts=False)
    after = before | {"metadata": dict(before["metadata"]), "discounts": list(before["discounts"])}
    set_fields(account, after, spec, subscription, param)
    restarts = interval_of(account, after) != interval_of(account, before)
    if restarts and subscription["status"] != "trialing":
        start_period(account, after, terms.at, terms.at)
    return _Change(before, after, restarts=restarts and subscription["status"] != "trialing")


def _join_period(account: Account, item: Record, old: list[Record], at: int) -> bool:
    """Put a new item into the running period of those with its interval; False when it begins one of its own."""
    for other in old:
        if interval_of(account, other) == interval_of(account, item):
            item["_anchor"] = other["_anchor"]
            item["current_period_start"] = other["current_period_start"]
            item["current_period_end"] = other["current_period_end"]
            return True
    # Another interval: counted from the subscription's anchor, so that its boundaries fall on the others'.
    start_period(account, item, item["_anchor"], at)
    interval, count = interval_of(account, item)
    return boundary_before(item["_anchor"], interval, count, item["current_period_end"]) != at


def _at_period_end(change: _Change, at: int) -> bool:
    item = change.before or change.after
    return item is not None and bool(item["current_period_end"] <= at)


def _store(account: Account, change: _Change) -> None:
    if change.after is not None:
        account.store.put(change.after)
    elif change.before is not None:
        account.store.remove("subscription_item", change.before["id"])


def _bill(account: Account, subscription: Record, restarted: list[Record], terms: Terms) -> None:
    account.store.put(subscription)
    if restarted or terms.proration_behavior == "always_invoice":
        lines = charge_lines(account, subscription, restarted)
        invoice_now(account, subscription, lines, terms.payment_behavior)
