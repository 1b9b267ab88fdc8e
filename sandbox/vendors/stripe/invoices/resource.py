"""The invoice operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.stripe.catalogue.coupons import DISCOUNTS, make_discounts
from sandbox.vendors.stripe.catalogue.tax_rates import TAX_RATES, usable_tax_rates
from sandbox.vendors.stripe.customers import payment_methods
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, list_records, page
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.invoices import lifecycle as invoice_lifecycle
from sandbox.vendors.stripe.invoices.drafts import DRAFT_S, draft_invoice, pending_items, subscription_of
from sandbox.vendors.stripe.invoices.sending import require_email
from sandbox.vendors.stripe.invoices.totals import calculate
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import (
    Boolean,
    Choice,
    Currency,
    Hash,
    Integer,
    Metadata,
    Param,
    Range,
    Text,
    merge_metadata,
)

COLLECTION_METHOD = Choice(words=("charge_automatically", "send_invoice"))
AUTOMATIC_TAX = Hash(fields={"enabled": Choice(words=("false",), required=True)})
_CHANGEABLE: dict[str, Param] = {
    "auto_advance": Boolean(),
    "automatic_tax": AUTOMATIC_TAX,
    "collection_method": COLLECTION_METHOD,
    "days_until_due": Integer(minimum=0),
    "default_payment_method": Text(),
    "default_tax_rates": TAX_RATES,
    "description": Text(unset=True),
    "discounts": DISCOUNTS,
    "due_date": Integer(minimum=0),
    "footer": Text(unset=True),
    "metadata": Metadata(),
}
_AFTER_FINALIZATION = {"auto_advance", "default_payment_method", "expand", "metadata"}


def create(call: Call) -> Record:
    """POST /v1/invoices: a draft, with the customer's pending invoice items when asked for"""
    account, params = call.account, call.params
    subscription = None
    if "subscription" in params:
        subscription = account.fetch("subscription", params["subscription"], param="subscription")
        account.count_new_invoice(subscription["id"])
    customer_id = params.get("customer") or (subscription or {}).get("customer")
    if customer_id is None:
        raise invalid("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = account.fetch_live("customer", customer_id, param="customer")
    if subscription is not None and subscription["customer"] != customer_id:
        raise invalid("The subscription does not belong to the customer.", param="subscription")
    currency = params.get("currency") or (subscription or customer)["currency"] or "usd"
    items = []
    if params.get("pending_invoice_items_behavior", "exclude") == "include" or subscription is not None:
        wanted = subscription["id"] if subscription is not None else None
        items = [
            item
            for item in pending_items(account, customer_id, currency, wanted)
            if subscription is None or item["parent"] is not None
        ]
    return draft_invoice(
        account,
        customer,
        currency=currency,
        billing_reason="manual" if subscription is None else "subscription_update",
        lines=[],
        invoice_items=items,
        subscription=subscription,
        fields=_fields(call, customer, collection_method="charge_automatically", currency=currency),
    )


def update(call: Call) -> Record:
    """POST /v1/invoices/{id}: after finalization nothing that has to do with money"""
    account = call.account
    invoice = call.fetch("invoice")
    before = call.account.shown(invoice)
    if invoice["status"] != "draft" and (locked := set(call.params) - _AFTER_FINALIZATION):
        raise invalid(
            f"Finalized invoices can't be updated in this way: {', '.join(sorted(locked))}.",
            code="invoice_not_editable",
        )
    customer = account.fetch_live("customer", invoice["customer"])
    invoice |= _fields(
        call, customer, collection_method=invoice["collection_method"], currency=invoice["currency"], invoice=invoice
    )
    if invoice["status"] == "draft":
        calculate(account, invoice)
    account.store.put(invoice)
    account.emit_update("invoice.updated", before, invoice)
    return invoice


def delete(call: Call) -> Record:
    """DELETE /v1/invoices/{id}: a draft that no subscription made; its invoice items are pending again"""
    account, invoice = call.account, call.fetch("invoice")
    if invoice["status"] != "draft" or subscription_of(invoice) is not None:
        raise invalid("You can only delete draft invoices that were not created by a subscription; void this one.")
    for item in account.store.scan("invoiceitem", invoice=invoice["id"]):
        account.store.put(dict(item) | {"invoice": None})
    account.emit("invoice.deleted", invoice)
    account.store.remove("invoice", invoice["id"])
    return {"id": invoice["id"], "object": "invoice", "deleted": True}


def finalize(call: Call) -> Record:
    """POST /v1/invoices/{id}/finalize: with auto_advance, payment is tried an hour later"""
    account, invoice = call.account, call.fetch("invoice")
    invoice["auto_advance"] = call.params.get("auto_advance", invoice["auto_advance"])
    finalized = invoice_lifecycle.finalize(account, invoice)
    charged = finalized["collection_method"] == "charge_automatically"
    if finalized["status"] == "open" and finalized["auto_advance"] and charged:
        finalized["next_payment_attempt"] = account.now(finalized["test_clock"]) + DRAFT_S
        account.store.put(finalized)
    return finalized


def pay(call: Call) -> Record:
    """POST /v1/invoices/{id}/pay: a draft is finalized first"""
    account, invoice, params = call.account, call.fetch("invoice"), call.params
    if invoice["status"] == "draft":
        invoice = finalize(Call(account, {}, call.path, call.url, call.version))
        if invoice["status"] == "paid":
            return invoice
    if invoice["status"] == "paid":
        raise invalid("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] == "void":
        raise invalid("You cannot pay a voided invoice.", code="invoice_not_open")
    if params.get("paid_out_of_band"):
        return invoice_lifecycle.mark_paid(account, invoice, out_of_band=True)
    chosen = params.get("payment_method")
    if chosen is not None:
        chosen = payment_methods.of_customer(account, chosen, invoice["customer"], param="payment_method")
    return invoice_lifecycle.collect(account, invoice, payment_method=chosen)


def send(call: Call) -> Record:
    """POST /v1/invoices/{id}/send: a draft is finalized first"""
    account, invoice = call.account, call.fetch("invoice")
    if invoice["collection_method"] != "send_invoice":
        raise invalid("You can only manually send an invoice if its collection method is 'send_invoice'.")
    if invoice["status"] == "draft":
        invoice = finalize(Call(account, {}, call.path, call.url, call.version))
    if invoice["status"] not in {"open", "paid"}:
        raise invalid(f"You cannot send an invoice that is {invoice['status']}.", code="invoice_not_open")
    account.emit("invoice.sent", invoice)
    return invoice


def list_invoices(call: Call) -> Record:
    """GET /v1/invoices"""
    wanted = call.params.get("subscription")
    return list_records(
        call,
        "invoice",
        matches=lambda invoice: wanted is None or subscription_of(invoice) == wanted,
        scoped="customer" in call.params or wanted is not None,
    )


def list_lines(call: Call) -> Record:
    """GET /v1/invoices/{id}/lines"""
    return page(call, call.fetch("invoice")["_lines"], "line_item")


def _fields(
    call: Call,
    customer: Record,
    *,
    collection_method: str,
    currency: str,
    invoice: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the invoice fields that the parameters set."""
    account, params = call.account, call.params
    fields: dict[str, Any] = {
        name: params[name] for name in ("auto_advance", "description", "footer") if name in params
    }
    if "metadata" in params:
        fields["metadata"] = merge_metadata((invoice or {}).get("metadata", {}), params["metadata"])
    if "default_payment_method" in params:
        fields["default_payment_method"] = payment_methods.of_customer(
            account, params["default_payment_method"], customer["id"], param="default_payment_method"
        )
    if "default_tax_rates" in params:
        fields["default_tax_rates"] = usable_tax_rates(account, params["default_tax_rates"], param="default_tax_rates")
    if "discounts" in params:
        owner = {"customer": customer["id"], "invoice": (invoice or {}).get("id")}
        at = account.now(customer["test_clock"])
        fields["discounts"] = make_discounts(
            account, params["discounts"], owner, at, param="discounts", currency=currency
        )
    return fields | _collection(call, customer, collection_method, invoice)


def _collection(call: Call, customer: Record, current: str, invoice: Mapping[str, Any] | None) -> dict[str, Any]:
    params = call.params
    method = params.get("collection_method", current)
    days, due = params.get("days_until_due"), params.get("due_date")
    if method == "charge_automatically" and not (days is None and due is None):
        raise invalid(
            "You can only set `days_until_due` or `due_date` if `collection_method` is `send_invoice`.",
            param="days_until_due" if due is None else "due_date",
        )
    if days is not None and due is not None:
        raise invalid("You may only specify one of these parameters: days_until_due, due_date.", param="due_date")
    has_due = invoice is not None and invoice["due_date"] is not None
    if method == "send_invoice" and days is None and due is None and not has_due:
        raise invalid(
            "If `collection_method` is `send_invoice`, you must pass `days_until_due` or `due_date`.",
            code="parameter_missing",
            param="days_until_due",
        )
    if method == "send_invoice" and (invoice is None or invoice["collection_method"] != method):
        require_email(call.account, customer)
    fields: dict[str, Any] = {"collection_method": method}
    if method == "charge_automatically":
        fields |= {"_days_until_due": None, "due_date": None}
    if days is not None:
        fields |= {"_days_until_due": days, "due_date": call.account.now(customer["test_clock"]) + days * 86_400}
    if due is not None:
        fields |= {"_days_until_due": None, "due_date": due}
    if params.get("auto_advance") and (invoice is None or invoice["status"] == "draft"):
        fields["automatically_finalizes_at"] = call.account.now(customer["test_clock"]) + DRAFT_S
    elif params.get("auto_advance") is False:
        fields |= {"automatically_finalizes_at": None, "next_payment_attempt": None}
    return fields


def _void(call: Call) -> Record:
    return invoice_lifecycle.void(call.account, call.fetch("invoice"))


def _mark_uncollectible(call: Call) -> Record:
    return invoice_lifecycle.mark_uncollectible(call.account, call.fetch("invoice"))


OPERATIONS = (
    Operation(
        "POST",
        "/v1/invoices",
        create,
        {
            **_CHANGEABLE,
            "currency": Currency(),
            "customer": Text(),
            "pending_invoice_items_behavior": Choice(words=("exclude", "include")),
            "subscription": Text(),
        },
    ),
    Operation(
        "GET",
        "/v1/invoices",
        list_invoices,
        {
            **PAGE,
            **CREATED,
            "collection_method": COLLECTION_METHOD,
            "customer": Text(),
            "due_date": Range(),
            "status": Choice(words=("draft", "open", "paid", "uncollectible", "void")),
            "subscription": Text(),
        },
    ),
    Operation("GET", "/v1/invoices/{id}", lambda call: call.fetch("invoice")),
    Operation("POST", "/v1/invoices/{id}", update, _CHANGEABLE),
    Operation("DELETE", "/v1/invoices/{id}", delete),
    Operation("GET", "/v1/invoices/{id}/lines", list_lines, PAGE),
    Operation("POST", "/v1/invoices/{id}/finalize", finalize, {"auto_advance": Boolean()}),
    Operation(
        "POST",
        "/v1/invoices/{id}/pay",
        pay,
        {"off_session": Boolean(), "paid_out_of_band": Boolean(), "payment_method": Text()},
    ),
    Operation("POST", "/v1/invoices/{id}/send", send),
    Operation("POST", "/v1/invoices/{id}/void", _void),
    Operation("POST", "/v1/invoices/{id}/mark_uncollectible", _mark_uncollectible),
)
