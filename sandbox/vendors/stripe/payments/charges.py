"""Charges: attempts to take money from a card."""

from __future__ import annotations

from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.customers.test_cards import CARDS, Decline, TestCard
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.payments import disputes, ledger
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import StripeError
from sandbox.vendors.stripe.wire.params import Metadata, Text, merge_metadata

_BEHAVED_BADLY = Decline("card_declined", "generic_decline", "Your card was declined.")


def card_of(payment_method: Record) -> TestCard:
    """Return the test card behind a payment method."""
    return CARDS[payment_method["_card"]]


def charge_card(account: Account, intent: Record, payment_method: Record, *, capture: bool) -> Decline | None:
    """Ask the bank for the amount of an intent; the charge is stored and told, the intent is neither.

    The answer is why the bank declined. A customer whose metadata `sandbox_behaviour` is `decline` has no card that
    pays.
    """
    customer = account.store.get("customer", intent["customer"] or "") or {}
    behaviour = (customer.get("metadata") or {}).get("sandbox_behaviour")
    card = card_of(payment_method)
    decline = _BEHAVED_BADLY if behaviour == "decline" else card.decline
    charge = _blank(account, intent, payment_method)
    intent["latest_charge"] = charge["id"]
    if decline is not None:
        charge |= {
            "failure_code": decline.code,
            "failure_message": decline.message,
            "outcome": _outcome("issuer_declined", "declined_by_network", decline),
            "status": "failed",
        }
        account.store.put(charge)
        account.emit("charge.failed", charge)
        return decline
    charge |= {"paid": True, "outcome": _outcome("authorized", "approved_by_network", None)}
    account.store.put(charge)
    if capture:
        take(account, charge, intent["amount"])
    else:
        account.emit("charge.succeeded", charge)
    return None


def take(account: Account, charge: Record, amount: int) -> None:
    """Move the money of an authorized charge; a card made for it then disputes it."""
    later = charge["captured"] is False and charge["_authorized_only"]
    card = CARDS[charge["_card"]]
    charge |= {"captured": True, "amount_captured": amount, "_authorized_only": False}
    booked = ledger.book(
        account,
        "charge",
        amount,
        charge["currency"],
        charge["id"],
        fee=ledger.card_fee(amount),
        description=charge["description"],
        at_once=card.available_at_once,
    )
    charge["balance_transaction"] = booked["id"]
    charge["receipt_url"] = f"https://pay.sandbox.invalid/receipts/{charge['id']}"
    account.store.put(charge)
    account.emit("charge.captured" if later else "charge.succeeded", charge)
    if card.dispute is not None:
        disputes.open_dispute(account, charge, card.dispute)


def declined(decline: Decline, intent: Record, payment_method: Record, shown: Record) -> StripeError:
    """402: what the caller is told of a declined charge. `shown` is the intent as the answer shows it."""
    extra: dict[str, Any] = {
        "charge": intent["latest_charge"],
        "decline_code": decline.decline_code,
        "payment_intent": shown,
        "payment_method": {key: value for key, value in payment_method.items() if not key.startswith("_")},
    }
    return StripeError(402, "card_error", decline.message, code=decline.code, extra=extra)


def _blank(account: Account, intent: Record, payment_method: Record) -> Record:
    charge = account.new(
        "charge",
        new_id("ch"),
        on_clock=intent["_test_clock"],
        amount=intent["amount"],
        amount_captured=0,
        amount_refunded=0,
        application=None,
        application_fee=None,
        application_fee_amount=None,
        balance_transaction=None,
        billing_details=payment_method["billing_details"],
        calculated_statement_descriptor="QUOTEWAY SANDBOX",
        captured=False,
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        disputed=False,
        failure_balance_transaction=None,
        failure_code=None,
        failure_message=None,
        fraud_details={},
        metadata=dict(intent["metadata"]),
        on_behalf_of=None,
        outcome=None,
        paid=False,
        payment_intent=intent["id"],
        payment_method=payment_method["id"],
        payment_method_details={"card": _card_details(payment_method), "type": "card"},
        radar_options={},
        receipt_email=intent["receipt_email"],
        receipt_number=None,
        receipt_url=None,
        refunded=False,
        review=None,
        shipping=None,
        source_transfer=None,
        statement_descriptor=None,
        statement_descriptor_suffix=None,
        status="succeeded",
        transfer_data=None,
        transfer_group=None,
    )
    clock = {"_test_clock": intent["_test_clock"], "_card": payment_method["_card"]}
    return charge | clock | {"_authorized_only": intent["capture_method"] == "manual"}


def _card_details(payment_method: Record) -> Record:
    card = payment_method["card"]
    named = {
        name: card[name] for name in ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    }
    checks = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}
    return named | {
        "checks": checks,
        "installments": None,
        "mandate": None,
        "network": card["brand"],
        "three_d_secure": None,
        "wallet": None,
    }


def _outcome(type_: str, network: str, decline: Decline | None) -> Record:
    said = decline.message if decline else "Payment complete."
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": network,
        "reason": decline.decline_code if decline else None,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": said,
        "type": type_,
    }


def update(call: Call) -> Record:
    """POST /v1/charges/{id}: description and metadata"""
    charge = call.fetch("charge")
    before = call.account.shown(charge)
    if "description" in call.params:
        charge["description"] = call.params["description"]
    if "metadata" in call.params:
        charge["metadata"] = merge_metadata(charge["metadata"], call.params["metadata"])
    call.account.store.put(charge)
    call.account.emit_update("charge.updated", before, charge)
    return charge


OPERATIONS = (
    Operation(
        "GET",
        "/v1/charges",
        lambda call: list_records(call, "charge", scoped=bool({"customer", "payment_intent"} & set(call.params))),
        {**PAGE, **CREATED, "customer": Text(), "payment_intent": Text()},
    ),
    Operation("GET", "/v1/charges/{id}", lambda call: call.fetch("charge")),
    Operation("POST", "/v1/charges/{id}", update, {"description": Text(unset=True), "metadata": Metadata()}),
)
