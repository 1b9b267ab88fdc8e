"""Meter events, and what they add up to.

Source: Stripe's "Record usage for billing with the API" and its API reference, "Meter Events": an identifier is unique
for at least 24 hours, a timestamp lies within the past 35 days or the next 5 minutes, and a value has at most 15 digits
(changelog 2026-04-22.dahlia). Stripe counts events a moment later; the sandbox counts them at once.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.gateway.listing import PAGE, page
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.meters.meters import KIND as METER
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import StripeError, invalid
from sandbox.vendors.stripe.wire.params import Choice, Hash, Integer, Metadata, Text

_KIND = "billing.meter_event"
_UNIQUE_S = 24 * 3_600
_CANCELLABLE_S = 24 * 3_600
_PAST_S, _FUTURE_S = 35 * 86_400, 300
_DIGITS_MAX = 15
_VALUE = re.compile(r"-?\d+(\.\d+)?")
_WINDOWS = {"day": 86_400, "hour": 3_600}


def create(call: Call) -> Record:
    """POST /v1/billing/meter_events"""
    account, params = call.account, call.params
    meter = _active_meter(account, params["event_name"])
    customer = _customer_of(account, meter, params["payload"])
    value = _value_of(meter, params["payload"])
    identifier = params.get("identifier") or secrets.token_hex(16)
    received = account.now(customer["test_clock"])
    for other in account.store.scan(_KIND, identifier=identifier):
        if other["_received"] > received - _UNIQUE_S:
            raise invalid(f"An event already exists with identifier {identifier}.", param="identifier")
    timestamp = params.get("timestamp", received)
    _check_time(timestamp, received)
    event = {
        "id": new_id("mevt"),
        "object": _KIND,
        "created": received,
        "event_name": params["event_name"],
        "identifier": identifier,
        "livemode": account.settings.livemode,
        "payload": dict(params["payload"]),
        "timestamp": timestamp,
        "_cancelled": False,
        "_customer": customer["id"],
        "_meter": meter["id"],
        "_received": received,
        "_value": str(value),
    }
    account.store.put(event)
    account.note("created", event)
    return event


def cancel(call: Call) -> Record:
    """POST /v1/billing/meter_event_adjustments: take one event back, within 24 hours"""
    account, params = call.account, call.params
    identifier = params["cancel"]["identifier"]
    found = [
        event
        for event in account.store.scan(_KIND, identifier=identifier, event_name=params["event_name"])
        if not event["_cancelled"]
    ]
    if not found:
        raise invalid(
            f"No event exists with identifier {identifier} for {params['event_name']}.",
            code="resource_missing",
            param="cancel[identifier]",
        )
    event = account.fetch(_KIND, found[0]["id"])
    clock = account.fetch("customer", event["_customer"]).get("test_clock")
    if account.now(clock) - event["_received"] > _CANCELLABLE_S:
        raise invalid(
            "Only events that were received within the past 24 hours can be cancelled.", param="cancel[identifier]"
        )
    event["_cancelled"] = True
    account.store.put(event)
    account.note("cancelled", event)
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": params["event_name"],
        "livemode": account.settings.livemode,
        "status": "complete",
        "type": "cancel",
    }


def usage(account: Account, meter: Record, customer: str, start: int, end: int) -> Decimal:
    """Return what a meter counts of a customer's events from `start` until before `end`."""
    events = [
        event
        for event in account.store.scan(_KIND, _meter=meter["id"], _customer=customer)
        if start <= event["timestamp"] < end and not event["_cancelled"]
    ]
    formula = meter["default_aggregation"]["formula"]
    if formula == "count":
        return Decimal(len(events))
    if formula == "last":
        latest = max(events, key=lambda event: (event["timestamp"], event["_seq"]), default=None)
        return Decimal(latest["_value"]) if latest else Decimal(0)
    return sum((Decimal(event["_value"]) for event in events), Decimal(0))


def list_summaries(call: Call) -> Record:
    """GET /v1/billing/meters/{id}/event_summaries: newest first"""
    account, params, meter = call.account, call.params, call.fetch(METER)
    customer = account.fetch("customer", params["customer"], param="customer")
    for name in ("start_time", "end_time"):
        if params[name] % 60:
            raise invalid(f"{name} must be aligned with minute boundaries.", param=name)
    if params["end_time"] <= params["start_time"]:
        raise invalid("end_time must be after start_time.", param="end_time")
    summaries = [
        {
            "id": f"mtrusg_{meter['id'][4:]}_{start}_{end}",
            "object": "billing.meter_event_summary",
            "aggregated_value": _number(usage(account, meter, customer["id"], start, end)),
            "end_time": end,
            "livemode": account.settings.livemode,
            "meter": meter["id"],
            "start_time": start,
        }
        for start, end in _windows(params)
    ]
    return page(call, list(reversed(summaries)), "billing.meter_event_summary")


def _windows(params: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    start, end = params["start_time"], params["end_time"]
    if "value_grouping_window" not in params:
        yield start, end
        return
    length = _WINDOWS[params["value_grouping_window"]]
    if start % length or end % length:
        raise invalid(
            f"start_time and end_time must be aligned with {params['value_grouping_window']} boundaries in UTC.",
            param="start_time",
        )
    for begin in range(start, end, length):
        yield begin, begin + length


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _active_meter(account: Account, event_name: str) -> Record:
    for meter in account.store.scan(METER, event_name=event_name, status="active"):
        return dict(meter)
    archived = bool(account.store.scan(METER, event_name=event_name))
    code = "archived_meter" if archived else "no_meter"
    raise invalid(f"No active meter was found for the event name {event_name}.", code=code, param="event_name")


def _customer_of(account: Account, meter: Record, payload: Mapping[str, str]) -> Record:
    key = meter["customer_mapping"]["event_payload_key"]
    if not payload.get(key):
        raise _invalid_payload(f"The payload has no customer under {key}.", "meter_event_no_customer_defined", key)
    customer = account.store.get("customer", payload[key])
    if customer is None or customer.get("deleted"):
        raise _invalid_payload(f"No such customer: '{payload[key]}'", "meter_event_customer_not_found", key)
    return customer


def _value_of(meter: Record, payload: Mapping[str, str]) -> Decimal:
    key = meter["value_settings"]["event_payload_key"]
    text = payload.get(key, "1" if meter["default_aggregation"]["formula"] == "count" else "")
    if not _VALUE.fullmatch(text):
        raise _invalid_payload(
            f"The value in the event payload is no number: {text}.", "meter_event_invalid_value", key
        )
    if len(Decimal(text).as_tuple().digits) > _DIGITS_MAX:
        raise _invalid_payload(
            f"The value in the event payload can have at most {_DIGITS_MAX} digits. Received {text}.",
            "meter_event_value_too_many_digits",
            key,
        )
    return Decimal(text)


def _invalid_payload(message: str, code: str, key: str) -> StripeError:
    return invalid(message, code=code, param=f"payload[{key}]")


def _check_time(timestamp: int, now: int) -> None:
    if timestamp < now - _PAST_S:
        raise invalid(
            "The timestamp must be within the past 35 calendar days.",
            code="timestamp_too_far_in_past",
            param="timestamp",
        )
    if timestamp > now + _FUTURE_S:
        raise invalid(
            "The timestamp must not be more than 5 minutes in the future.",
            code="timestamp_in_future",
            param="timestamp",
        )


OPERATIONS = (
    Operation(
        "POST",
        "/v1/billing/meter_events",
        create,
        {
            "event_name": Text(required=True, chars_max=100),
            "identifier": Text(chars_max=100),
            "payload": Metadata(required=True, unset=False),
            "timestamp": Integer(minimum=0),
        },
    ),
    Operation(
        "POST",
        "/v1/billing/meter_event_adjustments",
        cancel,
        {
            "cancel": Hash(fields={"identifier": Text(required=True, chars_max=100)}, required=True),
            "event_name": Text(required=True, chars_max=100),
            "type": Choice(words=("cancel",), required=True),
        },
    ),
    Operation(
        "GET",
        "/v1/billing/meters/{id}/event_summaries",
        list_summaries,
        {
            **PAGE,
            "customer": Text(required=True),
            "end_time": Integer(required=True, minimum=0),
            "start_time": Integer(required=True, minimum=0),
            "value_grouping_window": Choice(words=("day", "hour")),
        },
    ),
)
