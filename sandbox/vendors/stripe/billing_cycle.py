"""What time does: renewals, finalization of drafts, payment retries, overdue invoices, scheduled cancellations.

Each piece of work is done at the moment when it was due, in the order of those moments, however late the clock is read.
Source: Stripe's "Subscription invoices", "How subscriptions work" and "Smart Retries".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sandbox.vendors.stripe.account import Account, Origin
from sandbox.vendors.stripe.invoices.drafts import subscription_of
from sandbox.vendors.stripe.invoices.lifecycle import attempt, change_status, finalize, note_finalization_failure, void
from sandbox.vendors.stripe.meters.usage import usage_lines
from sandbox.vendors.stripe.payments import disputes, ledger, payouts, refunds
from sandbox.vendors.stripe.schedules import running as running_schedules
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.subscriptions.billing import charge_lines, draft
from sandbox.vendors.stripe.subscriptions.cancelling import cancel_at_once
from sandbox.vendors.stripe.subscriptions.items import start_period
from sandbox.vendors.stripe.wire.errors import StripeError
from sandbox.vendors.stripe.wire.presentation import items_of

_log = logging.getLogger(__name__)

# How long Stripe waits for the first payment of a subscription.
INCOMPLETE_S = 23 * 3_600
_RUNNING = frozenset({"active", "past_due", "trialing", "unpaid"})


@dataclass(frozen=True)
class _Work:
    at: int
    kind: str
    object_id: str
    do: Callable[[Account, Record, int], None]


def do_overdue_work(account: Account) -> None:
    """Do what is due by now for the customers without a test clock, each piece in a transaction of its own.

    Work that fails is logged and left undone: what cannot be renewed must not stop the time of everything else.
    """
    until = int(account.clock.now())
    while (work := _next(account, None, until)) is not None:
        try:
            with account.catching_up(work.at), account.transaction(Origin(new_id("req", 14), automatic=True)):
                work.do(account, account.fetch(work.kind, work.object_id), work.at)
        except Exception:  # noqa: BLE001 -- logged with its trace, and the others' time goes on
            _log.exception("%s of %s %s failed", work.do.__name__, work.kind, work.object_id)
            account.stuck.add(work.object_id)


def advance(account: Account, test_clock: Record, until: int) -> None:
    """Move a test clock to `until` and do, on the way, what is due for its customers; part of the open transaction."""
    with account.automatically():
        while (work := _next(account, test_clock["id"], until)) is not None:
            account.store.put(test_clock | {"frozen_time": max(work.at, test_clock["frozen_time"])})
            work.do(account, account.fetch(work.kind, work.object_id), work.at)
    test_clock["frozen_time"] = until
    account.store.put(test_clock)


def _next(account: Account, test_clock: str | None, until: int) -> _Work | None:
    """Return the earliest piece of work that is due; at the same moment, a cancellation before a renewal before an
    invoice.
    """
    every = (
        *_of_schedules(account, test_clock),
        *_of_subscriptions(account, test_clock),
        *_of_invoices(account, test_clock),
        *_of_payments(account, test_clock),
    )
    due = [work for work in every if work.at <= until and work.object_id not in account.stuck]
    return min(due, key=lambda work: work.at, default=None)


def do_next_of_customer(account: Account, customer: Record) -> bool:
    """Do the next work on a customer's subscriptions and schedules at its time, however far away that is.

    The answer is False when there is none. It is meant for dry runs: the customer's time is moved.
    """
    clock = customer["test_clock"]
    ids = {
        record["id"]
        for kind in ("subscription", "subscription_schedule")
        for record in account.store.scan(kind, customer=customer["id"])
    }
    every = (*_of_schedules(account, clock), *_of_subscriptions(account, clock))
    work = min((each for each in every if each.object_id in ids), key=lambda each: each.at, default=None)
    if work is None:
        return False
    if clock is not None:
        test_clock = account.fetch("test_helpers.test_clock", clock)
        account.store.put(test_clock | {"frozen_time": max(work.at, test_clock["frozen_time"])})
        work.do(account, account.fetch(work.kind, work.object_id), work.at)
    else:
        with account.catching_up(work.at):
            work.do(account, account.fetch(work.kind, work.object_id), work.at)
    return True


def _of_schedules(account: Account, test_clock: str | None) -> Iterator[_Work]:
    """Yield the work of schedules: a phase starts before a renewal at the same moment, which charges the phase's
    prices.
    """
    for schedule in account.store.scan("subscription_schedule", test_clock=test_clock):
        if schedule["status"] == "not_started":
            at = schedule["phases"][0]["start_date"]
            yield _Work(at, "subscription_schedule", schedule["id"], running_schedules.work)
        elif schedule["status"] == "active":
            at = schedule["current_phase"]["end_date"]
            yield _Work(at, "subscription_schedule", schedule["id"], running_schedules.work)


def _of_subscriptions(account: Account, test_clock: str | None) -> Iterator[_Work]:
    ends: dict[str, int] = {}
    for item in account.store.scan("subscription_item"):
        end = int(item["current_period_end"])
        ends[item["subscription"]] = min(end, ends.get(item["subscription"], end))
    for subscription in account.store.scan("subscription", test_clock=test_clock):
        subscription_id = subscription["id"]
        if subscription["status"] == "incomplete":
            yield _Work(subscription["created"] + INCOMPLETE_S, "subscription", subscription_id, _expire)
        elif subscription["status"] in _RUNNING:
            if subscription["cancel_at"] is not None:
                yield _Work(subscription["cancel_at"], "subscription", subscription_id, _cancel)
            yield _Work(ends[subscription_id], "subscription", subscription_id, _renew)


def _of_invoices(account: Account, test_clock: str | None) -> Iterator[_Work]:
    for invoice in account.store.scan("invoice", test_clock=test_clock):
        if invoice["status"] == "draft" and invoice["auto_advance"] and invoice["automatically_finalizes_at"]:
            yield _Work(invoice["automatically_finalizes_at"], "invoice", invoice["id"], _finalize)
        elif invoice["status"] == "open":
            if invoice["next_payment_attempt"] is not None:
                yield _Work(invoice["next_payment_attempt"], "invoice", invoice["id"], _collect)
            if invoice["due_date"] is not None and not invoice["_overdue_told"]:
                yield _Work(invoice["due_date"], "invoice", invoice["id"], _tell_overdue)


def _of_payments(account: Account, test_clock: str | None) -> Iterator[_Work]:
    for refund in account.store.scan("refund", _test_clock=test_clock):
        if refund["_settles_at"] is not None:
            yield _Work(refund["_settles_at"], "refund", refund["id"], refunds.settle)
    for dispute in account.store.scan("dispute", _test_clock=test_clock):
        if dispute["status"].endswith("needs_response"):
            yield _Work(dispute["evidence_details"]["due_by"], "dispute", dispute["id"], disputes.lapse)
    if test_clock is not None:
        return  # the balance is the account's own, and no customer's clock moves it
    for transaction in account.store.scan("balance_transaction", status="pending"):
        yield _Work(transaction["available_on"], "balance_transaction", transaction["id"], ledger.settle)
    for payout in account.store.scan("payout", status="pending"):
        yield _Work(payout["arrival_date"], "payout", payout["id"], payouts.arrive)


def _renew(account: Account, subscription: Record, at: int) -> None:
    before = account.shown(subscription)
    due = [item for item in items_of(account.store, subscription["id"]) if item["current_period_end"] <= at]
    period = (min(item["current_period_start"] for item in due), at)
    lines = usage_lines(account, subscription, due, at)
    for item in due:
        start_period(account, item, item["_anchor"], item["current_period_end"])
        account.store.put(item)
    if subscription["status"] == "trialing":
        subscription["status"] = "active"
    draft(account, subscription, lines + charge_lines(account, subscription, due), "subscription_cycle", period=period)
    account.store.put(subscription)
    account.emit_update("customer.subscription.updated", before, subscription)


def _cancel(account: Account, subscription: Record, at: int) -> None:
    # What was used in the last period is still to be paid.
    used = usage_lines(account, subscription, items_of(account.store, subscription["id"]), at)
    if used:
        draft(account, subscription, used, "subscription_cycle")
        account.store.put(subscription)
    invoice = subscription["latest_invoice"] if used else None
    cancel_at_once(account, subscription, still_advancing=invoice)


def _expire(account: Account, subscription: Record, at: int) -> None:
    subscription["ended_at"] = at
    account.store.put(subscription)
    invoice = account.store.get("invoice", subscription["latest_invoice"] or "")
    if invoice is not None and invoice["status"] == "open":
        # The first invoice is taken back, and its subscription expires with it.
        void(account, invoice)
    else:
        change_status(account, subscription, "incomplete_expired")


def _finalize(account: Account, invoice: Record, _: int) -> None:
    try:
        invoice = finalize(account, dict(invoice))
    except StripeError as refused:
        note_finalization_failure(account, account.fetch("invoice", invoice["id"]), refused)
        return
    if invoice["status"] != "open":
        return
    if invoice["collection_method"] == "send_invoice":
        account.emit("invoice.sent", invoice)
    else:
        _collect(account, invoice, 0)


def _collect(account: Account, invoice: Record, _: int) -> None:
    failure = attempt(account, invoice)
    subscription_id = subscription_of(invoice)
    if failure is None or subscription_id is None or invoice["next_payment_attempt"] is not None:
        return
    # Stripe's default when the last retry has failed: the subscription ends, its invoice stays open.
    subscription = account.fetch("subscription", subscription_id)
    if subscription["status"] in _RUNNING:
        cancel_at_once(account, subscription, reason="payment_failed")


def _tell_overdue(account: Account, invoice: Record, _: int) -> None:
    invoice["_overdue_told"] = True
    account.store.put(invoice)
    account.emit("invoice.overdue", invoice)
    subscription_id = subscription_of(invoice)
    if subscription_id is not None:
        subscription = account.fetch("subscription", subscription_id)
        if subscription["status"] == "active":
            change_status(account, subscription, "past_due")
