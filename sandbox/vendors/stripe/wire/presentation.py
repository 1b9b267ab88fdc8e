"""From a stored record to the JSON object that Stripe answers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.vendors.stripe.store import Record, Store

# Stripe shows the first ten lines of an invoice inside it; the rest is behind `lines.url`.
_LINES_SHOWN = 10


def present(store: Store, record: Mapping[str, Any]) -> Record:
    """Return what Stripe shows of a record, before any `expand`."""
    shown = {key: copy.deepcopy(value) for key, value in record.items() if not key.startswith("_")}
    presenter = _PRESENTERS.get(shown["object"])
    return presenter(store, record, shown) if presenter is not None and not shown.get("deleted") else shown


def list_object(url: str, data: list[Record], *, has_more: bool = False) -> Record:
    """Stripe's list envelope."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def items_of(store: Store, subscription_id: str) -> list[Record]:
    """Return the stored items of a subscription, in the order in which they were added."""
    found = store.scan("subscription_item", subscription=subscription_id)
    return [copy.deepcopy(dict(item)) for item in reversed(found)]


def plan_of(price: Mapping[str, Any]) -> Record:
    """Return a recurring price as the plan that older integrations know."""
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": price["livemode"],
        "metadata": copy.deepcopy(price["metadata"]),
        "meter": recurring["meter"],
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": recurring["usage_type"],
    }


def _tax_rates(store: Store, ids: list[str] | None) -> list[Record]:
    rates = (store.get("tax_rate", rate_id) for rate_id in ids or [])
    return [present(store, rate) for rate in rates if rate is not None]


def _percent(_: Store, record: Mapping[str, Any], shown: Record) -> Record:
    for name in ("percent_off", "percentage", "effective_percentage"):
        if shown.get(name) is not None:
            number = float(record[name])
            shown[name] = int(number) if number.is_integer() else number
    return shown


def _subscription(store: Store, record: Mapping[str, Any], shown: Record) -> Record:
    items = [present(store, item) for item in items_of(store, record["id"])]
    shown["items"] = list_object(f"/v1/subscription_items?subscription={record['id']}", items)
    shown["items"]["total_count"] = len(items)
    shown["default_tax_rates"] = _tax_rates(store, record["default_tax_rates"])
    return shown


def _subscription_item(store: Store, record: Mapping[str, Any], shown: Record) -> Record:
    price = store.get("price", record["price"])
    if price is None:
        raise LookupError(f"{record['id']} refers to a price that is gone: {record['price']}")
    shown["price"] = present(store, price)
    shown["plan"] = plan_of(price)
    if shown["quantity"] is None:
        del shown["quantity"]
    shown["tax_rates"] = _tax_rates(store, record["tax_rates"])
    return shown


def _lines(store: Store, record: Mapping[str, Any], shown: Record) -> Record:
    path = {"invoice": "invoices", "credit_note": "credit_notes"}[record["object"]]
    lines = [present(store, line) for line in record["_lines"]]
    shown["lines"] = list_object(
        f"/v1/{path}/{record['id']}/lines", lines[:_LINES_SHOWN], has_more=len(lines) > _LINES_SHOWN
    )
    shown["lines"]["total_count"] = len(lines)
    if "default_tax_rates" in record:
        shown["default_tax_rates"] = _tax_rates(store, record["default_tax_rates"])
    return shown


def _schedule(store: Store, _: Mapping[str, Any], shown: Record) -> Record:
    for phase in shown["phases"]:
        for hidden in [name for name in phase if name.startswith("_")]:
            del phase[hidden]
        phase["default_tax_rates"] = _tax_rates(store, phase["default_tax_rates"])
        for item in phase["items"]:
            item["tax_rates"] = _tax_rates(store, item["tax_rates"])
    return shown


def _meter_event(_: Store, __: Mapping[str, Any], shown: Record) -> Record:
    del shown["id"]  # an event goes by its identifier
    return shown


def _with_tax_rates(store: Store, record: Mapping[str, Any], shown: Record) -> Record:
    shown["tax_rates"] = _tax_rates(store, record["tax_rates"])
    return shown


_PRESENTERS: dict[str, Callable[[Store, Mapping[str, Any], Record], Record]] = {
    "billing.meter_event": _meter_event,
    "coupon": _percent,
    "credit_note": _lines,
    "credit_note_line_item": _with_tax_rates,
    "invoice": _lines,
    "invoiceitem": _with_tax_rates,
    "subscription": _subscription,
    "subscription_item": _subscription_item,
    "subscription_schedule": _schedule,
    "tax_rate": _percent,
}
