"""Invoice items: what the next invoice, or a given draft, is to charge besides subscriptions."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.catalogue.amounts import check_not_too_large, check_step
from sandbox.vendors.stripe.catalogue.coupons import DISCOUNTS, make_discounts
from sandbox.vendors.stripe.catalogue.prices import ONE_TIME_DATA, decimal_text, inline_price, usable_price
from sandbox.vendors.stripe.catalogue.tax_rates import TAX_RATES, usable_tax_rates
from sandbox.vendors.stripe.customers.currencies import claim_currency
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.invoices.drafts import pricing, redraw, take_up
from sandbox.vendors.stripe.invoices.totals import calculate, line_amount
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import (
    Boolean,
    Currency,
    Hash,
    Integer,
    Metadata,
    Number,
    Param,
    Text,
    merge_metadata,
)

_PERIOD = Hash(fields={"end": Integer(required=True), "start": Integer(required=True)})
_CHANGEABLE: dict[str, Param] = {
    "amount": Integer(),
    "description": Text(unset=True),
    "discountable": Boolean(),
    "discounts": DISCOUNTS,
    "metadata": Metadata(),
    "period": _PERIOD,
    "price_data": Hash(fields=ONE_TIME_DATA),
    "pricing": Hash(fields={"price": Text(required=True)}),
    "quantity": Integer(minimum=0),
    "tax_rates": TAX_RATES,
    "unit_amount_decimal": Number(),
}


def make_invoice_item(account: Account, customer: Record, **fields: Any) -> Record:
    """Return a stored, pending invoice item that nobody has been told of."""
    at = account.now(customer["test_clock"])
    item: Record = {
        "id": new_id("ii"),
        "object": "invoiceitem",
        "amount": 0,
        "currency": "usd",
        "customer": customer["id"],
        "date": at,
        "description": None,
        "discountable": True,
        "discounts": [],
        "frozen_fields": [],
        "invoice": None,
        "livemode": account.settings.livemode,
        "metadata": {},
        "net_amount": None,
        "parent": None,
        "period": {"end": at, "start": at},
        "pricing": None,
        "proration": False,
        "proration_details": None,
        "quantity": 1,
        "quantity_decimal": "1",
        "tax_rates": [],
        "test_clock": customer["test_clock"],
    } | fields
    item["quantity_decimal"] = str(item["quantity"])
    account.store.put(item)
    return item


def create(call: Call) -> Record:
    """POST /v1/invoiceitems: for a draft, or pending until the next invoice"""
    account, params = call.account, call.params
    draft = _draft(account, params["invoice"]) if "invoice" in params else None
    customer_id = params.get("customer") or (draft or {}).get("customer")
    if customer_id is None:
        raise invalid("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = account.fetch_live("customer", customer_id, param="customer")
    if draft is not None and draft["customer"] != customer_id:
        raise invalid("The invoice does not belong to the customer.", param="invoice")
    item = make_invoice_item(
        account, customer, currency=params.get("currency") or (draft or customer)["currency"] or "usd"
    )
    if "subscription" in params:
        subscription = account.fetch("subscription", params["subscription"], param="subscription")
        item["parent"] = {
            "subscription_details": {"subscription": subscription["id"], "subscription_item": None},
            "type": "subscription_details",
        }
    _apply(call, item, creating=True)
    account.store.put(item)
    if draft is not None:
        before = account.shown(account.fetch("invoice", draft["id"]))
        take_up(account, draft, item)
        calculate(account, draft)
        account.store.put(draft)
        account.emit_update("invoice.updated", before, draft)
    else:
        claim_currency(account, customer, item["currency"], apart_from=item["id"])
    account.emit("invoiceitem.created", item)
    return item


def update(call: Call) -> Record:
    """POST /v1/invoiceitems/{id}: while it is pending or on a draft"""
    account, item = call.account, call.fetch("invoiceitem")
    before = account.shown(item)
    draft = _draft(account, item["invoice"]) if item["invoice"] else None
    _apply(call, item, creating=False)
    account.store.put(item)
    if draft is not None:
        redraw(account, draft, item, item["id"])
    account.emit_update("invoiceitem.updated", before, item)
    return item


def delete(call: Call) -> Record:
    """DELETE /v1/invoiceitems/{id}: while it is pending or on a draft"""
    account, item = call.account, call.fetch("invoiceitem")
    draft = _draft(account, item["invoice"]) if item["invoice"] else None
    account.emit("invoiceitem.deleted", item)
    account.store.remove("invoiceitem", item["id"])
    if draft is not None:
        redraw(account, draft, None, item["id"])
    return {"id": item["id"], "object": "invoiceitem", "deleted": True}


def list_invoice_items(call: Call) -> Record:
    """GET /v1/invoiceitems"""
    pending = call.params.get("pending")
    return list_records(
        call,
        "invoiceitem",
        matches=lambda item: pending is None or (item["invoice"] is None) == pending,
        scoped="customer" in call.params or "invoice" in call.params,
    )


def _draft(account: Account, invoice_id: str) -> Record:
    invoice = account.fetch("invoice", invoice_id, param="invoice")
    if invoice["status"] != "draft":
        raise invalid(
            f"The invoice {invoice_id} is not a draft any more; its items can't be changed.",
            code="invoice_not_editable",
        )
    return invoice


def _apply(call: Call, item: Record, *, creating: bool) -> None:
    account, params = call.account, call.params
    for name in ("description", "discountable", "period", "quantity"):
        if name in params:
            item[name] = params[name]
    item["quantity_decimal"] = str(item["quantity"])
    if "metadata" in params:
        item["metadata"] = merge_metadata(item["metadata"], params["metadata"])
    if "tax_rates" in params:
        item["tax_rates"] = usable_tax_rates(account, params["tax_rates"], param="tax_rates")
    _set_amount(account, params, item, creating=creating)
    if "discounts" in params:
        owner = {"customer": item["customer"], "invoice_item": item["id"]}
        at = account.now(item["test_clock"])
        item["discounts"] = make_discounts(
            account, params["discounts"], owner, at, param="discounts", currency=item["currency"]
        )


def _set_amount(account: Account, params: Mapping[str, Any], item: Record, *, creating: bool) -> None:
    ways = [name for name in ("amount", "price_data", "pricing", "unit_amount_decimal") if name in params]
    if len(ways) > 1:
        raise invalid(f"You may only specify one of these parameters: {', '.join(ways)}.", param=ways[1])
    if not ways:
        if creating:
            raise invalid("Missing required param: amount.", code="parameter_missing", param="amount")
        if "quantity" in params and item["pricing"] is not None:
            item["amount"] = line_amount(item["pricing"]["unit_amount_decimal"], item["quantity"], item["currency"])
        return
    if ways == ["amount"]:
        if "quantity" in params:
            raise invalid("You may only specify one of these parameters: amount, quantity.", param="quantity")
        check_step(params["amount"], item["currency"], param="amount")
        check_not_too_large(params["amount"], item["currency"], param="amount")
        unit = Decimal(params["amount"])
        item["pricing"] = {"price_details": None, "type": "price_details", "unit_amount_decimal": decimal_text(unit)}
        item["amount"] = params["amount"]
        return
    if ways == ["unit_amount_decimal"]:
        unit = params["unit_amount_decimal"]
        item["pricing"] = {"price_details": None, "type": "price_details", "unit_amount_decimal": decimal_text(unit)}
    else:
        price = (
            inline_price(account, params["price_data"])
            if ways == ["price_data"]
            else usable_price(account, params["pricing"]["price"], recurring=False, param="pricing[price]")
        )
        item["pricing"] = pricing(price)
        item["currency"] = price["currency"]
        product = account.fetch("product", price["product"])
        item["description"] = item["description"] or product["name"]
    item["amount"] = line_amount(item["pricing"]["unit_amount_decimal"], item["quantity"], item["currency"])


OPERATIONS = (
    Operation(
        "POST",
        "/v1/invoiceitems",
        create,
        {**_CHANGEABLE, "currency": Currency(), "customer": Text(), "invoice": Text(), "subscription": Text()},
    ),
    Operation(
        "GET",
        "/v1/invoiceitems",
        list_invoice_items,
        {**PAGE, **CREATED, "customer": Text(), "invoice": Text(), "pending": Boolean()},
    ),
    Operation("GET", "/v1/invoiceitems/{id}", lambda call: call.fetch("invoiceitem")),
    Operation("POST", "/v1/invoiceitems/{id}", update, _CHANGEABLE),
    Operation("DELETE", "/v1/invoiceitems/{id}", delete),
)
