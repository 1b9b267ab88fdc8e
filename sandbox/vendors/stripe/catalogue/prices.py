"""Prices, inline prices, and the plans that older integrations make of them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.catalogue import products
from sandbox.vendors.stripe.catalogue.amounts import check_step, too_large
from sandbox.vendors.stripe.currencies import amount_max
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import (
    Boolean,
    Choice,
    Currency,
    Fields,
    Hash,
    Integer,
    Items,
    Metadata,
    Number,
    Param,
    Text,
    merge_metadata,
)

INTERVALS = ("day", "week", "month", "year")
_AMOUNTS: dict[str, Param] = {
    "unit_amount": Integer(minimum=0),
    "unit_amount_decimal": Number(minimum=Decimal(0)),
}
_TAX_BEHAVIOR = Choice(words=("exclusive", "unspecified"))
RECURRING: Fields = {
    "interval": Choice(words=INTERVALS, required=True),
    "interval_count": Integer(minimum=1, maximum=156),
    "meter": Text(),
    "usage_type": Choice(words=("licensed", "metered")),
}
# `price_data` of an invoice item; that of a subscription item has `recurring` too.
ONE_TIME_DATA: dict[str, Param] = {
    **_AMOUNTS,
    "currency": Currency(required=True),
    "product": Text(required=True),
    "tax_behavior": _TAX_BEHAVIOR,
}
# An inline price is licensed: Stripe takes `usage_type` and `meter` only for a price that is made by itself.
_INLINE_RECURRING: Fields = {name: RECURRING[name] for name in ("interval", "interval_count")}
RECURRING_DATA: dict[str, Param] = {**ONE_TIME_DATA, "recurring": Hash(fields=_INLINE_RECURRING, required=True)}
_CHANGEABLE: dict[str, Param] = {
    "active": Boolean(),
    "lookup_key": Text(chars_max=200),
    "metadata": Metadata(),
    "nickname": Text(unset=True),
    "tax_behavior": _TAX_BEHAVIOR,
    "transfer_lookup_key": Boolean(),
}


def decimal_text(number: Decimal) -> str:
    """Return a decimal without exponent and without trailing zeros."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def make_price(account: Account, params: Mapping[str, Any], *, price_id: str | None = None) -> Record:
    """Return a stored price from the parameters of a price or of `price_data`.

    Raises StripeError for a product that is missing, or unless exactly one of the two amounts is given.
    """
    if ("unit_amount" in params) == ("unit_amount_decimal" in params):
        raise invalid("You must specify exactly one of `unit_amount` and `unit_amount_decimal`.", param="unit_amount")
    account.fetch("product", params["product"], param="product")
    amount = Decimal(params.get("unit_amount", params.get("unit_amount_decimal")))
    if "unit_amount" in params:
        check_step(amount, params["currency"], param="unit_amount")
    if amount >= amount_max(params["currency"]) + 1:
        raise too_large(params["currency"], param="unit_amount" if "unit_amount" in params else "unit_amount_decimal")
    recurring = params.get("recurring")
    _check_meter(account, recurring or {})
    price = account.new(
        "price",
        price_id or new_id("price"),
        active=True,
        billing_scheme="per_unit",
        currency=params["currency"],
        custom_unit_amount=None,
        lookup_key=None,
        metadata={},
        nickname=params.get("nickname"),
        product=params["product"],
        recurring=None
        if recurring is None
        else {
            "interval": recurring["interval"],
            "interval_count": recurring.get("interval_count", 1),
            "meter": recurring.get("meter"),
            "trial_period_days": None,
            "usage_type": recurring.get("usage_type", "licensed"),
        },
        tax_behavior=params.get("tax_behavior", "unspecified"),
        tiers_mode=None,
        transform_quantity=None,
        type="one_time" if recurring is None else "recurring",
        unit_amount=int(amount) if amount == amount.to_integral_value() else None,
        unit_amount_decimal=decimal_text(amount),
    )
    account.store.put(price)
    return price


def _check_meter(account: Account, recurring: Mapping[str, Any]) -> None:
    """Stripe (2025-03-31.basil): a metered price counts with a meter, and a licensed one has none."""
    metered = recurring.get("usage_type") == "metered"
    if metered != ("meter" in recurring):
        raise invalid(
            "A metered price must be backed by a meter, and only a metered price has one.", param="recurring[meter]"
        )
    if metered and account.fetch("billing.meter", recurring["meter"], param="recurring[meter]")["status"] != "active":
        raise invalid(f"The meter {recurring['meter']} is inactive.", param="recurring[meter]")


def inline_price(account: Account, data: Mapping[str, Any]) -> Record:
    """Return the price behind `price_data`: it exists, and is not active, so that nothing else can use it."""
    price = make_price(account, data)
    price["active"] = False
    account.store.put(price)
    return price


def usable_price(account: Account, price_id: str, *, recurring: bool, param: str) -> Record:
    """Return an active price of the wanted type. Raises StripeError otherwise."""
    price = account.fetch("price", price_id, param=param)
    if not price["active"]:
        raise invalid("The price specified is inactive. This field only accepts active prices.", param=param)
    if recurring != (price["recurring"] is not None):
        wanted = "recurring" if recurring else "one_time"
        raise invalid(
            f"The price specified is set to `type={price['type']}` but this field only accepts prices with "
            f"`type={wanted}`.",
            param=param,
        )
    return price


def create(call: Call) -> Record:
    """POST /v1/prices"""
    account, params = call.account, dict(call.params)
    if ("product" in params) == ("product_data" in params):
        raise invalid("You must specify exactly one of `product` and `product_data`.", param="product")
    if "product_data" in params:
        params["product"] = products.create(Call(account, params["product_data"]))["id"]
    price = make_price(account, params)
    _apply(account, params, price)
    account.store.put(price)
    account.emit("price.created", price)
    return price


def update(call: Call) -> Record:
    """POST /v1/prices/{id}"""
    price = call.fetch("price")
    before = call.account.shown(price)
    _apply(call.account, call.params, price)
    call.account.store.put(price)
    call.account.emit_update("price.updated", before, price)
    return price


def list_prices(call: Call) -> Record:
    """GET /v1/prices"""
    keys, wanted = call.params.get("lookup_keys"), call.params.get("recurring")

    def matches(price: Mapping[str, Any]) -> bool:
        if keys is not None and price["lookup_key"] not in keys:
            return False
        return wanted is None or (price["recurring"] or {}).items() >= wanted.items()

    # `recurring` is a hash of wished values here, and no range: list_records must not compare it.
    params = {name: value for name, value in call.params.items() if name != "recurring"}
    return list_records(Call(call.account, params, call.path, call.url, call.version), "price", matches=matches)


def _apply(account: Account, params: Mapping[str, Any], price: Record) -> None:
    for name, value in params.items():
        if name == "metadata":
            price["metadata"] = merge_metadata(price["metadata"], value)
        elif name == "lookup_key":
            _claim_lookup_key(account, value, price, transfer=params.get("transfer_lookup_key", False))
        elif name in {"active", "nickname", "tax_behavior"}:
            price[name] = value


def _claim_lookup_key(account: Account, key: str, price: Record, *, transfer: bool) -> None:
    for other in account.store.scan("price", lookup_key=key):
        if other["id"] != price["id"]:
            if not transfer:
                raise invalid(
                    f"A price (`{other['id']}`) already uses that lookup key.",
                    code="lookup_key_in_use",
                    param="lookup_key",
                )
            loser = account.fetch("price", other["id"])
            before = account.shown(loser)
            loser["lookup_key"] = None
            account.store.put(loser)
            account.emit_update("price.updated", before, loser)
    price["lookup_key"] = key


OPERATIONS = (
    Operation(
        "POST",
        "/v1/prices",
        create,
        {
            **_AMOUNTS,
            **_CHANGEABLE,
            "billing_scheme": Choice(words=("per_unit",)),
            "currency": Currency(required=True),
            "product": Text(),
            "product_data": Hash(
                fields={"active": Boolean(), "id": Text(), "metadata": Metadata(), "name": Text(required=True)}
            ),
            "recurring": Hash(fields=RECURRING),
        },
    ),
    Operation(
        "GET",
        "/v1/prices",
        list_prices,
        {
            **PAGE,
            **CREATED,
            "active": Boolean(),
            "currency": Currency(),
            "lookup_keys": Items(of=Text(), count_max=10),
            "product": Text(),
            "recurring": Hash(
                fields={
                    "interval": Choice(words=INTERVALS),
                    "meter": Text(),
                    "usage_type": Choice(words=("licensed", "metered")),
                }
            ),
            "type": Choice(words=("one_time", "recurring")),
        },
    ),
    Operation("GET", "/v1/prices/{id}", lambda call: call.fetch("price")),
    Operation("POST", "/v1/prices/{id}", update, _CHANGEABLE),
)
