"""The events that Quoteway publishes: one name per fact, one owner, one sentence of meaning.

They are sent as CloudEvents 1.0 in JSON, at least once, with the same id each time, and per subject in the order of
`sequence`. A consumer ignores an event if it has seen its id, or a higher sequence of its subject.
"""

from typing import Any, ClassVar, Literal

import msgspec

from shared.canonical import OrderStatus, SubscriptionStatus

SOURCE = "/quoteway/process"


class EventData(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The payload of an event. `event_type` names the fact, `owner` the team that answers for it."""

    event_type: ClassVar[str]
    owner: ClassVar[str]
    meaning: ClassVar[str]


class OrderBooked(EventData, frozen=True, kw_only=True):
    """The event of an order that every system holds."""

    event_type: ClassVar[str] = "order.booked"
    owner: ClassVar[str] = "order-desk"
    meaning: ClassVar[str] = "The order is booked in the ERP, charged by billing and known to the CRM."
    order_id: str
    version: int
    account_id: str | None = None


class OrderRejected(EventData, frozen=True, kw_only=True):
    """The event of an order that a system refused."""

    event_type: ClassVar[str] = "order.rejected"
    owner: ClassVar[str] = "order-desk"
    meaning: ClassVar[str] = "A system refused the order for `reasonCode`, and whatever had been made is undone."
    order_id: str
    version: int
    reason_code: str | None = None
    account_id: str | None = None


class OrderParked(EventData, frozen=True, kw_only=True):
    """The event of an order that waits for a person."""

    event_type: ClassVar[str] = "order.parked"
    owner: ClassVar[str] = "order-desk"
    meaning: ClassVar[str] = "The order could not be brought to an end and waits for an operator's decision."
    order_id: str
    version: int
    reason_code: str | None = None
    account_id: str | None = None


class OrderCompensated(EventData, frozen=True, kw_only=True):
    """The event of an order that was given up."""

    event_type: ClassVar[str] = "order.compensated"
    owner: ClassVar[str] = "order-desk"
    meaning: ClassVar[str] = "An operator gave the order up, and whatever had been made is undone."
    order_id: str
    version: int
    reason_code: str | None = None
    account_id: str | None = None


class SubscriptionChanged(EventData, frozen=True, kw_only=True):
    """The event of a subscription whose status changed in billing."""

    event_type: ClassVar[str] = "subscription.changed"
    owner: ClassVar[str] = "billing-operations"
    meaning: ClassVar[str] = "Billing moved the subscription to another status, such as `past_due`."
    external_id: str
    version: int
    status: SubscriptionStatus
    vendor_id: str | None = None
    order_id: str | None = None
    account_id: str | None = None


EVENTS: tuple[type[EventData], ...] = (OrderBooked, OrderRejected, OrderParked, OrderCompensated, SubscriptionChanged)
ORDER_ENDINGS: dict[OrderStatus, type[OrderRejected] | type[OrderParked] | type[OrderCompensated]] = {
    OrderStatus.rejected: OrderRejected,
    OrderStatus.parked: OrderParked,
    OrderStatus.compensated: OrderCompensated,
}


def order_ended(
    status: OrderStatus, *, order_id: str, version: int, reason_code: str | None, account_id: str | None = None
) -> EventData:
    """Return the event of an order with this final status."""
    if status is OrderStatus.booked:
        return OrderBooked(order_id=order_id, version=version, account_id=account_id)
    return ORDER_ENDINGS[status](order_id=order_id, version=version, reason_code=reason_code, account_id=account_id)


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope: CloudEvents 1.0 with the sequence extension (a text by its definition) and two attributes of
    ours.
    """

    id: str
    type: str
    subject: str
    time: str
    data: dict[str, Any]
    sequence: str
    correlationid: str
    tenant: str
    specversion: Literal["1.0"] = "1.0"
    source: str = SOURCE
    datacontenttype: Literal["application/json"] = "application/json"
