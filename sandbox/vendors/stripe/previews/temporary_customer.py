"""A customer who is described in a preview and does not exist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.customers import resource as customers
from sandbox.vendors.stripe.customers.tax_ids import TAX_ID
from sandbox.vendors.stripe.gateway.operation import Call
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.wire.params import Choice, Fields, Hash, Items, Text

CUSTOMER_DETAILS: Fields = {
    "address": Hash(fields=customers.ADDRESS, unset=True),
    "shipping": Hash(
        fields={"address": Hash(fields=customers.ADDRESS, required=True), "name": Text(required=True), "phone": Text()},
        unset=True,
    ),
    "tax_exempt": Choice(words=("none", "exempt", "reverse"), unset=True),
    "tax_ids": Items(of=Hash(fields=TAX_ID)),
}


def temporary_customer(account: Account, details: Mapping[str, Any]) -> Record:
    """Return a customer with those details, for the rest of the dry run."""
    params = {name: value for name, value in details.items() if name != "tax_ids"}
    params["tax_id_data"] = details.get("tax_ids", [])
    return customers.create(Call(account, params))
