"""Payouts: what is available goes to the account's bank.

Source: Stripe's "Receive payouts" and its API reference, "Payouts". Nothing is paid out on its own: a test asks for the
automatic payout of everything available with `POST /_sandbox/payouts`, so that it knows when there is one.
"""

from __future__ import annotations

from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.currencies import payout_step
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.payments import ledger
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import StripeError, invalid
from sandbox.vendors.stripe.wire.params import Choice, Currency, Integer, Metadata, Range, Text, merge_metadata

_ARRIVES_AFTER_S = 2 * 86_400
_BANK_ACCOUNT = "ba_sandbox"


def make_payout(account: Account, amount: int, currency: str, **fields: Any) -> Record:
    """Return a stored payout that is on its way; it is told."""
    payout = account.new(
        "payout",
        new_id("po"),
        amount=amount,
        application_fee=None,
        application_fee_amount=None,
        arrival_date=account.now() + _ARRIVES_AFTER_S,
        automatic=False,
        balance_transaction=None,
        currency=currency,
        description=None,
        destination=_BANK_ACCOUNT,
        failure_balance_transaction=None,
        failure_code=None,
        failure_message=None,
        metadata={},
        method="standard",
        original_payout=None,
        reconciliation_status="not_applicable",
        reversed_by=None,
        source_type="card",
        statement_descriptor=None,
        status="pending",
        type="bank_account",
    )
    payout |= {"_fails": False} | fields
    booked = ledger.book(account, "payout", -amount, currency, payout["id"], description="STRIPE PAYOUT")
    account.store.put(booked | {"_payout": payout["id"] if payout["automatic"] else None})
    payout["balance_transaction"] = booked["id"]
    account.store.put(payout)
    account.emit("payout.created", payout)
    return payout


def pay_out_everything(account: Account, *, fails: bool = False) -> list[Record]:
    """Return the automatic payouts, one per currency, of all that is available; each knows its balance transactions."""
    payouts = []
    everything = account.store.scan("balance_transaction")
    for currency in sorted({transaction["currency"] for transaction in everything}):
        settled = [
            dict(transaction)
            for transaction in everything
            if transaction["currency"] == currency
            and transaction["status"] == "available"
            and transaction["_payout"] is None
        ]
        amount = ledger.available_in(account, currency)
        amount -= amount % payout_step(currency)
        if amount <= 0:
            continue
        payout = make_payout(
            account, amount, currency, automatic=True, reconciliation_status="in_progress", _fails=fails
        )
        for transaction in settled:
            account.store.put(transaction | {"_payout": payout["id"]})
        payouts.append(payout)
    return payouts


def arrive(account: Account, payout: Record, _: int) -> None:
    """Let a payout reach the bank, or come back from it; work that time does."""
    if payout["_fails"]:
        booked = ledger.book(
            account, "payout_failure", payout["amount"], payout["currency"], payout["id"], description="PAYOUT FAILURE"
        )
        payout |= {
            "failure_balance_transaction": booked["id"],
            "failure_code": "account_closed",
            "failure_message": "The bank account has been closed.",
            "status": "failed",
        }
        account.store.put(payout)
        account.emit("payout.failed", payout)
        return
    payout["status"] = "paid"
    if payout["automatic"]:
        payout["reconciliation_status"] = "completed"
    account.store.put(payout)
    account.emit("payout.paid", payout)
    if payout["automatic"]:
        account.emit("payout.reconciliation_completed", payout)


def create(call: Call) -> Record:
    """POST /v1/payouts: a manual one"""
    account, params = call.account, call.params
    amount, currency = params["amount"], params["currency"]
    if amount % payout_step(currency):
        raise invalid(
            f"Invalid amount: {amount}. Payouts in {currency.upper()} must be evenly divisible by "
            f"{payout_step(currency)}.",
            param="amount",
        )
    if amount > ledger.available_in(account, currency):
        raise StripeError(
            400,
            "invalid_request_error",
            "You have insufficient funds in your Stripe account for this transfer. Your card balance is too low. You "
            "can use the /v1/balance endpoint to view your Stripe balance (for more details, see "
            "stripe.com/docs/api#balance).",
            code="balance_insufficient",
        )
    return make_payout(
        account,
        amount,
        currency,
        description=params.get("description"),
        metadata=merge_metadata({}, params.get("metadata")),
        statement_descriptor=params.get("statement_descriptor"),
    )


def update(call: Call) -> Record:
    """POST /v1/payouts/{id}: metadata"""
    payout = call.fetch("payout")
    before = call.account.shown(payout)
    payout["metadata"] = merge_metadata(payout["metadata"], call.params.get("metadata", {}))
    call.account.store.put(payout)
    call.account.emit_update("payout.updated", before, payout)
    return payout


def cancel(call: Call) -> Record:
    """POST /v1/payouts/{id}/cancel: a manual one that is pending"""
    account, payout = call.account, call.fetch("payout")
    if payout["status"] != "pending" or payout["automatic"]:
        raise invalid(f"Payout {payout['id']} can't be canceled: it is {payout['status']}.", code="payouts_not_allowed")
    booked = ledger.book(account, "payout_cancel", payout["amount"], payout["currency"], payout["id"])
    payout |= {"status": "canceled", "failure_balance_transaction": booked["id"]}
    account.store.put(payout)
    account.emit("payout.canceled", payout)
    return payout


OPERATIONS = (
    Operation(
        "POST",
        "/v1/payouts",
        create,
        {
            "amount": Integer(required=True, minimum=1),
            "currency": Currency(required=True),
            "description": Text(),
            "metadata": Metadata(),
            "method": Choice(words=("standard",)),
            "statement_descriptor": Text(chars_max=22),
        },
    ),
    Operation(
        "GET",
        "/v1/payouts",
        lambda call: list_records(call, "payout"),
        {
            **PAGE,
            **CREATED,
            "arrival_date": Range(),
            "status": Choice(words=("canceled", "failed", "in_transit", "paid", "pending")),
        },
    ),
    Operation("GET", "/v1/payouts/{id}", lambda call: call.fetch("payout")),
    Operation("POST", "/v1/payouts/{id}", update, {"metadata": Metadata()}),
    Operation("POST", "/v1/payouts/{id}/cancel", cancel),
)
