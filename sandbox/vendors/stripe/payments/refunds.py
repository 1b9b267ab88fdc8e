"""Refunds of charges.

Source: Stripe's API reference, "Refunds", and "Testing", "Refunds": two test cards whose refunds succeed or fail later.
"""

from __future__ import annotations

from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.catalogue.amounts import check_step
from sandbox.vendors.stripe.currencies import major_text
from sandbox.vendors.stripe.customers.test_cards import CARDS
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.payments import ledger
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import Choice, Integer, Metadata, Text, merge_metadata

# How long the test card's bank takes; Stripe only says "later".
_SETTLES_AFTER_S = 3_600


def refund_charge(account: Account, charge: Record, amount: int | None = None, **fields: Any) -> Record:
    """Give back a charge, or a part of it.

    Raises StripeError for a charge that did not succeed, is refunded or disputed, or for more than is left of it.
    """
    left = charge["amount_captured"] - charge["amount_refunded"]
    _check(charge, amount, left)
    given = left if amount is None else amount
    check_step(given, charge["currency"], param="amount")
    manner = CARDS[charge["_card"]].refund
    refund = account.new(
        "refund",
        new_id("re"),
        on_clock=charge["_test_clock"],
        amount=given,
        balance_transaction=None,
        charge=charge["id"],
        currency=charge["currency"],
        destination_details={
            "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"},
            "type": "card",
        },
        metadata={},
        payment_intent=charge["payment_intent"],
        reason=None,
        receipt_number=None,
        source_transfer_reversal=None,
        status="pending" if manner == "pending" else "succeeded",
        transfer_reversal=None,
    )
    refund.pop("livemode")  # a refund has none
    refund |= {"_test_clock": charge["_test_clock"], "_becomes": None, "_settles_at": None} | fields
    if manner != "succeeded":
        refund["_becomes"] = {"pending": "succeeded", "fails": "failed"}[manner]
        refund["_settles_at"] = account.now(charge["_test_clock"]) + _SETTLES_AFTER_S
    booked = ledger.book(account, "refund", -given, charge["currency"], refund["id"], description="REFUND FOR CHARGE")
    refund["balance_transaction"] = booked["id"]
    account.store.put(refund)
    before = account.shown(account.fetch("charge", charge["id"]))
    charge["amount_refunded"] += given
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    account.store.put(charge)
    account.emit("refund.created", refund)
    account.emit_update("charge.refunded", before, charge)
    return refund


def _check(charge: Record, amount: int | None, left: int) -> None:
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise invalid(f"Charge {charge['id']} was not captured; only a successful charge can be refunded.")
    if charge["disputed"] and charge["_funds_withdrawn"]:
        raise invalid(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    if left <= 0:
        raise invalid(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if amount is not None and amount > left:
        shown = [major_text(str(each), charge["currency"]) for each in (amount, left)]
        raise invalid(
            f"Refund amount ({shown[0]}) is greater than unrefunded amount on charge ({shown[1]})", param="amount"
        )


def settle(account: Account, refund: Record, _: int) -> None:
    """Let a refund end as its test card has it; work that time does."""
    before = account.shown(refund)
    refund |= {"status": refund["_becomes"], "_becomes": None, "_settles_at": None}
    if refund["status"] == "failed":
        booked = ledger.book(
            account, "refund_failure", refund["amount"], refund["currency"], refund["id"], description="REFUND FAILURE"
        )
        refund |= {"failure_balance_transaction": booked["id"], "failure_reason": "expired_or_canceled_card"}
        charge = account.fetch("charge", refund["charge"])
        charge |= {"amount_refunded": charge["amount_refunded"] - refund["amount"], "refunded": False}
        account.store.put(charge)
    account.store.put(refund)
    account.emit_update("refund.updated", before, refund)
    if refund["status"] == "failed":
        account.emit("refund.failed", refund)


def create(call: Call) -> Record:
    """POST /v1/refunds, of a charge or of a payment intent's charge"""
    account, params = call.account, call.params
    if ("charge" in params) == ("payment_intent" in params):
        raise invalid("You must specify exactly one of charge and payment_intent.", param="charge")
    charge_id = params.get("charge")
    if charge_id is None:
        intent = account.fetch("payment_intent", params["payment_intent"], param="payment_intent")
        charge_id = intent["latest_charge"]
        if charge_id is None:
            raise invalid(
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
                param="payment_intent",
            )
    charge = account.fetch("charge", charge_id, param="charge")
    return refund_charge(
        account,
        charge,
        params.get("amount"),
        metadata=merge_metadata({}, params.get("metadata")),
        reason=params.get("reason"),
    )


def update(call: Call) -> Record:
    """POST /v1/refunds/{id}: metadata"""
    refund = call.fetch("refund")
    before = call.account.shown(refund)
    refund["metadata"] = merge_metadata(refund["metadata"], call.params.get("metadata", {}))
    call.account.store.put(refund)
    call.account.emit_update("refund.updated", before, refund)
    return refund


def cancel(call: Call) -> Record:
    """POST /v1/refunds/{id}/cancel: only one that waits for the customer, which no card's refund does"""
    refund = call.fetch("refund")
    raise invalid(f"Refund {refund['id']} can't be canceled: only a refund in requires_action can.")


OPERATIONS = (
    Operation(
        "POST",
        "/v1/refunds",
        create,
        {
            "amount": Integer(minimum=1),
            "charge": Text(),
            "metadata": Metadata(),
            "payment_intent": Text(),
            "reason": Choice(words=("duplicate", "fraudulent", "requested_by_customer")),
        },
    ),
    Operation(
        "GET",
        "/v1/refunds",
        lambda call: list_records(call, "refund", scoped=True),
        {**PAGE, **CREATED, "charge": Text(), "payment_intent": Text()},
    ),
    Operation("GET", "/v1/refunds/{id}", lambda call: call.fetch("refund")),
    Operation("POST", "/v1/refunds/{id}", update, {"metadata": Metadata()}),
    Operation("POST", "/v1/refunds/{id}/cancel", cancel),
)
