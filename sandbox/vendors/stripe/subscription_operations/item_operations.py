"""The subscription item operations: changes to one item of a subscription."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.stripe.gateway.listing import PAGE, page
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.subscription_operations.resource import PAYMENT_BEHAVIOR, PRORATION_BEHAVIOR
from sandbox.vendors.stripe.subscription_states import ENDED
from sandbox.vendors.stripe.subscriptions.changes import change_items, terms_of
from sandbox.vendors.stripe.subscriptions.items import ITEM
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import Integer, Param, Text
from sandbox.vendors.stripe.wire.presentation import items_of

_TERMS: dict[str, Param] = {
    "payment_behavior": PAYMENT_BEHAVIOR,
    "proration_behavior": PRORATION_BEHAVIOR,
    "proration_date": Integer(minimum=0),
}


def create(call: Call) -> Record:
    """POST /v1/subscription_items"""
    known = {item["id"] for item in items_of(call.account.store, call.params["subscription"])}
    _change(call, call.params["subscription"], {})
    items = items_of(call.account.store, call.params["subscription"])
    return next(item for item in items if item["id"] not in known)


def update(call: Call) -> Record:
    """POST /v1/subscription_items/{id}"""
    item = call.fetch("subscription_item")
    _change(call, item["subscription"], {"id": item["id"]})
    return call.fetch("subscription_item")


def delete(call: Call) -> Record:
    """DELETE /v1/subscription_items/{id}: never the last one"""
    item = call.fetch("subscription_item")
    _change(call, item["subscription"], {"id": item["id"], "deleted": True})
    return {"id": item["id"], "object": "subscription_item", "deleted": True}


def list_items(call: Call) -> Record:
    """GET /v1/subscription_items?subscription="""
    subscription = call.account.fetch("subscription", call.params["subscription"], param="subscription")
    return page(call, items_of(call.account.store, subscription["id"]), "subscription_item")


def _change(call: Call, subscription_id: str, identity: Mapping[str, Any]) -> None:
    account = call.account
    subscription = account.fetch("subscription", subscription_id, param="subscription")
    if subscription["status"] in ENDED:
        raise invalid("The items of a canceled subscription can't be changed.", param="subscription")
    before = account.shown(subscription)
    wanted = {name: value for name, value in call.params.items() if name in ITEM} | dict(identity)
    change_items(account, subscription, [wanted], terms_of(account, call.params, subscription), param="")
    changed = account.fetch("subscription", subscription_id)
    account.emit_update("customer.subscription.updated", before, changed)


OPERATIONS = (
    Operation("POST", "/v1/subscription_items", create, {**ITEM, **_TERMS, "subscription": Text(required=True)}),
    Operation("GET", "/v1/subscription_items", list_items, {**PAGE, "subscription": Text(required=True)}),
    Operation("GET", "/v1/subscription_items/{id}", lambda call: call.fetch("subscription_item")),
    Operation("POST", "/v1/subscription_items/{id}", update, {**ITEM, **_TERMS}),
    Operation("DELETE", "/v1/subscription_items/{id}", delete, _TERMS),
)
