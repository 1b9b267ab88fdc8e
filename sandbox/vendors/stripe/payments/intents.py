"""Payment intents: what is to be paid, and how far that has come.

Source: Stripe's "How PaymentIntents work": the statuses, and which operation each of them allows. Cards that ask for
authentication are declined here as they are for a payment without the customer (`authentication_required`).
"""

from __future__ import annotations

from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.catalogue.amounts import check_chargeable
from sandbox.vendors.stripe.customers import payment_methods
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.payments import charges
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import StripeError, invalid
from sandbox.vendors.stripe.wire.params import (
    Boolean,
    Choice,
    Currency,
    Hash,
    Integer,
    Metadata,
    Param,
    Text,
    merge_metadata,
)

_OPEN = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})
_REASONS = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")


def make_intent(account: Account, customer: Record | None, amount: int, currency: str, **fields: Any) -> Record:
    """Return a stored intent that nothing was paid of; it is told."""
    on_clock = (customer or {}).get("test_clock")
    intent_id = new_id("pi")
    intent = account.new(
        "payment_intent",
        intent_id,
        on_clock=on_clock,
        amount=amount,
        amount_capturable=0,
        amount_details={"tip": {}},
        amount_received=0,
        application=None,
        application_fee_amount=None,
        automatic_payment_methods=None,
        canceled_at=None,
        cancellation_reason=None,
        capture_method="automatic",
        client_secret=f"{intent_id}_secret_{new_id('x')[2:]}",
        confirmation_method="automatic",
        currency=currency,
        customer=(customer or {}).get("id"),
        description=None,
        last_payment_error=None,
        latest_charge=None,
        metadata={},
        next_action=None,
        on_behalf_of=None,
        payment_method=None,
        payment_method_configuration_details=None,
        payment_method_options={},
        payment_method_types=["card"],
        processing=None,
        receipt_email=None,
        review=None,
        setup_future_usage=None,
        shipping=None,
        statement_descriptor=None,
        statement_descriptor_suffix=None,
        status="requires_payment_method",
        transfer_data=None,
        transfer_group=None,
    )
    intent |= {"_test_clock": on_clock, "_invoice": None} | fields
    if intent["payment_method"] is not None:
        intent["status"] = "requires_confirmation"
    account.store.put(intent)
    account.emit("payment_intent.created", intent)
    return intent


def pay_intent(account: Account, intent: Record, payment_method_id: str) -> StripeError | None:
    """Charge a card for an intent. The answer is the 402 to tell, after the failure was noted."""
    payment_method = account.fetch("payment_method", payment_method_id, param="payment_method")
    manual = intent["capture_method"] == "manual"
    decline = charges.charge_card(account, intent, payment_method, capture=not manual)
    if decline is not None:
        intent |= {"status": "requires_payment_method", "payment_method": None}
        intent["last_payment_error"] = {
            "charge": intent["latest_charge"],
            "code": decline.code,
            "decline_code": decline.decline_code,
            "message": decline.message,
            "payment_method": account.shown(payment_method),
            "type": "card_error",
        }
        account.store.put(intent)
        account.emit("payment_intent.payment_failed", intent)
        return charges.declined(decline, intent, payment_method, account.shown(intent))
    intent |= {"payment_method": payment_method["id"], "last_payment_error": None}
    if manual:
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        account.store.put(intent)
        account.emit("payment_intent.amount_capturable_updated", intent)
    else:
        intent |= {"status": "succeeded", "amount_received": intent["amount"]}
        account.store.put(intent)
        account.emit("payment_intent.succeeded", intent)
    return None


def cancel_intent(account: Account, intent: Record, reason: str | None) -> Record:
    """Give up an intent that is not paid; nothing when it is settled already."""
    if intent["status"] not in _OPEN | {"requires_capture"}:
        return intent
    intent |= {
        "amount_capturable": 0,
        "canceled_at": account.now(intent["_test_clock"]),
        "cancellation_reason": reason,
        "status": "canceled",
    }
    account.store.put(intent)
    account.emit("payment_intent.canceled", intent)
    return intent


def create(call: Call) -> Record:
    """POST /v1/payment_intents, confirmed at once with `confirm`"""
    account, params = call.account, call.params
    check_chargeable(params["amount"], params["currency"])
    if params.get("off_session") and not params.get("confirm"):
        raise invalid("The parameter `off_session` can only be passed with `confirm=true`.", param="off_session")
    customer = None
    if "customer" in params:
        customer = account.fetch_live("customer", params["customer"], param="customer")
    intent = make_intent(
        account,
        customer,
        params["amount"],
        params["currency"],
        capture_method=params.get("capture_method", "automatic"),
        description=params.get("description"),
        metadata=merge_metadata({}, params.get("metadata")),
        payment_method=_usable(account, params, customer),
        receipt_email=params.get("receipt_email"),
    )
    return _confirmed(account, intent) if params.get("confirm") else intent


def update(call: Call) -> Record:
    """POST /v1/payment_intents/{id}: while it is not paid"""
    account, params, intent = call.account, call.params, call.fetch("payment_intent")
    if set(params) - {"description", "expand", "metadata"}:
        _refuse_unless(intent, _OPEN, "updated")
        _refuse_an_invoices(intent, "update")
    before = account.shown(intent)
    if "amount" in params:
        check_chargeable(params["amount"], intent["currency"])
        intent["amount"] = params["amount"]
    for name in ("description", "receipt_email"):
        if name in params:
            intent[name] = params[name]
    if "metadata" in params:
        intent["metadata"] = merge_metadata(intent["metadata"], params["metadata"])
    if "payment_method" in params:
        customer = account.store.get("customer", intent["customer"] or "")
        intent |= {"payment_method": _usable(account, params, customer), "status": "requires_confirmation"}
    account.store.put(intent)
    account.emit_update("payment_intent.updated", before, intent)
    return intent


def confirm(call: Call) -> Record:
    """POST /v1/payment_intents/{id}/confirm"""
    account, intent = call.account, call.fetch("payment_intent")
    _refuse_unless(intent, _OPEN, "confirmed")
    _refuse_an_invoices(intent, "confirm")
    if "payment_method" in call.params:
        customer = account.store.get("customer", intent["customer"] or "")
        intent["payment_method"] = _usable(account, call.params, customer)
    return _confirmed(account, intent)


def capture(call: Call) -> Record:
    """POST /v1/payment_intents/{id}/capture: all of the amount, or less of it"""
    account, intent = call.account, call.fetch("payment_intent")
    _refuse_unless(intent, frozenset({"requires_capture"}), "captured")
    amount = call.params.get("amount_to_capture", intent["amount_capturable"])
    if amount > intent["amount_capturable"]:
        raise invalid(
            f"The amount to capture ({amount}) must be at most the capturable amount ({intent['amount_capturable']}).",
            code="amount_too_large",
            param="amount_to_capture",
        )
    charge = account.fetch("charge", intent["latest_charge"])
    charges.take(account, charge, amount)
    intent |= {"amount_capturable": 0, "amount_received": amount, "status": "succeeded"}
    account.store.put(intent)
    account.emit("payment_intent.succeeded", intent)
    return intent


def cancel(call: Call) -> Record:
    """POST /v1/payment_intents/{id}/cancel"""
    intent = call.fetch("payment_intent")
    _refuse_unless(intent, _OPEN | {"requires_capture"}, "canceled")
    _refuse_an_invoices(intent, "cancel")
    return cancel_intent(call.account, intent, call.params.get("cancellation_reason"))


def _confirmed(account: Account, intent: Record) -> Record:
    if intent["payment_method"] is None:
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a "
            "payment method or ConfirmationToken.",
            code="payment_intent_unexpected_state",
        )
    refused = pay_intent(account, intent, intent["payment_method"])
    if refused is not None:
        refused.state_kept = True
        raise refused
    return intent


def _usable(account: Account, params: Any, customer: Record | None) -> str | None:
    wanted = params.get("payment_method")
    if wanted is None:
        return None
    if customer is None:
        return payment_methods.unattached(account, wanted, param="payment_method")
    return payment_methods.of_customer_or_test_card(account, wanted, customer, param="payment_method")


def _refuse_unless(intent: Record, statuses: frozenset[str], verb: str) -> None:
    if intent["status"] not in statuses:
        wanted = ", ".join(sorted(statuses))
        raise invalid(
            f"This PaymentIntent could not be {verb} because it has a status of {intent['status']}. Only a "
            f"PaymentIntent with one of the following statuses may be {verb}: {wanted}.",
            code="payment_intent_unexpected_state",
        )


def _refuse_an_invoices(intent: Record, verb: str) -> None:
    if intent["_invoice"] is not None:
        raise invalid(
            f"You cannot {verb} this PaymentIntent because it belongs to the invoice {intent['_invoice']}. Pay or void "
            "the invoice instead."
        )


_WRITABLE: dict[str, Param] = {
    "description": Text(unset=True),
    "metadata": Metadata(),
    "payment_method": Text(),
    "receipt_email": Text(unset=True),
}
OPERATIONS = (
    Operation(
        "POST",
        "/v1/payment_intents",
        create,
        {
            **_WRITABLE,
            "amount": Integer(required=True),
            "automatic_payment_methods": Hash(
                fields={"allow_redirects": Choice(words=("always", "never")), "enabled": Boolean(required=True)}
            ),
            "capture_method": Choice(words=("automatic", "automatic_async", "manual")),
            "confirm": Boolean(),
            "currency": Currency(required=True),
            "customer": Text(),
            "off_session": Boolean(),
        },
    ),
    Operation(
        "GET",
        "/v1/payment_intents",
        lambda call: list_records(call, "payment_intent", scoped="customer" in call.params),
        {**PAGE, **CREATED, "customer": Text()},
    ),
    Operation("GET", "/v1/payment_intents/{id}", lambda call: call.fetch("payment_intent")),
    Operation("POST", "/v1/payment_intents/{id}", update, {**_WRITABLE, "amount": Integer()}),
    Operation(
        "POST",
        "/v1/payment_intents/{id}/confirm",
        confirm,
        {"off_session": Boolean(), "payment_method": Text(), "return_url": Text()},
    ),
    Operation("POST", "/v1/payment_intents/{id}/capture", capture, {"amount_to_capture": Integer(minimum=1)}),
    Operation("POST", "/v1/payment_intents/{id}/cancel", cancel, {"cancellation_reason": Choice(words=_REASONS)}),
)
