"""What time does to a subscription schedule: phases begin, and the last one ends.

Source: Stripe's "Subscription schedules": a phase's items and settings replace those of the subscription when it
begins; after the last phase `end_behavior` releases the subscription or cancels it.
"""

from __future__ import annotations

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.gateway.operation import Call
from sandbox.vendors.stripe.schedules.phases import item_params, subscription_params
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.subscription_operations import resource as subscriptions
from sandbox.vendors.stripe.subscriptions.cancelling import cancel_at_once
from sandbox.vendors.stripe.wire.presentation import items_of


def start(account: Account, schedule: Record, at: int) -> None:
    """Begin the first phase: the subscription is made, and backdated where the phase began before now."""
    phase = schedule["phases"][0]
    params = subscription_params(schedule, phase) | {
        "add_invoice_items": phase["_add_invoice_items"],
        "billing_mode": {"type": schedule["billing_mode"]["type"]},
        "customer": schedule["customer"],
        "items": [item_params(item) for item in phase["items"]],
    }
    if phase["start_date"] < at:
        params["backdate_start_date"] = phase["start_date"]
    made = subscriptions.create(Call(account, params, url="/v1/subscriptions", version=schedule["_version"]))
    made["schedule"] = schedule["id"]
    account.store.put(made)
    schedule |= {"status": "active", "subscription": made["id"]}
    _enter(account, schedule, phase)


def work(account: Account, schedule: Record, at: int) -> None:
    """Do what is due now: the first phase starts, the next one, or the last one ends."""
    if schedule["status"] == "not_started":
        before = account.shown(schedule)
        start(account, schedule, at)
        account.emit_update("subscription_schedule.updated", before, schedule)
        return
    following = [phase for phase in schedule["phases"] if phase["start_date"] >= schedule["current_phase"]["end_date"]]
    if following:
        before = account.shown(schedule)
        apply_phase(account, schedule, following[0])
        account.emit_update("subscription_schedule.updated", before, schedule)
    elif schedule["end_behavior"] == "cancel":
        complete(account, schedule, at)
    else:
        release(account, schedule)


def apply_phase(account: Account, schedule: Record, phase: Record) -> None:
    """Give the subscription the items and settings of a phase, which becomes the current one."""
    subscription_id = schedule["subscription"]
    old = {item["price"]: item["id"] for item in items_of(account.store, subscription_id)}
    wanted = [item_params(item) for item in phase["items"]]
    specs = [spec | ({"id": old[spec["price"]]} if spec["price"] in old else {}) for spec in wanted]
    kept = {spec.get("id") for spec in specs}
    specs += [{"id": item_id, "deleted": True} for item_id in old.values() if item_id not in kept]
    params = subscription_params(schedule, phase) | {"items": specs}
    if params["collection_method"] == "charge_automatically":
        params.pop("days_until_due", None)
    if phase["billing_cycle_anchor"] == "phase_start":
        params["billing_cycle_anchor"] = "now"
    subscriptions.update(Call(account, params, {"id": subscription_id}, "/v1/subscriptions", schedule["_version"]))
    _enter(account, schedule, phase)


def release(account: Account, schedule: Record) -> None:
    """Leave the subscription to itself."""
    subscription = account.store.get("subscription", schedule["subscription"] or "")
    schedule |= {
        "current_phase": None,
        "released_at": account.now(schedule["test_clock"]),
        "released_subscription": schedule["subscription"],
        "status": "released",
        "subscription": None,
    }
    account.store.put(schedule)
    if subscription is not None:
        before = account.shown(subscription)
        subscription["schedule"] = None
        account.store.put(subscription)
        account.emit_update("customer.subscription.updated", before, subscription)
    account.emit("subscription_schedule.released", schedule)


def complete(account: Account, schedule: Record, at: int) -> None:
    """End the schedule, and its subscription with it."""
    schedule |= {"completed_at": at, "current_phase": None, "status": "completed"}
    account.store.put(schedule)
    account.emit("subscription_schedule.completed", schedule)
    cancel_at_once(account, account.fetch("subscription", schedule["subscription"]))


def _enter(account: Account, schedule: Record, phase: Record) -> None:
    schedule["current_phase"] = {"end_date": phase["end_date"], "start_date": phase["start_date"]}
    account.store.put(schedule)
