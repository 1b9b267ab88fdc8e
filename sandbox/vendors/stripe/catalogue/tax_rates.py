"""Tax rates that are added to a price (`inclusive=false`)."""

from __future__ import annotations

from decimal import Decimal

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.catalogue.prices import decimal_text
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import Boolean, Items, Metadata, Number, Param, Text, merge_metadata

_TEXTS = ("country", "description", "jurisdiction", "state", "tax_type")
_CHANGEABLE: dict[str, Param] = {
    **{name: Text(unset=True) for name in _TEXTS},
    "active": Boolean(),
    "metadata": Metadata(),
}
# The `tax_rates` and `default_tax_rates` parameters.
TAX_RATES = Items(of=Text(), count_max=5, unset=True)


def create(call: Call) -> Record:
    """POST /v1/tax_rates"""
    account, params = call.account, call.params
    if params["inclusive"]:
        raise invalid("The sandbox does not simulate inclusive tax rates; use inclusive=false.", param="inclusive")
    percentage = decimal_text(params["percentage"])
    tax_rate = account.new(
        "tax_rate",
        new_id("txr"),
        active=True,
        country=None,
        description=None,
        display_name=params["display_name"],
        effective_percentage=percentage,
        flat_amount=None,
        inclusive=False,
        jurisdiction=None,
        jurisdiction_level=None,
        metadata={},
        percentage=percentage,
        rate_type="percentage",
        state=None,
        tax_type=None,
    )
    _apply(call, tax_rate)
    account.store.put(tax_rate)
    account.emit("tax_rate.created", tax_rate)
    return tax_rate


def update(call: Call) -> Record:
    """POST /v1/tax_rates/{id}: the percentage of a tax rate never changes"""
    tax_rate = call.fetch("tax_rate")
    before = call.account.shown(tax_rate)
    _apply(call, tax_rate)
    call.account.store.put(tax_rate)
    call.account.emit_update("tax_rate.updated", before, tax_rate)
    return tax_rate


def _apply(call: Call, tax_rate: Record) -> None:
    for name, value in call.params.items():
        if name == "metadata":
            tax_rate["metadata"] = merge_metadata(tax_rate["metadata"], value)
        elif name in {*_CHANGEABLE, "display_name"}:
            tax_rate[name] = value


def usable_tax_rates(account: Account, ids: list[str] | None, *, param: str) -> list[str]:
    """Return the ids, checked. Raises StripeError for one that is missing or archived."""
    for index, tax_rate_id in enumerate(ids or []):
        if not account.fetch("tax_rate", tax_rate_id, param=f"{param}[{index}]")["active"]:
            raise invalid(f"The tax rate {tax_rate_id} is archived.", param=f"{param}[{index}]")
    return list(ids or [])


OPERATIONS = (
    Operation(
        "POST",
        "/v1/tax_rates",
        create,
        {
            **_CHANGEABLE,
            "display_name": Text(required=True, chars_max=50),
            "inclusive": Boolean(required=True),
            "percentage": Number(required=True, minimum=Decimal(0), maximum=Decimal(100)),
        },
    ),
    Operation(
        "GET",
        "/v1/tax_rates",
        lambda call: list_records(call, "tax_rate"),
        {**PAGE, **CREATED, "active": Boolean(), "inclusive": Boolean()},
    ),
    Operation("GET", "/v1/tax_rates/{id}", lambda call: call.fetch("tax_rate")),
    Operation("POST", "/v1/tax_rates/{id}", update, {**_CHANGEABLE, "display_name": Text(chars_max=50)}),
)
