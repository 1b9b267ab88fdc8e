"""The subscription operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.stripe import api_version, payment_methods, subscription_changes
from sandbox.stripe.account import Account
from sandbox.stripe.coupons import DISCOUNTS, make_discounts
from sandbox.stripe.customer_currencies import claim_currency
from sandbox.stripe.errors import invalid, no_such
from sandbox.stripe.invoice_sending import require_email
from sandbox.stripe.invoices import AUTOMATIC_TAX, COLLECTION_METHOD
from sandbox.stripe.listing import CREATED, PAGE, in_range, list_records
from sandbox.stripe.operation import Call, Operation
from sandbox.stripe.params import (
    Boolean,
    Choice,
    Either,
    Hash,
    Integer,
    Items,
    Metadata,
    Moment,
    Param,
    Range,
    Text,
    merge_metadata,
)
from sandbox.stripe.periods import boundary_before
from sandbox.stripe.presentation import items_of
from sandbox.stripe.proration import rest_of_period
from sandbox.stripe.store import Record, new_id
from sandbox.stripe.subscription_billing import charge_lines, draft, settle_first, trial_lines
from sandbox.stripe.subscription_cancelling import cancel_at_once, end_of_period, schedule_cancellation
from sandbox.stripe.subscription_items import ITEM, check_together, interval_of, new_item, start_period
from sandbox.stripe.subscription_states import ENDED
from sandbox.stripe.tax_rates import TAX_RATES, usable_tax_rates

PRORATION_BEHAVIOR = Choice(words=("create_prorations", "none", "always_invoice"))
PAYMENT_BEHAVIOR = Choice(words=("allow_incomplete", "default_incomplete", "error_if_incomplete"))
_CANCEL_AT_WORDS = ("min_period_end", "max_period_end")
_DETAILS = Hash(fields={"comment": Text(unset=True), "feedback": Text(unset=True)})
# On a subscription since 2026-06-24.dahlia: shown on each of its invoices.
CUSTOM_FIELD = Hash(fields={"name": Text(required=True, chars_max=40), "value": Text(required=True, chars_max=140)})
_SHARED: dict[str, Param] = {
    "automatic_tax": AUTOMATIC_TAX,
    "cancel_at": Moment(words=_CANCEL_AT_WORDS, unset=True),
    "cancel_at_period_end": Boolean(),
    "collection_method": COLLECTION_METHOD,
    "days_until_due": Integer(minimum=0),
    "default_payment_method": Text(),
    "default_tax_rates": TAX_RATES,
    "description": Text(unset=True, chars_max=500),
    "discounts": DISCOUNTS,
    "invoice_settings": Hash(fields={"custom_fields": Items(of=CUSTOM_FIELD, count_max=4)}),
    "metadata": Metadata(),
    "off_session": Boolean(),
    "payment_behavior": PAYMENT_BEHAVIOR,
    "proration_behavior": PRORATION_BEHAVIOR,
    "trial_end": Moment(words=("now",)),
}


def create(call: Call) -> Record:
    """POST /v1/subscriptions: with its first invoice, charged at once unless it is to be sent"""
    account, params = call.account, call.params
    customer = account.fetch_live("customer", params["customer"], param="customer")
    at = account.now(customer["test_clock"])
    subscription = _blank(call, customer, at)
    items = [new_item(account, wanted, subscription, f"items[{index}]") for index, wanted in enumerate(params["items"])]
    flexible = subscription["billing_mode"]["type"] == "flexible"
    subscription["currency"] = check_together(account, items, flexible=flexible)
    claim_currency(account, customer, subscription["currency"])
    _set_cycle(call, subscription, items, at)
    _apply(call, subscription, customer)
    for item in items:
        account.store.put(item)
    account.store.put(subscription)
    _set_cancellation(call, subscription)
    trial = subscription["trial_end"] is not None
    lines = trial_lines(account, subscription, items) if trial else _first_lines(call, subscription, items, at)
    invoice = draft(account, subscription, lines, "subscription_create")
    account.store.put(subscription)
    status = settle_first(account, subscription, invoice, params.get("payment_behavior", "allow_incomplete"))
    subscription["status"] = "trialing" if trial and status == "active" else status
    account.store.put(subscription)
    account.emit("customer.subscription.created", subscription)
    return subscription


def update(call: Call) -> Record:
    """POST /v1/subscriptions/{id}: only one of `items`, `billing_cycle_anchor` and `trial_end` moves money at a time"""
    account, params = call.account, call.params
    subscription = call.fetch("subscription")
    before = account.shown(subscription)
    if subscription["status"] in ENDED and set(params) - {"metadata", "cancellation_details", "expand"}:
        raise invalid("A canceled subscription can only update its cancellation_details and metadata.")
    customer = account.fetch_live("customer", subscription["customer"])
    _apply(call, subscription, customer)
    _set_cancellation(call, subscription)
    account.store.put(subscription)
    terms = subscription_changes.terms_of(account, params, subscription)
    if "items" in params:
        subscription_changes.change_items(account, subscription, params["items"], terms)
    trial_end, anchor = params.get("trial_end"), params.get("billing_cycle_anchor")
    anchor = anchor["type"] if isinstance(anchor, dict) else anchor
    if anchor == "now" or (trial_end == "now" and subscription["status"] == "trialing"):
        subscription_changes.restart_cycle(account, subscription, terms)
    elif isinstance(trial_end, int):
        subscription_changes.move_trial_end(account, subscription, trial_end, terms)
    # Collecting an invoice may have changed its status: the store knows.
    changed = account.fetch("subscription", subscription["id"])
    account.emit_update("customer.subscription.updated", before, changed)
    return changed


def cancel(call: Call) -> Record:
    """DELETE /v1/subscriptions/{id}"""
    subscription = call.fetch("subscription")
    if subscription["status"] in ENDED:
        raise no_such("subscription", subscription["id"], status=404)
    return cancel_at_once(
        call.account,
        subscription,
        prorate=call.params.get("prorate", False),
        bill_now=call.params.get("invoice_now", False),
        details=call.params.get("cancellation_details"),
    )


_ABOUT_ITEMS = {"price", "plan", "current_period_end", "current_period_start"}


def list_subscriptions(call: Call) -> Record:
    """GET /v1/subscriptions: without the cancelled ones unless they are asked for"""
    account, params = call.account, call.params
    status = params.get("status")
    filters = {name: value for name, value in params.items() if name not in {"status", "price", "plan"}}

    def matches(subscription: Mapping[str, Any]) -> bool:
        shown = {
            None: subscription["status"] != "canceled",
            "all": True,
            "ended": subscription["status"] in ENDED,
        }.get(status, subscription["status"] == status)
        return shown and _has_items(account, subscription, params)

    listed = Call(account, filters, call.path, call.url, call.version)
    return list_records(listed, "subscription", matches=matches, scoped=bool({"customer", "test_clock"} & set(params)))


def _has_items(account: Account, subscription: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    if not _ABOUT_ITEMS & params.keys():
        return True  # looking through all items for each subscription would be the most of a long list's work
    items = items_of(account.store, subscription["id"])
    for name in ("price", "plan"):
        if name in params and all(item["price"] != params[name] for item in items):
            return False
    return all(
        any(in_range(item[name], params[name]) for item in items)
        for name in ("current_period_end", "current_period_start")
        if name in params
    )


def _set_cycle(call: Call, subscription: Record, items: list[Record], at: int) -> None:
    params = call.params
    trial_end = params.get("trial_end")
    if "trial_period_days" in params:
        if trial_end is not None:
            raise invalid(
                "You may only specify one of these parameters: trial_end, trial_period_days.", param="trial_end"
            )
        trial_end = at + params["trial_period_days"] * 86_400
    anchor = params.get("billing_cycle_anchor")
    if isinstance(trial_end, int):
        if trial_end <= at:
            raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", param="trial_end")
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


def _first_lines(call: Call, subscription: Record, items: list[Record], at: int) -> list[Record]:
    """The lines of the first periods: the part up to the anchor, or nothing without proration, where they are short."""
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
    for item, line in zip(short, charge_lines(account, subscription, short), strict=True):
        # The discounts come off on the invoice, as they do for a whole period.
        undiscounted = item | {"discounts": []}
        amount = rest_of_period(account, subscription | {"discounts": []}, undiscounted, at)
        line |= {"amount": amount, "subtotal": amount}
        line["parent"]["subscription_item_details"]["proration"] = True
        lines.append(line)
    return lines


def _apply(call: Call, subscription: Record, customer: Record) -> None:
    account, params = call.account, call.params
    if "description" in params:
        subscription["description"] = params["description"]
    if "metadata" in params:
        subscription["metadata"] = merge_metadata(subscription["metadata"], params["metadata"])
    if "invoice_settings" in params:
        subscription["invoice_settings"] = subscription["invoice_settings"] | params["invoice_settings"]
    if "cancellation_details" in params:
        subscription["cancellation_details"] |= params["cancellation_details"]
    if "default_payment_method" in params:
        subscription["default_payment_method"] = payment_methods.of_customer(
            account, params["default_payment_method"], customer["id"], param="default_payment_method"
        )
    if "default_tax_rates" in params:
        rates = usable_tax_rates(account, params["default_tax_rates"], param="default_tax_rates")
        subscription["default_tax_rates"] = rates
    if "discounts" in params:
        owner = {"customer": customer["id"], "subscription": subscription["id"]}
        at = account.now(customer["test_clock"])
        subscription["discounts"] = make_discounts(
            account, params["discounts"], owner, at, param="discounts", currency=subscription["currency"]
        )
    _apply_collection(account, params, subscription, customer)


def _apply_collection(account: Account, params: Mapping[str, Any], subscription: Record, customer: Record) -> None:
    method = params.get("collection_method", subscription["collection_method"])
    days = params.get("days_until_due", subscription["days_until_due"])
    if method == "send_invoice" and days is None:
        raise invalid(
            "You must pass `days_until_due` when `collection_method` is `send_invoice`.",
            code="parameter_missing",
            param="days_until_due",
        )
    if method == "charge_automatically":
        if "days_until_due" in params:
            raise invalid(
                "You can only set `days_until_due` if `collection_method` is `send_invoice`.", param="days_until_due"
            )
        days = None
    elif subscription["collection_method"] != "send_invoice":
        require_email(account, customer)
    subscription["collection_method"], subscription["days_until_due"] = method, days


def _set_cancellation(call: Call, subscription: Record) -> None:
    account, params = call.account, call.params
    if "cancel_at" in params and "cancel_at_period_end" in params:
        raise invalid(
            "You may only specify one of these parameters: cancel_at, cancel_at_period_end.", param="cancel_at"
        )
    if "cancel_at_period_end" in params:
        wanted = params["cancel_at_period_end"]
        at = end_of_period(account, subscription) if wanted else None
        schedule_cancellation(account, subscription, at, period_end=wanted)
    elif "cancel_at" in params:
        ends = [item["current_period_end"] for item in items_of(account.store, subscription["id"])]
        words = {"min_period_end": min(ends), "max_period_end": max(ends)}
        at = words.get(params["cancel_at"], params["cancel_at"])
        if at is not None and at <= account.now(subscription["test_clock"]):
            raise invalid("cancel_at must be a timestamp in the future.", param="cancel_at")
        schedule_cancellation(account, subscription, at, period_end=False)


def _blank(call: Call, customer: Record, at: int) -> Record:
    default_mode = "flexible" if api_version.flexible_by_default(call.version) else "classic"
    mode = call.params.get("billing_mode", {}).get("type", default_mode)
    return call.account.new(
        "subscription",
        new_id("sub"),
        on_clock=customer["test_clock"],
        application=None,
        application_fee_percent=None,
        automatic_tax={"disabled_reason": None, "enabled": False, "liability": None},
        billing_cycle_anchor=at,
        billing_cycle_anchor_config=None,
        billing_mode={"flexible": {"proration_discounts": "included"} if mode == "flexible" else None, "type": mode},
        billing_schedules=[],
        billing_thresholds=None,
        cancel_at=None,
        cancel_at_period_end=False,
        canceled_at=None,
        cancellation_details={"comment": None, "feedback": None, "reason": None},
        collection_method="charge_automatically",
        currency="",
        customer=customer["id"],
        days_until_due=None,
        default_payment_method=None,
        default_source=None,
        default_tax_rates=[],
        description=None,
        discounts=[],
        ended_at=None,
        invoice_settings={"account_tax_ids": None, "custom_fields": None, "issuer": {"type": "self"}},
        latest_invoice=None,
        metadata={},
        next_pending_invoice_item_invoice=None,
        on_behalf_of=None,
        pause_collection=None,
        payment_settings={
            "payment_method_options": None, "payment_method_types": None, "save_default_payment_method": "off",
        },
        pending_invoice_item_interval=None,
        pending_setup_intent=None,
        pending_update=None,
        schedule=None,
        start_date=at,
        status="active",
        test_clock=customer["test_clock"],
        transfer_data=None,
        trial_end=None,
        trial_settings={"end_behavior": {"missing_payment_method": "create_invoice"}},
        trial_start=None,
    )  # fmt: skip


OPERATIONS = (
    Operation(
        "POST",
        "/v1/subscriptions",
        create,
        {
            **_SHARED,
            "billing_cycle_anchor": Integer(minimum=0),
            "billing_mode": Hash(fields={"type": Choice(words=("classic", "flexible"), required=True)}),
            "customer": Text(required=True),
            "items": Items(of=Hash(fields=ITEM), required=True),
            "trial_period_days": Integer(minimum=1, maximum=730),
        },
    ),
    Operation(
        "GET",
        "/v1/subscriptions",
        list_subscriptions,
        {
            **PAGE,
            **CREATED,
            "collection_method": COLLECTION_METHOD,
            "current_period_end": Range(),
            "current_period_start": Range(),
            "customer": Text(),
            "plan": Text(),
            "price": Text(),
            "status": Choice(
                words=(
                    "active", "all", "canceled", "ended", "incomplete", "incomplete_expired", "past_due", "paused",
                    "trialing", "unpaid",
                )
            ),
            "test_clock": Text(),
        },
    ),
    Operation("GET", "/v1/subscriptions/{id}", lambda call: call.fetch("subscription")),
    Operation(
        "POST",
        "/v1/subscriptions/{id}",
        update,
        {
            **_SHARED,
            "billing_cycle_anchor": Either(
                scalar=Choice(words=("now", "unchanged")),
                nested=Hash(fields={"type": Choice(words=("now", "unchanged"), required=True)}),
            ),
            "cancellation_details": _DETAILS,
            "items": Items(of=Hash(fields={**ITEM, "deleted": Boolean(), "id": Text()})),
            "proration_date": Integer(minimum=0),
        },
    ),
    Operation(
        "DELETE",
        "/v1/subscriptions/{id}",
        cancel,
        {"cancellation_details": _DETAILS, "invoice_now": Boolean(), "prorate": Boolean()},
    ),
)  # fmt: skip
