"""Orders: the accepted quote, and what an ERP holds of it."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.canonical.money import Money
from shared.canonical.wire import (
    Canonical,
    CurrencyCode,
    LongText,
    Quantity,
    RecordId,
    ShortText,
    Sku,
)


class OrderStatus(StrEnum):
    """Where an order is. The last four are final, but for `parked`, which waits for a person."""

    received = "received"
    validating = "validating"
    booking = "booking"
    provisioning = "provisioning"
    compensating = "compensating"
    booked = "booked"
    rejected = "rejected"
    compensated = "compensated"
    parked = "parked"


class ErpOrderState(StrEnum):
    """Where the ERP's order is, in no ERP's own words. `absent`: the ERP holds none under that external id."""

    draft = "draft"
    quoted = "quoted"
    confirmed = "confirmed"
    cancelled = "cancelled"
    absent = "absent"


class ErpOrderLine(Canonical, frozen=True, kw_only=True):
    """A one-off line: what the ERP will invoice, before tax."""

    sku: Sku
    description: ShortText
    quantity: Quantity
    net_unit_price: Money


class ErpOrderDraft(Canonical, frozen=True, kw_only=True):
    """An order to be booked. `tax_code` is the jurisdiction whose tax every line bears.

    `expected_tax` and `expected_total` are what Quoteway reckons. An ERP that comes to another net amount has not
    booked this order; its tax may differ by rounding, and then it is the ERP's that counts.
    """

    account_id: RecordId
    customer_vendor_id: RecordId
    currency: CurrencyCode
    tax_code: ShortText
    lines: Annotated[list[ErpOrderLine], Meta(min_length=1, max_length=500)]
    expected_tax: Money
    expected_total: Money
    comment: LongText = ""


class ErpOrder(Canonical, frozen=True, kw_only=True):
    """An order as the ERP holds it, read back from the ERP after every change.

    `cancelled_vendor_ids` are the orders that the call cancelled: several, where late requests had made more than one.
    """

    external_id: RecordId
    state: ErpOrderState
    vendor_id: RecordId | None = None
    number: ShortText | None = None
    line_count: int = 0
    untaxed: Money | None = None
    tax: Money | None = None
    total: Money | None = None
    cancelled_vendor_ids: list[RecordId] = msgspec.field(default_factory=list)


class ReportedOrderStatus(Canonical, frozen=True, kw_only=True):
    """What the CRM is told of an order. `version` only grows: an older report never overwrites a newer one."""

    account_id: RecordId
    quote_id: RecordId
    status: OrderStatus
    version: Annotated[int, Meta(ge=0, le=2_147_483_647)]
    currency: CurrencyCode
    total: Money | None = None
    erp_order_id: RecordId | None = None
    erp_order_number: ShortText | None = None
    subscription_ids: Annotated[list[RecordId], Meta(max_length=500)] = msgspec.field(default_factory=list)
    failure_reason: LongText | None = None


class OrderStatusReport(Canonical, frozen=True, kw_only=True):
    """The CRM's record of an order, after a report. `applied` is false where the CRM already held a newer version."""

    order_id: RecordId
    vendor_id: RecordId
    version: int
    applied: bool
