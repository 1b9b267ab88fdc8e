"""The tax ids of customers."""

from __future__ import annotations

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.customers.tax_id_formats import TYPES, country_of, is_valid
from sandbox.vendors.stripe.gateway.listing import PAGE, page
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid, no_such
from sandbox.vendors.stripe.wire.params import Choice, Fields, Text

TAX_ID: Fields = {"type": Choice(words=TYPES, required=True), "value": Text(required=True)}
_PER_CUSTOMER_MAX = 5
# Stripe's "Customer tax IDs", "Validation": magic values of test mode, after the letters of the country.
_VERIFICATIONS = {"000000000": "verified", "111111111": "unverified"}
_VERIFIED_TYPES = frozenset({"eu_vat", "gb_vat", "au_abn"})


def add_tax_id(account: Account, customer: Record, type_: str, value: str, *, param: str = "value") -> Record:
    """Return a stored tax id. Raises StripeError `tax_id_invalid` for a value that is none of its type."""
    if not is_valid(type_, value):
        raise invalid(f"Invalid value for {type_}.", code="tax_id_invalid", param=param)
    if len(account.store.scan("tax_id", customer=customer["id"])) >= _PER_CUSTOMER_MAX:
        raise invalid(f"Customers can have up to {_PER_CUSTOMER_MAX} tax IDs.", param=param)
    tax_id = account.new(
        "tax_id",
        new_id("txi"),
        on_clock=customer["test_clock"],
        country=country_of(type_, value),
        customer=customer["id"],
        customer_account=None,
        owner={"account": None, "application": None, "customer": customer["id"], "type": "customer"},
        type=type_,
        value=value,
        verification=_verification(type_, value),
    )
    account.store.put(tax_id)
    account.emit("customer.tax_id.created", tax_id)
    return tax_id


def tax_ids_of(account: Account, customer_id: str) -> list[Record]:
    """Return a customer's tax ids as an invoice prints them, oldest first."""
    found = reversed(account.store.scan("tax_id", customer=customer_id))
    return [{"type": each["type"], "value": each["value"]} for each in found]


def create(call: Call) -> Record:
    """POST /v1/customers/{id}/tax_ids"""
    return add_tax_id(call.account, call.fetch_live("customer"), call.params["type"], call.params["value"])


def retrieve(call: Call) -> Record:
    """GET /v1/customers/{id}/tax_ids/{tax_id}"""
    return _of_customer(call)


def delete(call: Call) -> Record:
    """DELETE /v1/customers/{id}/tax_ids/{tax_id}"""
    tax_id = _of_customer(call)
    call.account.emit("customer.tax_id.deleted", tax_id)
    call.account.store.remove("tax_id", tax_id["id"])
    return {"id": tax_id["id"], "object": "tax_id", "deleted": True}


def list_tax_ids(call: Call) -> Record:
    """GET /v1/customers/{id}/tax_ids"""
    customer = call.fetch_live("customer")
    return page(call, [dict(tax_id) for tax_id in call.account.store.scan("tax_id", customer=customer["id"])], "tax_id")


def _of_customer(call: Call) -> Record:
    customer = call.fetch_live("customer")
    tax_id = call.account.store.get("tax_id", call.path["tax_id"])
    if tax_id is None or tax_id["customer"] != customer["id"]:
        raise no_such("tax_id", call.path["tax_id"], status=404)
    return tax_id


def _verification(type_: str, value: str) -> Record | None:
    if type_ not in _VERIFIED_TYPES:
        return {"status": "unavailable", "verified_address": None, "verified_name": None}
    status = _VERIFICATIONS.get(value.strip()[2:], "pending")
    return {"status": status, "verified_address": None, "verified_name": None}


OPERATIONS = (
    Operation("POST", "/v1/customers/{id}/tax_ids", create, TAX_ID),
    Operation("GET", "/v1/customers/{id}/tax_ids", list_tax_ids, PAGE),
    Operation("GET", "/v1/customers/{id}/tax_ids/{tax_id}", retrieve),
    Operation("DELETE", "/v1/customers/{id}/tax_ids/{tax_id}", delete),
)
