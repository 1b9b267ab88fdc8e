"""The end of a subscription."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.invoices.drafts import subscription_of
from sandbox.vendors.stripe.meters.usage import usage_lines
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.subscriptions.billing import invoice_now
from sandbox.vendors.stripe.subscriptions.proration import credit_unused
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.presentation import items_of


def cancel_at_once(
    account: Account,
    subscription: Record,
    *,
    prorate: bool = False,
    bill_now: bool = False,
    details: dict[str, Any] | None = None,
    reason: str = "cancellation_requested",
    still_advancing: str | None = None,
) -> Record:
    """Cancel now, whatever is paid for; with `prorate` the unused time is credited, with `bill_now` on a last invoice.

    A last invoice charges what metered items have used. Invoices that are still open, but for `still_advancing`, stop
    advancing on their own (Stripe: "Cancel subscriptions").
    """
    at = account.now(subscription["test_clock"])
    if prorate and subscription["status"] in {"active", "past_due"}:
        for item in items_of(account.store, subscription["id"]):
            credit_unused(account, subscription, item, at)
    if bill_now:
        items = items_of(account.store, subscription["id"])
        invoice_now(account, subscription, usage_lines(account, subscription, items, at))
    subscription["status"] = "canceled"
    subscription["cancel_at_period_end"] = False
    subscription["canceled_at"] = subscription["canceled_at"] or at
    subscription["ended_at"] = at
    subscription["cancellation_details"] |= {"reason": reason} | (details or {})
    account.store.put(subscription)
    for invoice in account.store.scan("invoice"):
        if subscription_of(invoice) == subscription["id"] and invoice["id"] != still_advancing:
            stop_advancing(account, dict(invoice))
    _end_schedule(account, subscription, at)
    account.emit("customer.subscription.deleted", subscription)
    return subscription


def refuse_scheduled_cancellation(subscription: Record, params: Mapping[str, Any]) -> None:
    """Raise StripeError for a request to cancel what a schedule manages, in the words that users quote."""
    if subscription["schedule"] is not None and {"cancel_at", "cancel_at_period_end"} & params.keys():
        raise invalid(
            f"The subscription is managed by the subscription schedule `{subscription['schedule']}`, and updating any "
            "cancelation behavior directly is not allowed. Please update the schedule instead."
        )


def _end_schedule(account: Account, subscription: Record, at: int) -> None:
    schedule = account.store.get("subscription_schedule", subscription["schedule"] or "")
    if schedule is not None and schedule["status"] == "active":
        schedule |= {"canceled_at": at, "current_phase": None, "status": "canceled"}
        account.store.put(schedule)
        account.emit("subscription_schedule.canceled", schedule)


def stop_advancing(account: Account, invoice: Record) -> None:
    """Leave an invoice that is not settled as it is, until somebody acts on it."""
    if invoice["status"] in {"draft", "open"}:
        stopped = {"auto_advance": False, "automatically_finalizes_at": None, "next_payment_attempt": None}
        account.store.put(invoice | stopped)


def end_of_period(account: Account, subscription: Record) -> int:
    """Return when the last period that is paid for ends: of items with different intervals, the longest."""
    return max(int(item["current_period_end"]) for item in items_of(account.store, subscription["id"]))


def schedule_cancellation(account: Account, subscription: Record, at: int | None, *, period_end: bool) -> None:
    """Set, or with `at` None take back, a cancellation in the future; the subscription is not stored."""
    subscription["cancel_at"] = at
    subscription["cancel_at_period_end"] = period_end
    subscription["canceled_at"] = None if at is None else account.now(subscription["test_clock"])
    subscription["cancellation_details"] |= {"reason": None if at is None else "cancellation_requested"}
