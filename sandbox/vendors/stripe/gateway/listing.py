"""Lists: filters, cursors, and Stripe's list envelope."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.vendors.stripe.gateway.operation import Call
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.wire.errors import invalid, no_such
from sandbox.vendors.stripe.wire.params import Integer, Param, Range, Text
from sandbox.vendors.stripe.wire.presentation import list_object

PAGE: dict[str, Param] = {
    "limit": Integer(minimum=1, maximum=100),
    "starting_after": Text(),
    "ending_before": Text(),
}
CREATED: dict[str, Param] = {"created": Range()}
LIMIT_DEFAULT = 10

Matches = Callable[[Mapping[str, Any]], bool]


def in_range(number: int | None, bounds: Mapping[str, int]) -> bool:
    """Return whether a number satisfies a `Range` filter; an unset number satisfies none."""
    if number is None:
        return False
    checks = {
        "eq": lambda bound: number == bound,
        "gt": lambda bound: number > bound,
        "gte": lambda bound: number >= bound,
        "lt": lambda bound: number < bound,
        "lte": lambda bound: number <= bound,
    }
    return all(checks[comparison](bound) for comparison, bound in bounds.items())


def list_records(call: Call, kind: str, *, matches: Matches = lambda _: True, scoped: bool = False) -> Record:
    """Return the page of records of a kind that match the call's filters, newest first.

    A filter parameter with the name of a field compares the field. Objects that live on a test clock are left out
    unless the list is `scoped` to a parent (Stripe: "Test clock objects omitted in list all results").
    """
    params = call.params
    named = {name: value for name, value in params.items() if name not in {*PAGE, "expand"}}

    def wanted(record: Mapping[str, Any]) -> bool:
        if record.get("deleted") or not (scoped or record.get("test_clock") is None):
            return False
        for name, value in named.items():
            if name not in record:
                continue
            if isinstance(value, dict):
                if not in_range(record[name], value):
                    return False
            elif record[name] != value:
                return False
        return matches(record)

    return page(call, [dict(record) for record in call.account.store.scan(kind) if wanted(record)], kind)


def page(call: Call, records: list[Record], kind: str) -> Record:
    """Return the page of `records` that the call's cursor asks for.

    Raises StripeError when both cursors are given, or when a cursor is not among the records.
    """
    limit = call.params.get("limit", LIMIT_DEFAULT)
    after, before = call.params.get("starting_after"), call.params.get("ending_before")
    if after is not None and before is not None:
        raise invalid("You may only specify one of these parameters: starting_after, ending_before.")
    if after is not None:
        start = _position(records, after, kind, "starting_after") + 1
        shown, has_more = records[start : start + limit], len(records) > start + limit
    elif before is not None:
        end = _position(records, before, kind, "ending_before")
        shown, has_more = records[max(0, end - limit) : end], end > limit
    else:
        shown, has_more = records[:limit], len(records) > limit
    return list_object(call.url, shown, has_more=has_more)


def _position(records: list[Record], cursor: str, kind: str, param: str) -> int:
    for index, record in enumerate(records):
        if record["id"] == cursor:
            return index
    raise no_such(kind.replace("_", " "), cursor, param=param)
