"""Coupons, and the discounts that come of using them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.catalogue.amounts import check_step
from sandbox.vendors.stripe.catalogue.prices import decimal_text
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.periods import add_intervals
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import (
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

_CHANGEABLE: dict[str, Param] = {"metadata": Metadata(), "name": Text(unset=True, chars_max=40)}
# The `discounts` parameter: a coupon to use, or a discount that is there already.
DISCOUNTS = Items(of=Hash(fields={"coupon": Text(), "discount": Text()}), count_max=20, unset=True)


def create(call: Call) -> Record:
    """POST /v1/coupons"""
    account, params = call.account, call.params
    coupon_id = params.get("id") or new_id("cpn", 8)
    if account.store.get("coupon", coupon_id) is not None:
        raise invalid("Coupon already exists.", code="resource_already_exists", param="id")
    if ("percent_off" in params) == ("amount_off" in params):
        raise invalid("You must pass exactly one of percent_off and amount_off.", param="percent_off")
    if ("amount_off" in params) != ("currency" in params):
        raise invalid("You must pass currency when passing amount_off, and only then.", param="currency")
    if "amount_off" in params:
        check_step(params["amount_off"], params["currency"], param="amount_off")
    duration = params.get("duration", "once")
    if (duration == "repeating") != ("duration_in_months" in params):
        raise invalid("You must pass duration_in_months with duration=repeating, and only then.", param="duration")
    percent = params.get("percent_off")
    coupon = account.new(
        "coupon",
        coupon_id,
        amount_off=params.get("amount_off"),
        currency=params.get("currency"),
        duration=duration,
        duration_in_months=params.get("duration_in_months"),
        max_redemptions=params.get("max_redemptions"),
        metadata=merge_metadata({}, params.get("metadata")),
        name=params.get("name"),
        percent_off=None if percent is None else decimal_text(percent),
        redeem_by=params.get("redeem_by"),
        times_redeemed=0,
        valid=True,
    )
    account.store.put(coupon)
    account.emit("coupon.created", coupon)
    return coupon


def update(call: Call) -> Record:
    """POST /v1/coupons/{id}: only the name and the metadata of a coupon can change"""
    coupon = call.fetch("coupon")
    before = call.account.shown(coupon)
    if "name" in call.params:
        coupon["name"] = call.params["name"]
    if "metadata" in call.params:
        coupon["metadata"] = merge_metadata(coupon["metadata"], call.params["metadata"])
    call.account.store.put(coupon)
    call.account.emit_update("coupon.updated", before, coupon)
    return coupon


def delete(call: Call) -> Record:
    """DELETE /v1/coupons/{id}: discounts that came of it stay"""
    coupon = call.fetch_live("coupon")
    call.account.emit("coupon.deleted", coupon)
    # Kept for the discounts that refer to it, and out of reach for new ones.
    call.account.store.put(coupon | {"deleted": True})
    return {"id": coupon["id"], "object": "coupon", "deleted": True}


def make_discounts(
    account: Account,
    wanted: list[Mapping[str, Any]] | None,
    owner: Mapping[str, str | None],
    at: int,
    *,
    param: str,
    currency: str | None,
) -> list[str]:
    """Return the ids of the discounts that a `discounts` parameter asks for.

    `owner` names what they hang on (customer, subscription, subscription_item, invoice, invoice_item). Raises
    StripeError for a coupon that is missing, used up, or an amount in another currency than `currency`.
    """
    ids = []
    for index, entry in enumerate(wanted or []):
        where = f"{param}[{index}]"
        if ("coupon" in entry) == ("discount" in entry):
            raise invalid("You must specify exactly one of coupon and discount.", param=where)
        if "discount" in entry:
            ids.append(str(account.fetch("discount", entry["discount"], param=f"{where}[discount]")["id"]))
        else:
            coupon = account.fetch_live("coupon", entry["coupon"], param=f"{where}[coupon]")
            _check_currency(coupon, currency, param=f"{where}[coupon]")
            ids.append(_redeem(account, coupon, owner, at, param=f"{where}[coupon]"))
    return ids


def _check_currency(coupon: Record, currency: str | None, *, param: str) -> None:
    if currency and coupon["currency"] not in {None, currency}:
        raise invalid(
            f"The coupon's currency ({coupon['currency']}) must match what it takes an amount off ({currency}).",
            param=param,
        )


def _redeem(account: Account, coupon: Record, owner: Mapping[str, str | None], at: int, *, param: str) -> str:
    if not coupon["valid"] or (coupon["redeem_by"] is not None and coupon["redeem_by"] < at):
        raise invalid("This coupon has expired or has been used up.", code="coupon_expired", param=param)
    coupon["times_redeemed"] += 1
    coupon["valid"] = coupon["max_redemptions"] is None or coupon["times_redeemed"] < coupon["max_redemptions"]
    account.store.put(coupon)
    months = coupon["duration_in_months"]
    discount = {
        "id": new_id("di"),
        "object": "discount",
        "checkout_session": None,
        "customer": None,
        "end": None if months is None else add_intervals(at, "month", months),
        "invoice": None,
        "invoice_item": None,
        "promotion_code": None,
        "source": {"coupon": coupon["id"], "type": "coupon"},
        "start": at,
        "subscription": None,
        "subscription_item": None,
    } | dict(owner)
    account.store.put(discount)
    return str(discount["id"])


def coupon_of(account: Account, discount_id: str) -> Record:
    """Return the coupon behind a discount."""
    discount = account.fetch("discount", discount_id)
    return account.fetch("coupon", discount["source"]["coupon"])


def active_at(account: Account, discount_ids: list[str], at: int) -> list[str]:
    """Return those of the discounts that have not ended at a time."""
    discounts = [account.fetch("discount", discount_id) for discount_id in discount_ids]
    return [discount["id"] for discount in discounts if discount["end"] is None or discount["end"] > at]


def after_one_use(account: Account, discount_ids: list[str]) -> list[str]:
    """Return those of the discounts that outlive an invoice: a coupon with duration `once` does not."""
    return [each for each in discount_ids if coupon_of(account, each)["duration"] != "once"]


_OPTIONAL: Fields = {
    **_CHANGEABLE,
    "amount_off": Integer(minimum=1),
    "currency": Currency(),
    "duration": Choice(words=("forever", "once", "repeating")),
    "duration_in_months": Integer(minimum=1),
    "id": Text(chars_max=500),
    "max_redemptions": Integer(minimum=1),
    "percent_off": Number(minimum=Decimal("0.01"), maximum=Decimal(100)),
    "redeem_by": Integer(minimum=0),
}

OPERATIONS = (
    Operation("POST", "/v1/coupons", create, _OPTIONAL),
    Operation("GET", "/v1/coupons", lambda call: list_records(call, "coupon"), {**PAGE, **CREATED}),
    Operation("GET", "/v1/coupons/{id}", lambda call: call.fetch_live("coupon")),
    Operation("POST", "/v1/coupons/{id}", update, _CHANGEABLE),
    Operation("DELETE", "/v1/coupons/{id}", delete),
)
