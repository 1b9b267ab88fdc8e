"""How invoices are paid: each has an invoice payment, which names the payment intent behind it.

Source: Stripe's changelog 2025-03-31.basil ("Adds support for multiple partial payments on invoices"): an invoice names
no payment intent and no charge any more, `GET /v1/invoice_payments?invoice=` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.gateway.listing import PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.payments.intents import cancel_intent, make_intent, pay_intent
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import StripeError
from sandbox.vendors.stripe.wire.params import Choice, Hash, Text


def ask_for_payment(account: Account, invoice: Record, customer: Record, payment_method: str | None) -> None:
    """Give a finalized invoice its payment intent."""
    intent = make_intent(
        account,
        customer,
        invoice["amount_due"],
        invoice["currency"],
        description=f"Payment for Invoice {invoice['number']}",
        payment_method=payment_method,
        _invoice=invoice["id"],
    )
    payment = account.new(
        "invoice_payment",
        new_id("inpay"),
        on_clock=invoice["test_clock"],
        amount_paid=None,
        amount_requested=invoice["amount_due"],
        currency=invoice["currency"],
        invoice=invoice["id"],
        is_default=True,
        payment={"payment_intent": intent["id"], "type": "payment_intent"},
        status="open",
        status_transitions={"canceled_at": None, "paid_at": None},
    )
    account.store.put(payment)


def charge_for_invoice(account: Account, invoice: Record, payment_method: str) -> StripeError | None:
    """Charge what an open invoice has due to a card; the answer is the 402, after the attempt was noted."""
    payment, intent = _open_of(account, invoice["id"])
    intent["amount"] = payment["amount_requested"] = invoice["amount_remaining"]
    account.store.put(payment)
    return pay_intent(account, intent, payment_method)


def note_paid(account: Account, invoice: Record, amount: int) -> None:
    """Mark the payment of an invoice that was charged as made."""
    payment = _default_of(account, invoice["id"])
    if payment is None or payment["status"] != "open":
        return
    payment |= {"amount_paid": amount, "status": "paid"}
    payment["status_transitions"]["paid_at"] = account.now(invoice["test_clock"])
    account.store.put(payment)
    account.emit("invoice_payment.paid", payment)


def give_up(account: Account, invoice: Record, reason: str | None) -> None:
    """Cancel the payment intent of an invoice that is settled in another way, or voided."""
    payment = _default_of(account, invoice["id"])
    if payment is None or payment["status"] != "open":
        return
    payment["status"] = "canceled"
    payment["status_transitions"]["canceled_at"] = account.now(invoice["test_clock"])
    account.store.put(payment)
    cancel_intent(account, account.fetch("payment_intent", payment["payment"]["payment_intent"]), reason)


def charge_of_invoice(account: Account, invoice_id: str) -> Record | None:
    """Return the charge that paid an invoice; None when none did."""
    payment = _default_of(account, invoice_id)
    if payment is None or payment["status"] != "paid":
        return None
    intent = account.fetch("payment_intent", payment["payment"]["payment_intent"])
    return account.fetch("charge", intent["latest_charge"])


def _default_of(account: Account, invoice_id: str) -> Record | None:
    found = account.store.scan("invoice_payment", invoice=invoice_id)
    return account.fetch("invoice_payment", found[0]["id"]) if found else None


def _open_of(account: Account, invoice_id: str) -> tuple[Record, Record]:
    payment = _default_of(account, invoice_id)
    if payment is None:
        raise LookupError(f"{invoice_id} has no invoice payment")
    return payment, account.fetch("payment_intent", payment["payment"]["payment_intent"])


def list_payments(call: Call) -> Record:
    """GET /v1/invoice_payments"""
    wanted = call.params.get("payment", {})

    def matches(payment: Mapping[str, Any]) -> bool:
        return all(payment["payment"].get(name) == value for name, value in wanted.items())

    params = {name: value for name, value in call.params.items() if name != "payment"}
    return list_records(
        Call(call.account, params, call.path, call.url, call.version), "invoice_payment", matches=matches
    )


OPERATIONS = (
    Operation(
        "GET",
        "/v1/invoice_payments",
        list_payments,
        {
            **PAGE,
            "invoice": Text(),
            "payment": Hash(
                fields={"payment_intent": Text(), "type": Choice(words=("payment_intent",), required=True)}
            ),
            "status": Choice(words=("canceled", "open", "paid")),
        },
    ),
    Operation("GET", "/v1/invoice_payments/{id}", lambda call: call.fetch("invoice_payment")),
)
