"""The subscription schedule operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.customers.currencies import claim_currency
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.invoices.resource import AUTOMATIC_TAX, COLLECTION_METHOD
from sandbox.vendors.stripe.invoices.sending import require_email
from sandbox.vendors.stripe.schedules import running
from sandbox.vendors.stripe.schedules.phases import (
    INVOICE_SETTINGS,
    NEW_PHASES,
    PHASES,
    PRORATION_BEHAVIOR,
    make_phases,
    phase_of_subscription,
)
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.subscription_states import ENDED
from sandbox.vendors.stripe.subscriptions.cancelling import cancel_at_once
from sandbox.vendors.stripe.wire import api_version
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import (
    Boolean,
    Choice,
    Hash,
    Metadata,
    Moment,
    Param,
    Range,
    Text,
    merge_metadata,
)
from sandbox.vendors.stripe.wire.presentation import items_of

_DEFAULTS = Hash(
    fields={
        "automatic_tax": AUTOMATIC_TAX,
        "billing_cycle_anchor": Choice(words=("automatic", "phase_start")),
        "collection_method": COLLECTION_METHOD,
        "default_payment_method": Text(),
        "description": Text(unset=True, chars_max=500),
        "invoice_settings": INVOICE_SETTINGS,
    }
)
_SHARED: dict[str, Param] = {
    "default_settings": _DEFAULTS,
    "end_behavior": Choice(words=("cancel", "release")),
    "metadata": Metadata(),
    "phases": PHASES,
}
_RUNNING = frozenset({"active", "not_started"})


def create(call: Call) -> Record:
    """POST /v1/subscription_schedules: of a running subscription, or with phases of its own"""
    account, params = call.account, call.params
    if "from_subscription" in params:
        return _from_subscription(call)
    if "customer" not in params or "phases" not in params:
        missing = "customer" if "customer" not in params else "phases"
        raise invalid(f"Missing required param: {missing}.", code="parameter_missing", param=missing)
    customer = account.fetch_live("customer", params["customer"], param="customer")
    now = account.now(customer["test_clock"])
    start = params.get("start_date", "now")
    start = now if start == "now" else int(start)
    schedule = _blank(call, customer)
    schedule["phases"] = make_phases(account, params["phases"], start)
    _apply(call, schedule, customer)
    claim_currency(account, customer, schedule["phases"][0]["currency"], apart_from=schedule["id"])
    account.store.put(schedule)
    if start <= now:
        running.start(account, schedule, now)
    account.emit("subscription_schedule.created", schedule)
    return schedule


def _from_subscription(call: Call) -> Record:
    account, params = call.account, call.params
    if others := sorted(set(params) - {"expand", "from_subscription", "metadata"}):
        raise invalid(
            f"You cannot set `{others[0]}` if `from_subscription` is set; update the schedule afterwards.",
            param=others[0],
        )
    subscription = account.fetch("subscription", params["from_subscription"], param="from_subscription")
    if subscription["status"] in ENDED:
        raise invalid("You cannot migrate a subscription that has ended.", param="from_subscription")
    if subscription["schedule"] is not None:
        raise invalid(
            f"You cannot migrate a subscription that is already attached to a schedule: `{subscription['schedule']}`.",
            param="from_subscription",
        )
    schedule = _blank(call, account.fetch_live("customer", subscription["customer"]))
    phase = phase_of_subscription(subscription, items_of(account.store, subscription["id"]))
    schedule |= {
        "billing_mode": subscription["billing_mode"],
        "current_phase": {"end_date": phase["end_date"], "start_date": phase["start_date"]},
        "metadata": merge_metadata({}, params.get("metadata")),
        "phases": [phase],
        "status": "active",
        "subscription": subscription["id"],
    }
    schedule["default_settings"]["collection_method"] = subscription["collection_method"]
    schedule["default_settings"]["invoice_settings"]["days_until_due"] = subscription["days_until_due"]
    account.store.put(schedule)
    before = account.shown(subscription)
    account.store.put(subscription | {"schedule": schedule["id"]})
    account.emit("subscription_schedule.created", schedule)
    account.emit_update("customer.subscription.updated", before, account.fetch("subscription", subscription["id"]))
    return schedule


def update(call: Call) -> Record:
    """POST /v1/subscription_schedules/{id}: the current phase can change, but not begin at another time"""
    account, params, schedule = call.account, call.params, call.fetch("subscription_schedule")
    _refuse_ended(schedule, "update")
    before = account.shown(schedule)
    customer = account.fetch_live("customer", schedule["customer"])
    _apply(call, schedule, customer)
    if "phases" in params:
        replace_phases(account, schedule, params["phases"], params.get("proration_behavior"))
    account.store.put(schedule)
    account.emit_update("subscription_schedule.updated", before, schedule)
    return schedule


def replace_phases(
    account: Account, schedule: Record, wanted: list[Mapping[str, Any]], proration_behavior: str | None
) -> None:
    """Give a schedule other phases from the current one on; the current one is applied to the subscription at once.

    Raises StripeError for a current phase that would begin at another time.
    """
    if not wanted:
        raise invalid("A schedule must have at least one phase.", param="phases")
    current = schedule["current_phase"]
    given = wanted[0].get("start_date")
    if current is None:
        start = schedule["phases"][0]["start_date"] if given in {None, "now"} else int(given)
        schedule["phases"] = make_phases(account, wanted, start)
        account.store.put(schedule)
        return
    if given is not None and given != current["start_date"]:
        raise invalid("You can not modify the start date of the current phase.", param="phases[0][start_date]")
    past = [phase for phase in schedule["phases"] if phase["end_date"] <= current["start_date"]]
    schedule["phases"] = past + make_phases(account, wanted, current["start_date"])
    first = schedule["phases"][len(past)]
    now = account.now(schedule["test_clock"])
    active = next((phase for phase in schedule["phases"] if phase["start_date"] <= now < phase["end_date"]), first)
    if proration_behavior is not None:
        active["proration_behavior"] = proration_behavior
    running.apply_phase(account, schedule, active)


def release(call: Call) -> Record:
    """POST /v1/subscription_schedules/{id}/release: the subscription goes on without it"""
    schedule = call.fetch("subscription_schedule")
    _refuse_ended(schedule, "release")
    running.release(call.account, schedule)
    return schedule


def cancel(call: Call) -> Record:
    """POST /v1/subscription_schedules/{id}/cancel: with its subscription, at once"""
    account, schedule = call.account, call.fetch("subscription_schedule")
    _refuse_ended(schedule, "cancel")
    if schedule["subscription"] is None:
        schedule |= {"canceled_at": account.now(schedule["test_clock"]), "status": "canceled"}
        account.store.put(schedule)
        account.emit("subscription_schedule.canceled", schedule)
        return schedule
    cancel_at_once(
        account,
        account.fetch("subscription", schedule["subscription"]),
        prorate=call.params.get("prorate", True),
        bill_now=call.params.get("invoice_now", True),
    )
    return call.fetch("subscription_schedule")


def list_schedules(call: Call) -> Record:
    """GET /v1/subscription_schedules"""
    scheduled = call.params.get("scheduled")
    return list_records(
        call,
        "subscription_schedule",
        matches=lambda schedule: scheduled is None or (schedule["status"] == "not_started") == scheduled,
        scoped="customer" in call.params,
    )


def _refuse_ended(schedule: Record, verb: str) -> None:
    if schedule["status"] not in _RUNNING:
        raise invalid(
            f"You cannot {verb} a subscription schedule that is currently in the `{schedule['status']}` status."
        )


def _apply(call: Call, schedule: Record, customer: Record) -> None:
    params = call.params
    if "end_behavior" in params:
        schedule["end_behavior"] = params["end_behavior"]
    if "metadata" in params:
        schedule["metadata"] = merge_metadata(schedule["metadata"], params["metadata"])
    for name, value in params.get("default_settings", {}).items():
        if name == "invoice_settings":
            schedule["default_settings"]["invoice_settings"] |= value
        elif name != "automatic_tax":
            schedule["default_settings"][name] = value
    _check_sending(call.account, schedule, params, customer)


def _check_sending(account: Account, schedule: Record, params: Mapping[str, Any], customer: Record) -> None:
    defaults = schedule["default_settings"]
    for index, phase in enumerate(params.get("phases", [])):
        if phase.get("collection_method", defaults["collection_method"]) != "send_invoice":
            continue
        require_email(account, customer)
        settings = phase.get("invoice_settings") or defaults["invoice_settings"]
        if settings.get("days_until_due") is None:
            raise invalid(
                "You must pass `days_until_due` when `collection_method` is `send_invoice`.",
                code="parameter_missing",
                param=f"phases[{index}][invoice_settings][days_until_due]",
            )


def _blank(call: Call, customer: Record) -> Record:
    mode = "flexible" if api_version.flexible_by_default(call.version) else "classic"
    mode = call.params.get("billing_mode", {}).get("type", mode)
    schedule = call.account.new(
        "subscription_schedule",
        new_id("sub_sched"),
        on_clock=customer["test_clock"],
        application=None,
        billing_mode={"flexible": {"proration_discounts": "included"} if mode == "flexible" else None, "type": mode},
        canceled_at=None,
        completed_at=None,
        current_phase=None,
        customer=customer["id"],
        default_settings={
            "application_fee_percent": None,
            "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
            "billing_cycle_anchor": "automatic",
            "billing_thresholds": None,
            "collection_method": "charge_automatically",
            "default_payment_method": None,
            "description": None,
            "invoice_settings": {"account_tax_ids": None, "days_until_due": None, "issuer": {"type": "self"}},
            "on_behalf_of": None,
            "transfer_data": None,
        },
        end_behavior="release",
        metadata={},
        pause_schedules=[],
        phases=[],
        released_at=None,
        released_subscription=None,
        status="not_started",
        subscription=None,
        test_clock=customer["test_clock"],
    )
    return schedule | {"_version": call.version}


OPERATIONS = (
    Operation(
        "POST",
        "/v1/subscription_schedules",
        create,
        {
            **_SHARED,
            "phases": NEW_PHASES,
            "billing_mode": Hash(fields={"type": Choice(words=("classic", "flexible"), required=True)}),
            "customer": Text(),
            "from_subscription": Text(),
            "start_date": Moment(words=("now",)),
        },
    ),
    Operation(
        "GET",
        "/v1/subscription_schedules",
        list_schedules,
        {
            **PAGE,
            **CREATED,
            "canceled_at": Range(),
            "completed_at": Range(),
            "customer": Text(),
            "released_at": Range(),
            "scheduled": Boolean(),
        },
    ),
    Operation("GET", "/v1/subscription_schedules/{id}", lambda call: call.fetch("subscription_schedule")),
    Operation(
        "POST",
        "/v1/subscription_schedules/{id}",
        update,
        {**_SHARED, "proration_behavior": PRORATION_BEHAVIOR},
    ),
    Operation("POST", "/v1/subscription_schedules/{id}/release", release, {"preserve_cancel_date": Boolean()}),
    Operation(
        "POST",
        "/v1/subscription_schedules/{id}/cancel",
        cancel,
        {"invoice_now": Boolean(), "prorate": Boolean()},
    ),
)
