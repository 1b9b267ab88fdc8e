"""Credit notes on finalized invoices.

Source: Stripe's API reference, "Create a credit note": a credit note first reduces what remains due of its invoice
(`pre_payment_amount`); the excess (`post_payment_amount`) is refunded, credited to the customer's balance or credited
outside of Stripe, and the three together must equal it.
"""

from __future__ import annotations

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.customers.customer_balance import move_balance
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, list_records, page
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.invoices.credit_note_lines import LINES, credit_lines
from sandbox.vendors.stripe.invoices.lifecycle import reduce_due
from sandbox.vendors.stripe.invoices.totals import sum_taxes
from sandbox.vendors.stripe.payments.invoice_payments import charge_of_invoice
from sandbox.vendors.stripe.payments.refunds import refund_charge
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import Choice, Integer, Metadata, Param, Text, merge_metadata

_WAYS = ("credit_amount", "out_of_band_amount", "refund_amount")
_PARAMS: dict[str, Param] = {
    **{name: Integer(minimum=0) for name in _WAYS},
    "amount": Integer(minimum=1),
    "email_type": Choice(words=("credit_note", "none")),
    "invoice": Text(required=True),
    "lines": LINES,
    "memo": Text(),
    "metadata": Metadata(),
    "reason": Choice(words=("duplicate", "fraudulent", "order_change", "product_unsatisfactory")),
}


def _draw(call: Call) -> tuple[Record, Record]:
    """Return a credit note that is not stored, and its invoice.

    Raises StripeError when the invoice is not finalized, when too much is credited, or when the ways in which the
    excess is given back do not add up to it.
    """
    account, params = call.account, call.params
    invoice = account.fetch("invoice", params["invoice"], param="invoice")
    if invoice["status"] not in {"open", "paid", "uncollectible"}:
        raise invalid(
            f"Credit notes can only be created for finalized invoices; {invoice['id']} is {invoice['status']}.",
            param="invoice",
        )
    if ("amount" in params) == ("lines" in params):
        raise invalid("You must specify exactly one of `amount` and `lines`.", param="amount")
    lines = credit_lines(account, invoice, params.get("lines"), params.get("amount"))
    taxes = sum(tax["amount"] for line in lines for tax in line["taxes"])
    discounts = sum(line["discount_amount"] for line in lines)
    subtotal = sum(line["amount"] for line in lines)
    total = subtotal - discounts + taxes
    creditable = invoice["total"] - _credited(account, invoice)
    if not 0 < total <= creditable:
        raise invalid(
            f"The sum of credit amounts ({total}) must be positive and at most what is left to credit of the invoice "
            f"({creditable}).",
            param="amount" if "amount" in params else "lines",
        )
    pre_payment = min(total, invoice["amount_remaining"])
    post_payment = total - pre_payment
    ways = {name: params.get(name, 0) for name in _WAYS}
    if sum(ways.values()) != post_payment:
        raise invalid(
            f"The sum of credit amount, refund amount and out of band amount ({sum(ways.values())}) must equal the "
            f"post payment credit note amount ({post_payment}).",
            param="refund_amount" if "refund_amount" in params else "credit_amount",
        )
    credit_note = account.new(
        "credit_note",
        new_id("cn"),
        on_clock=invoice["test_clock"],
        amount=total,
        amount_shipping=0,
        currency=invoice["currency"],
        customer=invoice["customer"],
        customer_balance_transaction=None,
        discount_amount=discounts,
        discount_amounts=[entry for line in lines for entry in line["discount_amounts"]],
        effective_at=account.now(invoice["test_clock"]),
        invoice=invoice["id"],
        memo=params.get("memo"),
        metadata=merge_metadata({}, params.get("metadata")),
        number=f"{invoice['number']}-CN-{_issued(account, invoice) + 1:02d}",
        out_of_band_amount=ways["out_of_band_amount"] or None,
        pdf=f"https://invoice.sandbox.invalid/cn/{invoice['id']}/pdf",
        post_payment_amount=post_payment,
        pre_payment_amount=pre_payment,
        pretax_credit_amounts=[],
        reason=params.get("reason"),
        refunds=[],
        shipping_cost=None,
        status="issued",
        subtotal=subtotal,
        subtotal_excluding_tax=subtotal,
        total=total,
        total_excluding_tax=subtotal - discounts,
        total_taxes=sum_taxes(lines),
        type=_type(pre_payment, post_payment),
        voided_at=None,
    )
    credit_note["_lines"] = lines
    credit_note["_credit_amount"] = ways["credit_amount"]
    return credit_note, invoice


def create(call: Call) -> Record:
    """POST /v1/credit_notes"""
    account = call.account
    credit_note, invoice = _draw(call)
    if call.params.get("refund_amount"):
        charge = charge_of_invoice(account, invoice["id"])
        if charge is None:
            raise invalid(
                f"The invoice {invoice['id']} was not paid by a charge, so that nothing of it can be refunded.",
                param="refund_amount",
            )
        refund = refund_charge(account, charge, call.params["refund_amount"])
        shown = {"amount_refunded": refund["amount"], "payment_record_refund": None, "refund": refund["id"]}
        credit_note["refunds"] = [shown | {"type": "refund"}]
    account.store.put(credit_note)
    account.emit("credit_note.created", credit_note)
    if credit_note["post_payment_amount"]:
        before = account.shown(account.fetch("invoice", invoice["id"]))
        invoice["post_payment_credit_notes_amount"] += credit_note["post_payment_amount"]
        account.store.put(invoice)
        account.emit_update("invoice.updated", before, invoice)
    if credit_note["_credit_amount"]:
        _credit_balance(account, credit_note)
    if credit_note["pre_payment_amount"]:
        reduce_due(account, invoice, credit_note["pre_payment_amount"])
    return credit_note


def preview(call: Call) -> Record:
    """GET /v1/credit_notes/preview: the credit note as it would be"""
    return _draw(call)[0]


def update(call: Call) -> Record:
    """POST /v1/credit_notes/{id}: memo and metadata"""
    credit_note = call.fetch("credit_note")
    before = call.account.shown(credit_note)
    if "memo" in call.params:
        credit_note["memo"] = call.params["memo"]
    if "metadata" in call.params:
        credit_note["metadata"] = merge_metadata(credit_note["metadata"], call.params["metadata"])
    call.account.store.put(credit_note)
    call.account.emit_update("credit_note.updated", before, credit_note)
    return credit_note


def void(call: Call) -> Record:
    """POST /v1/credit_notes/{id}/void: only one that reduced what is still open"""
    account, credit_note = call.account, call.fetch("credit_note")
    invoice = account.fetch("invoice", credit_note["invoice"])
    if credit_note["status"] != "issued" or credit_note["post_payment_amount"] or invoice["status"] != "open":
        raise invalid("You can only void a pre-payment credit note that is issued, while its invoice is open.")
    credit_note["status"] = "void"
    credit_note["voided_at"] = account.now(invoice["test_clock"])
    account.store.put(credit_note)
    account.emit("credit_note.voided", credit_note)
    reduce_due(account, invoice, -credit_note["pre_payment_amount"])
    return credit_note


def list_lines(call: Call) -> Record:
    """GET /v1/credit_notes/{id}/lines"""
    return page(call, call.fetch("credit_note")["_lines"], "credit_note_line_item")


def _credited(account: Account, invoice: Record) -> int:
    return sum(note["total"] for note in _notes(account, invoice) if note["status"] == "issued")


def _issued(account: Account, invoice: Record) -> int:
    return len(_notes(account, invoice))


def _notes(account: Account, invoice: Record) -> list[Record]:
    return [dict(note) for note in account.store.scan("credit_note", invoice=invoice["id"])]


def _credit_balance(account: Account, credit_note: Record) -> None:
    customer = account.fetch_live("customer", credit_note["customer"])
    if customer["currency"] not in {None, credit_note["currency"]}:
        raise invalid(
            f"The customer's balance is in {customer['currency']}; the sandbox keeps none in "
            f"{credit_note['currency']}.",
            param="credit_amount",
        )
    moved = move_balance(
        account,
        customer,
        -credit_note["_credit_amount"],
        "credit_note",
        currency=credit_note["currency"],
        credit_note=credit_note["id"],
        invoice=credit_note["invoice"],
    )
    credit_note["customer_balance_transaction"] = moved and moved["id"]
    account.store.put(credit_note)


def _type(pre_payment: int, post_payment: int) -> str:
    if pre_payment and post_payment:
        return "mixed"
    return "pre_payment" if pre_payment else "post_payment"


OPERATIONS = (
    Operation("POST", "/v1/credit_notes", create, _PARAMS),
    Operation("GET", "/v1/credit_notes/preview", preview, _PARAMS),
    Operation(
        "GET",
        "/v1/credit_notes",
        lambda call: list_records(call, "credit_note"),
        {**PAGE, **CREATED, "customer": Text(), "invoice": Text()},
    ),
    Operation("GET", "/v1/credit_notes/{id}", lambda call: call.fetch("credit_note")),
    Operation("POST", "/v1/credit_notes/{id}", update, {"memo": Text(), "metadata": Metadata()}),
    Operation("GET", "/v1/credit_notes/{id}/lines", list_lines, PAGE),
    Operation("POST", "/v1/credit_notes/{id}/void", void),
)
