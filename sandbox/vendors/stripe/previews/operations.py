"""POST /v1/invoices/create_preview: the next invoice as it would be.

The change is made and time passes until there is an invoice, all of it in a dry run of which only the draft is kept. So
a preview and what happens later come from the same code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.billing_cycle import do_next_of_customer
from sandbox.vendors.stripe.catalogue.coupons import DISCOUNTS, make_discounts
from sandbox.vendors.stripe.catalogue.tax_rates import TAX_RATES
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.invoices.drafts import draft_invoice, pending_items, subscription_of
from sandbox.vendors.stripe.invoices.resource import AUTOMATIC_TAX
from sandbox.vendors.stripe.invoices.totals import calculate
from sandbox.vendors.stripe.previews.invoice_items import INVOICE_ITEMS, add_invoice_items
from sandbox.vendors.stripe.previews.temporary_customer import CUSTOMER_DETAILS, temporary_customer
from sandbox.vendors.stripe.schedules import operations as schedules
from sandbox.vendors.stripe.schedules.phases import PHASES, PRORATION_BEHAVIOR
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.subscription_operations import resource as subscriptions
from sandbox.vendors.stripe.subscriptions import changes as subscription_changes
from sandbox.vendors.stripe.subscriptions.billing import charge_lines
from sandbox.vendors.stripe.subscriptions.cancelling import cancel_at_once
from sandbox.vendors.stripe.subscriptions.items import ITEM
from sandbox.vendors.stripe.wire.errors import StripeError, invalid
from sandbox.vendors.stripe.wire.params import (
    Boolean,
    Choice,
    Currency,
    Hash,
    Integer,
    Items,
    Metadata,
    Moment,
    Text,
)
from sandbox.vendors.stripe.wire.presentation import items_of

# Far more than the phases and periods that can pass before a subscription is invoiced.
_STEPS_MAX = 50


def create_preview(call: Call) -> Record:
    """Return the invoice, which is stored nowhere.

    Raises StripeError 404 `invoice_upcoming_none` where none would come.
    """
    account = call.account
    with account.dry_run():
        invoice = _drawn(call)
    return _as_preview(invoice, call.params)


def _drawn(call: Call) -> Record:
    account, params = call.account, call.params
    subscription = _subscription(account, params)
    customer = _customer(account, params, subscription)
    known = {invoice["id"] for invoice in account.store.scan("invoice", customer=customer["id"])}
    currency = (subscription or {}).get("currency") or params.get("currency") or customer["currency"] or "usd"
    add_invoice_items(account, params.get("invoice_items", []), customer, currency, subscription)
    if "schedule" in params or "schedule_details" in params:
        _change_schedule(call, customer)
    elif subscription is not None:
        _change(call, subscription)
    elif "items" in params.get("subscription_details", {}):
        _begin(call, customer)
    else:
        _invoice_pending(account, customer, currency, params)
    invoice = _next_invoice(account, customer, known)
    if subscription is not None and subscription["collection_method"] == "charge_automatically":
        invoice |= {"collection_method": "charge_automatically", "due_date": None}
    if params.get("preview_mode") == "recurring":
        _leave_recurring(account, invoice)
    if "discounts" in params:
        owner = {"customer": customer["id"], "invoice": invoice["id"]}
        invoice["discounts"] = make_discounts(
            account, params["discounts"], owner, account.now(), param="discounts", currency=invoice["currency"]
        )
    calculate(account, invoice)
    return invoice


def _subscription(account: Account, params: Mapping[str, Any]) -> Record | None:
    if "subscription" in params:
        return account.fetch("subscription", params["subscription"], param="subscription")
    if "schedule" in params:
        schedule = account.fetch("subscription_schedule", params["schedule"], param="schedule")
        return account.store.get("subscription", schedule["subscription"] or "")
    return None


def _customer(account: Account, params: Mapping[str, Any], subscription: Record | None) -> Record:
    named = params.get("customer") or (subscription or {}).get("customer")
    if named is None and "schedule" in params:
        named = account.fetch("subscription_schedule", params["schedule"], param="schedule")["customer"]
    if named is None:
        if "customer_details" not in params:
            raise invalid(
                "You must specify at least one of customer, customer_details, subscription and schedule.",
                code="parameter_missing",
                param="customer",
            )
        return temporary_customer(account, params["customer_details"])
    if subscription is not None and subscription["customer"] != named:
        raise invalid("The subscription does not belong to the customer.", param="subscription")
    return account.fetch_live("customer", named, param="customer")


def _change(call: Call, subscription: Record) -> None:
    """Change the subscription as `subscription_details` says; what is invoiced at once stays a draft."""
    account, details = call.account, call.params.get("subscription_details", {})
    if subscription["status"] in {"canceled", "incomplete_expired"}:
        raise _no_upcoming(subscription["customer"])
    _change_terms(call, subscription, details)
    subscription = account.fetch("subscription", subscription["id"])
    collection = {name: subscription[name] for name in ("collection_method", "days_until_due")}
    # An invoice that is to be sent is only drafted, and that is all that a preview wants.
    subscription |= {"collection_method": "send_invoice", "days_until_due": 0}
    account.store.put(subscription)
    if details.get("cancel_now"):
        prorate = details.get("proration_behavior", "create_prorations") != "none"
        cancel_at_once(account, subscription, prorate=prorate, bill_now=True)
    else:
        _change_what_is_charged(account, subscription, details)
    account.store.put(account.fetch("subscription", subscription["id"]) | collection)


def _change_terms(call: Call, subscription: Record, details: Mapping[str, Any]) -> None:
    names = ("cancel_at", "cancel_at_period_end", "default_tax_rates", "metadata")
    terms = {name: details[name] for name in names if name in details}
    if terms:
        subscriptions.update(Call(call.account, terms, {"id": subscription["id"]}, call.url, call.version))


def _change_what_is_charged(account: Account, subscription: Record, details: Mapping[str, Any]) -> None:
    terms = subscription_changes.terms_of(account, details, subscription)
    if "items" in details:
        subscription_changes.change_items(
            account, subscription, details["items"], terms, param="subscription_details[items]"
        )
        subscription = account.fetch("subscription", subscription["id"])
    anchor = (details.get("billing_cycle_anchor") or {}).get("type")
    trial_end = details.get("trial_end")
    if anchor == "now" or (trial_end == "now" and subscription["status"] == "trialing"):
        subscription_changes.restart_cycle(account, subscription, terms)
    elif isinstance(trial_end, int):
        subscription_changes.move_trial_end(account, subscription, trial_end, terms)


def _begin(call: Call, customer: Record) -> None:
    """Begin the subscription that `subscription_details` describes; its first invoice stays a draft."""
    details = dict(call.params["subscription_details"])
    anchor = details.pop("billing_cycle_anchor", None)
    if anchor is not None and "timestamp" in anchor:
        details["billing_cycle_anchor"] = anchor["timestamp"]
    if "start_date" in details:
        details["backdate_start_date"] = details.pop("start_date")
    for name in ("cancel_now", "proration_date"):
        details.pop(name, None)
    if details.get("trial_end") == "now":
        details.pop("trial_end")
    subscriptions.begin(
        Call(call.account, {**details, "customer": customer["id"]}, {}, "/v1/subscriptions", call.version)
    )


def _change_schedule(call: Call, customer: Record) -> None:
    account, details = call.account, call.params.get("schedule_details", {})
    if "schedule" not in call.params:
        params = {**details, "customer": customer["id"]}
        params.pop("proration_behavior", None)
        start = (params.get("phases") or [{}])[0].get("start_date")
        params |= {} if start is None else {"start_date": start}
        schedules.create(Call(account, params, {}, "/v1/subscription_schedules", call.version))
        return
    schedule = account.fetch("subscription_schedule", call.params["schedule"])
    if "end_behavior" in details:
        schedule["end_behavior"] = details["end_behavior"]
        account.store.put(schedule)
    if "phases" in details:
        schedules.replace_phases(account, schedule, details["phases"], details.get("proration_behavior"))


def _invoice_pending(account: Account, customer: Record, currency: str, params: Mapping[str, Any]) -> None:
    """Without a subscription: an invoice of what is pending, unless a subscription of the customer takes it up."""
    if any(each["status"] not in {"canceled", "incomplete_expired"} for each in _subscriptions_of(account, customer)):
        return
    items = pending_items(account, customer["id"], currency, None)
    if items:
        draft_invoice(account, customer, currency=currency, billing_reason="manual", lines=[], invoice_items=items)
    elif "invoice_items" not in params:
        raise _no_upcoming(customer["id"])


def _subscriptions_of(account: Account, customer: Record) -> list[Mapping[str, Any]]:
    return account.store.scan("subscription", customer=customer["id"])


def _next_invoice(account: Account, customer: Record, known: set[str]) -> Record:
    """Return the first invoice of the customer that is not `known`, as time brings it."""
    for _ in range(_STEPS_MAX):
        new = [each for each in account.store.scan("invoice", customer=customer["id"]) if each["id"] not in known]
        if new:
            return account.fetch("invoice", new[-1]["id"])
        if not do_next_of_customer(account, customer):
            break
    raise _no_upcoming(customer["id"])


def _leave_recurring(account: Account, invoice: Record) -> None:
    """Leave only what every period costs."""
    subscription_id = subscription_of(invoice)
    if subscription_id is None:
        return
    subscription = account.fetch("subscription", subscription_id)
    lines = charge_lines(account, subscription, items_of(account.store, subscription_id))
    invoice["_lines"] = [line | {"invoice": invoice["id"]} for line in lines]


def _no_upcoming(customer_id: str) -> StripeError:
    return invalid(f"No upcoming invoices for customer: '{customer_id}'", code="invoice_upcoming_none", status=404)


def _as_preview(invoice: Record, params: Mapping[str, Any]) -> Record:
    details = (invoice["parent"] or {}).get("subscription_details")
    if details is not None:
        details["subscription_proration_date"] = params.get("subscription_details", {}).get("proration_date")
        if "subscription" not in params and "schedule" not in params:
            # What would only begin has no id yet; Stripe leaves it out.
            invoice["parent"] = None
    temporary = "customer" not in params and "subscription" not in params and "schedule" not in params
    lines = [line | {"id": new_id("il_tmp"), "invoice": None} for line in invoice["_lines"]]
    return invoice | {
        "id": new_id("upcoming_in"),
        "_lines": lines,
        "automatically_finalizes_at": None,
        "customer": None if temporary else invoice["customer"],
        "next_payment_attempt": invoice["automatically_finalizes_at"]
        if invoice["collection_method"] == "charge_automatically"
        else None,
    }


_DETAILS = Hash(
    fields={
        "billing_cycle_anchor": Hash(
            fields={
                "timestamp": Integer(minimum=0),
                "type": Choice(words=("now", "timestamp", "unchanged"), required=True),
            }
        ),
        "billing_mode": Hash(fields={"type": Choice(words=("classic", "flexible"), required=True)}),
        "cancel_at": Moment(words=("min_period_end", "max_period_end"), unset=True),
        "cancel_at_period_end": Boolean(),
        "cancel_now": Boolean(),
        "default_tax_rates": TAX_RATES,
        "items": Items(of=Hash(fields={**ITEM, "deleted": Boolean(), "id": Text()}), count_max=20),
        "metadata": Metadata(),
        "proration_behavior": PRORATION_BEHAVIOR,
        "proration_date": Integer(minimum=0),
        "start_date": Integer(minimum=0),
        "trial_end": Moment(words=("now",)),
    }
)
OPERATIONS = (
    Operation(
        "POST",
        "/v1/invoices/create_preview",
        create_preview,
        {
            "automatic_tax": AUTOMATIC_TAX,
            "currency": Currency(),
            "customer": Text(),
            "customer_details": Hash(fields=CUSTOMER_DETAILS),
            "discounts": DISCOUNTS,
            "invoice_items": Items(of=Hash(fields=INVOICE_ITEMS), count_max=250),
            "preview_mode": Choice(words=("next", "recurring")),
            "schedule": Text(),
            "schedule_details": Hash(
                fields={
                    "billing_mode": Hash(fields={"type": Choice(words=("classic", "flexible"), required=True)}),
                    "end_behavior": Choice(words=("cancel", "release")),
                    "phases": PHASES,
                    "proration_behavior": PRORATION_BEHAVIOR,
                }
            ),
            "subscription": Text(),
            "subscription_details": _DETAILS,
        },
    ),
)
