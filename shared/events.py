"""The events that Quoteway publishes: one name per fact, one owner, one sentence of meaning.

They are sent as CloudEvents 1.0 in JSON, at least once, with the same id each time, and per subject in the order of
`sequence`. A consumer ignores an event if it has seen its id, or a higher sequence of its subject.
"""

from typing import Any, ClassVar, Literal

import msgspec

from shared.canonical import Money, OrderStatus, SubscriptionStatus

SOURCE = "/quoteway/process"


class EventData(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The payload of an event. `event_type` names the fact, `owner` the team that answers for it."""

    event_type: ClassVar[str]
    owner: ClassVar[str]
    meaning: ClassVar[str]


class OrderEnding(EventData, frozen=True, kw_only=True):
    """What every event of an order's end says, so that most consumers need not ask for the order.

    `total` is what the order comes to with tax, and `erp_order_number` and `subscription_ids` what the ERP and billing
    call it; each once it is known.
    """

    order_id: str
    version: int
    account_id: str | None = None
    quote_id: str | None = None
    quote_revision: int | None = None
    total: Money | None = None
    erp_order_number: str | None = None
    subscription_ids: list[str] = []


class OrderBooked(OrderEnding, frozen=True, kw_only=True):
    """Of an order that every system holds."""

    event_type: ClassVar[str] = "order.booked"
    owner: ClassVar[str] = "order-desk"
    meaning: ClassVar[str] = "The order is booked in the ERP, charged by billing and known to the CRM."


class OrderRejected(OrderEnding, frozen=True, kw_only=True):
    """Of an order that a system refused."""

    event_type: ClassVar[str] = "order.rejected"
    owner: ClassVar[str] = "order-desk"
    meaning: ClassVar[str] = "A system refused the order for `reasonCode`, and whatever had been made is undone."
    reason_code: str | None = None


class OrderParked(OrderEnding, frozen=True, kw_only=True):
    """Of an order that waits for a person."""

    event_type: ClassVar[str] = "order.parked"
    owner: ClassVar[str] = "order-desk"
    meaning: ClassVar[str] = "The order could not be brought to an end and waits for an operator's decision."
    reason_code: str | None = None


class OrderCompensated(OrderEnding, frozen=True, kw_only=True):
    """Of an order that was given up."""

    event_type: ClassVar[str] = "order.compensated"
    owner: ClassVar[str] = "order-desk"
    meaning: ClassVar[str] = "An operator gave the order up, and whatever had been made is undone."
    reason_code: str | None = None


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
    quote_id: str | None = None
    erp_order_number: str | None = None


EVENTS: tuple[type[EventData], ...] = (OrderBooked, OrderRejected, OrderParked, OrderCompensated, SubscriptionChanged)
ORDER_ENDINGS: dict[OrderStatus, type[OrderRejected] | type[OrderParked] | type[OrderCompensated]] = {
    OrderStatus.rejected: OrderRejected,
    OrderStatus.parked: OrderParked,
    OrderStatus.compensated: OrderCompensated,
}


def order_ended(status: OrderStatus, *, reason_code: str | None = None, **facts: Any) -> EventData:
    """Return the event of an order that has come to this end. `facts` are the fields of OrderEnding."""
    if status is OrderStatus.booked:
        return OrderBooked(**facts)
    return ORDER_ENDINGS[status](reason_code=reason_code, **facts)


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
