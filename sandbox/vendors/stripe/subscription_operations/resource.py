"""The subscription operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.catalogue.coupons import DISCOUNTS, make_discounts
from sandbox.vendors.stripe.catalogue.tax_rates import TAX_RATES, usable_tax_rates
from sandbox.vendors.stripe.customers import payment_methods
from sandbox.vendors.stripe.customers.currencies import claim_currency
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, in_range, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.invoices.resource import AUTOMATIC_TAX, COLLECTION_METHOD
from sandbox.vendors.stripe.invoices.sending import require_email
from sandbox.vendors.stripe.new_subscriptions.blank import PAYMENT_SETTINGS, blank_subscription
from sandbox.vendors.stripe.new_subscriptions.cycle import first_lines, set_cycle
from sandbox.vendors.stripe.new_subscriptions.one_off_items import ONE_OFF_ITEMS, add_one_off_items
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.subscription_states import ENDED
from sandbox.vendors.stripe.subscriptions import changes as subscription_changes
from sandbox.vendors.stripe.subscriptions.billing import draft, settle_first
from sandbox.vendors.stripe.subscriptions.cancelling import (
    cancel_at_once,
    end_of_period,
    refuse_scheduled_cancellation,
    schedule_cancellation,
)
from sandbox.vendors.stripe.subscriptions.items import ITEM, check_together, new_item
from sandbox.vendors.stripe.wire.errors import invalid, no_such
from sandbox.vendors.stripe.wire.params import (
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
from sandbox.vendors.stripe.wire.presentation import items_of

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
    "payment_settings": PAYMENT_SETTINGS,
    "proration_behavior": PRORATION_BEHAVIOR,
    "trial_end": Moment(words=("now",)),
}


def create(call: Call) -> Record:
    """POST /v1/subscriptions: with its first invoice, charged at once unless it is to be sent"""
    account = call.account
    subscription, invoice = begin(call)
    status = settle_first(account, subscription, invoice, call.params.get("payment_behavior", "allow_incomplete"))
    trial = subscription["trial_end"] is not None
    subscription["status"] = "trialing" if trial and status == "active" else status
    account.store.put(subscription)
    account.emit("customer.subscription.created", subscription)
    return subscription


def begin(call: Call) -> tuple[Record, Record | None]:
    """Return a stored subscription that nobody has been told of, and the draft of its first invoice."""
    account, params = call.account, call.params
    customer = account.fetch_live("customer", params["customer"], param="customer")
    at = account.now(customer["test_clock"])
    subscription = blank_subscription(call, customer, at)
    items = [new_item(account, wanted, subscription, f"items[{index}]") for index, wanted in enumerate(params["items"])]
    flexible = subscription["billing_mode"]["type"] == "flexible"
    subscription["currency"] = check_together(account, items, flexible=flexible)
    claim_currency(account, customer, subscription["currency"])
    set_cycle(call, subscription, items, at)
    _apply(call, subscription, customer)
    for item in items:
        account.store.put(item)
    account.store.put(subscription)
    _set_cancellation(call, subscription)
    lines = first_lines(call, subscription, items, at)
    add_one_off_items(call, subscription, customer)
    invoice = draft(account, subscription, lines, "subscription_create")
    account.store.put(subscription)
    return subscription, invoice


def update(call: Call) -> Record:
    """POST /v1/subscriptions/{id}: only one of `items`, `billing_cycle_anchor` and `trial_end` moves money at a time"""
    account, params = call.account, call.params
    subscription = call.fetch("subscription")
    before = account.shown(subscription)
    if subscription["status"] in ENDED and set(params) - {"metadata", "cancellation_details", "expand"}:
        raise invalid("A canceled subscription can only update its cancellation_details and metadata.")
    refuse_scheduled_cancellation(subscription, params)
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
    if "payment_settings" in params:
        subscription["payment_settings"] |= params["payment_settings"]
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


OPERATIONS = (
    Operation(
        "POST",
        "/v1/subscriptions",
        create,
        {
            **_SHARED,
            "add_invoice_items": ONE_OFF_ITEMS,
            "backdate_start_date": Integer(minimum=0),
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
