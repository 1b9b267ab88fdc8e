"""Plans: recurring prices as integrations from before the Prices API see them."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.vendors.stripe.catalogue import products
from sandbox.vendors.stripe.catalogue.prices import INTERVALS, make_price
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid, no_such
from sandbox.vendors.stripe.wire.params import (
    Boolean,
    Choice,
    Currency,
    Either,
    Hash,
    Integer,
    Metadata,
    Number,
    Text,
    merge_metadata,
)
from sandbox.vendors.stripe.wire.presentation import plan_of


def create(call: Call) -> Record:
    """POST /v1/plans"""
    account, params = call.account, call.params
    plan_id = params.get("id") or new_id("plan")
    if account.store.get("price", plan_id) is not None:
        raise invalid("Plan already exists.", code="resource_already_exists", param="id")
    product = params["product"]
    if isinstance(product, Mapping):
        product = products.create(Call(account, product))["id"]
    amounts = {
        name.replace("amount", "unit_amount"): params[name] for name in ("amount", "amount_decimal") if name in params
    }
    recurring = {"interval": params["interval"], "interval_count": params.get("interval_count", 1)}
    price = make_price(
        account,
        {
            **amounts,
            "currency": params["currency"],
            "product": product,
            "recurring": recurring,
            "nickname": params.get("nickname"),
        },
        price_id=plan_id,
    )
    price["active"] = params.get("active", True)
    price["metadata"] = merge_metadata({}, params.get("metadata"))
    account.store.put(price)
    account.emit("price.created", price)
    account.emit("plan.created", plan_of(price))
    return plan_of(price)


def retrieve(call: Call) -> Record:
    """GET /v1/plans/{id}"""
    return plan_of(_recurring(call))


def delete(call: Call) -> Record:
    """DELETE /v1/plans/{id}: running subscriptions keep it"""
    price = _recurring(call)
    # Subscriptions go on with a deleted plan, so it is only withdrawn from use.
    price["active"] = False
    call.account.store.put(price)
    call.account.emit("plan.deleted", plan_of(price))
    return {"id": price["id"], "object": "plan", "deleted": True}


def list_plans(call: Call) -> Record:
    """GET /v1/plans"""
    listed = list_records(call, "price", matches=lambda price: price["recurring"] is not None)
    return listed | {"data": [plan_of(price) for price in listed["data"]]}


def _recurring(call: Call) -> Record:
    price = call.account.store.get("price", call.object_id)
    if price is None or price["recurring"] is None:
        raise no_such("plan", call.object_id, param="plan", status=404)
    return price


OPERATIONS = (
    Operation(
        "POST",
        "/v1/plans",
        create,
        {
            "active": Boolean(),
            "amount": Integer(minimum=0),
            "amount_decimal": Number(),
            "currency": Currency(required=True),
            "id": Text(),
            "interval": Choice(words=INTERVALS, required=True),
            "interval_count": Integer(minimum=1, maximum=156),
            "metadata": Metadata(),
            "nickname": Text(),
            "product": Either(
                scalar=Text(),
                nested=Hash(fields={"id": Text(), "metadata": Metadata(), "name": Text(required=True)}),
                required=True,
            ),
        },
    ),
    Operation("GET", "/v1/plans", list_plans, {**PAGE, **CREATED, "active": Boolean(), "product": Text()}),
    Operation("GET", "/v1/plans/{id}", retrieve),
    Operation("DELETE", "/v1/plans/{id}", delete),
)
