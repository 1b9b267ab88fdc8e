"""Billing meters."""

from __future__ import annotations

from sandbox.vendors.stripe.gateway.listing import PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import Choice, Hash, Text

KIND = "billing.meter"


def create(call: Call) -> Record:
    """POST /v1/billing/meters: an event name belongs to one active meter"""
    account, params = call.account, call.params
    for other in account.store.scan(KIND, event_name=params["event_name"], status="active"):
        raise invalid(
            f"An active meter already exists with the event name {params['event_name']}: {other['id']}.",
            code="resource_already_exists",
            param="event_name",
        )
    meter = account.new(
        KIND,
        new_id("mtr"),
        customer_mapping={
            "event_payload_key": params.get("customer_mapping", {}).get("event_payload_key", "stripe_customer_id"),
            "type": "by_id",
        },
        default_aggregation={"formula": params["default_aggregation"]["formula"]},
        display_name=params["display_name"],
        event_name=params["event_name"],
        event_time_window=params.get("event_time_window"),
        status="active",
        status_transitions={"deactivated_at": None},
        updated=account.now(),
        value_settings={"event_payload_key": params.get("value_settings", {}).get("event_payload_key", "value")},
    )
    account.store.put(meter)
    account.emit("billing.meter.created", meter)
    return meter


def update(call: Call) -> Record:
    """POST /v1/billing/meters/{id}: only the name that is shown can change"""
    meter = call.fetch(KIND)
    before = call.account.shown(meter)
    meter["display_name"] = call.params.get("display_name", meter["display_name"])
    return _changed(call, meter, before, "billing.meter.updated")


def deactivate(call: Call) -> Record:
    """POST /v1/billing/meters/{id}/deactivate: it takes no more events"""
    meter = call.fetch(KIND)
    before = call.account.shown(meter)
    meter |= {"status": "inactive", "status_transitions": {"deactivated_at": call.account.now()}}
    return _changed(call, meter, before, "billing.meter.deactivated")


def reactivate(call: Call) -> Record:
    """POST /v1/billing/meters/{id}/reactivate"""
    meter = call.fetch(KIND)
    before = call.account.shown(meter)
    meter |= {"status": "active", "status_transitions": {"deactivated_at": None}}
    return _changed(call, meter, before, "billing.meter.reactivated")


def _changed(call: Call, meter: Record, before: Record, event_type: str) -> Record:
    meter["updated"] = call.account.now()
    call.account.store.put(meter)
    call.account.emit_update(event_type, before, meter)
    return meter


_KEY = Text(required=True, chars_max=100)
OPERATIONS = (
    Operation(
        "POST",
        "/v1/billing/meters",
        create,
        {
            "customer_mapping": Hash(
                fields={"event_payload_key": _KEY, "type": Choice(words=("by_id",), required=True)}
            ),
            "default_aggregation": Hash(
                fields={"formula": Choice(words=("count", "last", "sum"), required=True)}, required=True
            ),
            "display_name": Text(required=True, chars_max=250),
            "event_name": Text(required=True, chars_max=100),
            "event_time_window": Choice(words=("day", "hour")),
            "value_settings": Hash(fields={"event_payload_key": _KEY}),
        },
    ),
    Operation(
        "GET",
        "/v1/billing/meters",
        lambda call: list_records(call, KIND),
        {**PAGE, "status": Choice(words=("active", "inactive"))},
    ),
    Operation("GET", "/v1/billing/meters/{id}", lambda call: call.fetch(KIND)),
    Operation("POST", "/v1/billing/meters/{id}", update, {"display_name": Text(chars_max=250)}),
    Operation("POST", "/v1/billing/meters/{id}/deactivate", deactivate),
    Operation("POST", "/v1/billing/meters/{id}/reactivate", reactivate),
)
