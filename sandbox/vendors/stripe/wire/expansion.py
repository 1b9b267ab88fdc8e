"""`expand[]`: references in an answer replaced by the objects they name.

Source: Stripe's API reference, "Expanding responses": dots reach into objects and lists, four levels at most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.vendors.stripe.store import Record, Store
from sandbox.vendors.stripe.wire.errors import StripeError, invalid
from sandbox.vendors.stripe.wire.presentation import list_object, present

_DEPTH_MAX = 4
# The fields that hold a reference, and the kind of object they name.
_REFERENCES = {
    "balance_transaction": "balance_transaction",
    "charge": "charge",
    "coupon": "coupon",
    "credit_note": "credit_note",
    "customer": "customer",
    "default_payment_method": "payment_method",
    "default_price": "price",
    "discounts": "discount",
    "discount": "discount",
    "invoice": "invoice",
    "failure_balance_transaction": "balance_transaction",
    "latest_charge": "charge",
    "latest_invoice": "invoice",
    "payment_intent": "payment_intent",
    "payment_method": "payment_method",
    "price": "price",
    "product": "product",
    "refund": "refund",
    "schedule": "subscription_schedule",
    "subscription": "subscription",
    "test_clock": "test_helpers.test_clock",
}


def _subscriptions_of(store: Store, customer: Mapping[str, Any]) -> Record:
    found = [
        present(store, subscription)
        for subscription in store.scan("subscription", customer=customer["id"])
        if subscription["status"] != "canceled"
    ]
    return list_object(f"/v1/customers/{customer['id']}/subscriptions", found)


def _tax_ids_of(store: Store, customer: Mapping[str, Any]) -> Record:
    found = [present(store, tax_id) for tax_id in store.scan("tax_id", customer=customer["id"])]
    return list_object(f"/v1/customers/{customer['id']}/tax_ids", found)


def _payments_of(store: Store, invoice: Mapping[str, Any]) -> Record:
    found = [present(store, payment) for payment in store.scan("invoice_payment", invoice=invoice["id"])]
    return list_object(f"/v1/invoice_payments?invoice={invoice['id']}", found)


def _refunds_of(store: Store, charge: Mapping[str, Any]) -> Record:
    found = [present(store, refund) for refund in store.scan("refund", charge=charge["id"])]
    return list_object(f"/v1/charges/{charge['id']}/refunds", found)


# What the source of a balance transaction is, by how its id begins.
_SOURCES = {"ch": "charge", "du": "dispute", "po": "payout", "re": "refund"}
# Fields that Stripe leaves out of an object until they are asked for.
_INCLUDABLE: dict[tuple[str, str], Callable[[Store, Mapping[str, Any]], Record]] = {
    ("charge", "refunds"): _refunds_of,
    ("customer", "subscriptions"): _subscriptions_of,
    ("customer", "tax_ids"): _tax_ids_of,
    ("invoice", "payments"): _payments_of,
}


def render(store: Store, answer: Mapping[str, Any], paths: list[str]) -> Record:
    """Return the presented answer (an object or an envelope of objects) with `paths` expanded.

    Raises StripeError (400) for a path that is too deep or names a property that cannot be expanded.
    """
    if answer["object"] in {"list", "search_result"}:
        shown = {**answer, "data": [present(store, record) for record in answer["data"]]}
    else:
        shown = present(store, answer)
    for path in paths:
        segments = path.split(".")
        levels = len(segments) - segments.count("data")
        if levels > _DEPTH_MAX:
            raise invalid(f"You cannot expand more than {_DEPTH_MAX} levels of a property: {path}", param="expand")
        _expand(store, shown, segments, path)
    return shown


def _expand(store: Store, node: Any, segments: list[str], path: str) -> None:
    if isinstance(node, list):
        for element in node:
            _expand(store, element, segments, path)
        return
    if not isinstance(node, dict) or not segments:
        return
    name, rest = segments[0], segments[1:]
    include = _INCLUDABLE.get((str(node.get("object")), name))
    if include is not None and name not in node:
        node[name] = include(store, node)
    if name == "total_count" and node.get("object") == "search_result":
        return
    if name not in node:
        raise _not_expandable(path)
    node[name] = _resolved(store, node[name], name, path, last=not rest)
    _expand(store, node[name], rest, path)


def _resolved(store: Store, value: Any, name: str, path: str, *, last: bool) -> Any:
    if isinstance(value, list) and any(isinstance(element, str) for element in value):
        return [_resolved(store, element, name, path, last=last) for element in value]
    if isinstance(value, str):
        kind = _SOURCES.get(value.partition("_")[0]) if name == "source" else _REFERENCES.get(name)
        if not kind:
            raise _not_expandable(path)
        record = store.get(kind, value)
        return present(store, record) if record is not None else value
    if last and value is not None and not isinstance(value, (dict, list)):
        raise _not_expandable(path)
    return value


def _not_expandable(path: str) -> StripeError:
    return invalid(
        f"This property cannot be expanded ({path}). You may want to try expanding another property.", param="expand"
    )
