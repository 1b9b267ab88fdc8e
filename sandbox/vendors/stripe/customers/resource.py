"""Customers."""

from __future__ import annotations

import re
import secrets
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.customers import payment_methods
from sandbox.vendors.stripe.customers.customer_balance import move_balance
from sandbox.vendors.stripe.customers.tax_ids import TAX_ID, add_tax_id
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import (
    Choice,
    Email,
    Fields,
    Hash,
    Integer,
    Items,
    Metadata,
    Param,
    Text,
    merge_metadata,
)

ADDRESS: Fields = {name: Text(unset=True) for name in ("city", "country", "line1", "line2", "postal_code", "state")}
_TEXTS = ("business_name", "description", "individual_name", "name", "phone")
_WRITABLE: dict[str, Param] = {
    **{name: Text(unset=True) for name in _TEXTS},
    "address": Hash(fields=ADDRESS, unset=True),
    "balance": Integer(),
    "email": Email(unset=True, chars_max=512),
    "invoice_prefix": Text(),
    "invoice_settings": Hash(fields={"default_payment_method": Text(unset=True), "footer": Text(unset=True)}),
    "metadata": Metadata(),
    "next_invoice_sequence": Integer(minimum=1),
    "preferred_locales": Items(of=Text()),
    "shipping": Hash(
        fields={"address": Hash(fields=ADDRESS, required=True), "name": Text(required=True), "phone": Text()},
        unset=True,
    ),
    "tax_exempt": Choice(words=("none", "exempt", "reverse"), unset=True),
}
_ONLY_AT_CREATION: dict[str, Param] = {
    "payment_method": Text(),
    "tax_id_data": Items(of=Hash(fields=TAX_ID)),
    "test_clock": Text(),
}


def create(call: Call) -> Record:
    """POST /v1/customers"""
    account, params = call.account, call.params
    test_clock = params.get("test_clock")
    if test_clock is not None:
        account.fetch("test_helpers.test_clock", test_clock, param="test_clock")
    customer = account.new(
        "customer",
        new_id("cus", 14),
        on_clock=test_clock,
        address=None,
        balance=0,
        currency=None,
        default_source=None,
        delinquent=False,
        description=None,
        discount=None,
        email=None,
        invoice_prefix=secrets.token_hex(4).upper(),
        invoice_settings={
            "custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None,
        },
        metadata={},
        name=None,
        next_invoice_sequence=1,
        phone=None,
        preferred_locales=[],
        shipping=None,
        tax_exempt="none",
        test_clock=test_clock,
    )  # fmt: skip
    account.store.put(customer)
    if "payment_method" in params:
        payment_methods.attach(account, params["payment_method"], customer, param="payment_method")
    _apply(call, customer)
    account.store.put(customer)
    account.emit("customer.created", customer)
    _set_balance(call, customer, "initial")
    for index, given in enumerate(params.get("tax_id_data", [])):
        add_tax_id(account, customer, given["type"], given["value"], param=f"tax_id_data[{index}][value]")
    return customer


def update(call: Call) -> Record:
    """POST /v1/customers/{id}"""
    customer = call.fetch_live("customer")
    before = call.account.shown(customer)
    _apply(call, customer)
    call.account.store.put(customer)
    call.account.emit_update("customer.updated", before, customer)
    _set_balance(call, customer, "adjustment")
    return customer


def _apply(call: Call, customer: Record) -> None:
    for name, value in call.params.items():
        if name == "metadata":
            customer["metadata"] = merge_metadata(customer["metadata"], value)
        elif name == "invoice_settings":
            customer["invoice_settings"] |= value
            chosen = value.get("default_payment_method")
            if chosen is not None:
                customer["invoice_settings"]["default_payment_method"] = payment_methods.of_customer(
                    call.account, chosen, customer["id"], param="invoice_settings[default_payment_method]"
                )
        elif name == "address" and value is not None:
            # Parts that are not sent stay, as parameters do (assumed of parts).
            customer["address"] = dict.fromkeys(ADDRESS) | (customer["address"] or {}) | value
        elif name == "shipping" and value is not None:
            address = dict.fromkeys(ADDRESS) | value["address"]
            customer["shipping"] = {"phone": None} | value | {"address": address}
        elif name == "tax_exempt":
            customer["tax_exempt"] = value or "none"
        elif name in {"invoice_prefix", "next_invoice_sequence"}:
            _set_numbering(call.account, customer, name, value)
        elif name != "balance" and name in _WRITABLE:
            customer[name] = value


def _set_balance(call: Call, customer: Record, type_: str) -> None:
    change = call.params.get("balance", customer["balance"]) - customer["balance"]
    currency = customer["currency"]
    move_balance(call.account, customer, change, type_, currency=currency or "usd")
    if currency is None and customer["currency"] is not None:
        # A balance that is set on the customer takes the currency of the first invoice.
        customer["currency"] = None
        call.account.store.put(customer)


def _set_numbering(account: Account, customer: Record, name: str, value: Any) -> None:
    """Invoice numbers never repeat: a prefix belongs to one customer, and its sequence only grows."""
    if name == "next_invoice_sequence" and value < customer["next_invoice_sequence"]:
        raise invalid(
            f"next_invoice_sequence must be at least {customer['next_invoice_sequence']}, the next one in line.",
            param=name,
        )
    if name == "invoice_prefix":
        if not re.fullmatch(r"[A-Z0-9]{3,12}", value):
            raise invalid("invoice_prefix must be 3 to 12 uppercase letters or numbers.", param=name)
        others = (each for each in account.store.scan("customer") if each["id"] != customer["id"])
        if any(other.get("invoice_prefix") == value for other in others):
            raise invalid("invoice_prefix must be unique among your customers.", param=name)
    customer[name] = value


def list_customers(call: Call) -> Record:
    """GET /v1/customers"""
    return list_records(call, "customer", scoped="test_clock" in call.params)


OPERATIONS = (
    Operation("POST", "/v1/customers", create, {**_WRITABLE, **_ONLY_AT_CREATION}),
    Operation("GET", "/v1/customers", list_customers, {**PAGE, **CREATED, "email": Text(), "test_clock": Text()}),
    Operation("GET", "/v1/customers/{id}", lambda call: call.fetch("customer")),
    Operation("POST", "/v1/customers/{id}", update, _WRITABLE),
)
