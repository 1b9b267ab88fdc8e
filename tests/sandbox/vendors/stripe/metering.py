"""Meters, their prices, and usage."""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Any

import stripe

from tests.sandbox.vendors.stripe.clocked import Clocked


def new_meter(client: stripe.StripeClient, formula: str = "sum") -> stripe.billing.Meter:
    """A meter with an event name of its own."""
    name = f"readings_{secrets.token_hex(4)}"
    return client.v1.billing.meters.create(
        {"display_name": "Readings", "event_name": name, "default_aggregation": {"formula": formula}}
    )


def record(clocked: Clocked, meter: stripe.billing.Meter, value: str, **params: Any) -> stripe.billing.MeterEvent:
    payload = {"stripe_customer_id": clocked.customer, "value": value}
    return clocked.client.v1.billing.meter_events.create(
        {"event_name": meter.event_name, "payload": payload, **params}  # type: ignore[typeddict-item]  # a merged dict is no TypedDict
    )


def metered_price(client: stripe.StripeClient, meter: stripe.billing.Meter, unit: str) -> str:
    return client.v1.prices.create(
        {
            "product_data": {"name": "Monitoring Standard, per sensor and month"},
            "currency": "eur",
            "unit_amount_decimal": Decimal(unit),
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
        }
    ).id
