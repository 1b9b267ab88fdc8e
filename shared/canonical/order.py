"""Orders: the accepted quote, and the ERP's record of it."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.canonical.money import Money
from shared.canonical.quote import Contact
from shared.canonical.wire import (
    BusinessDate,
    Canonical,
    CurrencyCode,
    LongText,
    Quantity,
    RecordId,
    ShortText,
    Sku,
)


class OrderStatus(StrEnum):
    """The status of an order. The last four are final, except `parked`, which waits for a person."""

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
    """The state of the ERP's order, in neutral words. `absent`: the ERP has none under that external id."""

    draft = "draft"
    quoted = "quoted"
    confirmed = "confirmed"
    cancelled = "cancelled"
    absent = "absent"


class ErpOrderLine(Canonical, frozen=True, kw_only=True):
    """A one-off line: what the ERP will invoice, before tax.

    `net_amount` is what the customer accepted. The ERP adapter sends prices that add up to exactly that, so
    `net_unit_price` is only what was quoted. Without `net_amount` the line costs quantity times price, rounded half up.
    `line_id` is the quote's; the ERP's lines carry it, since the ERP may split one line in two.
    """

    sku: Sku
    description: ShortText
    quantity: Quantity
    net_unit_price: Money
    line_id: RecordId | None = None
    net_amount: Money | None = None

    @property
    def net(self) -> Money:
        """Return the line's amount before tax."""
        if self.net_amount is not None:
            return self.net_amount
        price = self.net_unit_price
        return Money.of(Decimal(self.quantity) * price.value, price.currency)


class ErpOrderDraft(Canonical, frozen=True, kw_only=True):
    """An order to be booked. `tax_code` is the jurisdiction whose tax applies to every line.

    `expected_tax` and `expected_total` are Quoteway's own calculation. An ERP with another net amount has not booked
    this order; its tax may differ by rounding, and then the ERP's counts. `payment_terms` is the name of a term in the
    ERP; without it the customer's own apply. `requested_on` is the day to ship, and the first day to invoice.
    `rounding_sku` is the product for the remainder that prices cannot express.
    """

    account_id: RecordId
    customer_vendor_id: RecordId
    currency: CurrencyCode
    tax_code: ShortText
    # the quote's 500, and shipping
    lines: Annotated[list[ErpOrderLine], Meta(min_length=1, max_length=501)]
    expected_tax: Money
    expected_total: Money
    comment: LongText = ""
    payment_terms: ShortText | None = None
    purchase_order_number: ShortText | None = None
    requested_on: BusinessDate | None = None
    bill_to: Contact | None = None
    rounding_sku: Sku | None = None


class BookedLine(Canonical, frozen=True, kw_only=True):
    """A vendor's record of one ordered line before tax, all of its parts together."""

    line_id: RecordId
    net_amount: Money


class ErpOrder(Canonical, frozen=True, kw_only=True):
    """An order as the ERP holds it, read back from the ERP after every change.

    `line_count` counts the ordered lines, and `lines` has the amount of each; a line that the ERP has split counts
    once. `cancelled_vendor_ids` are the orders that the call cancelled: more than one if late requests had created
    duplicates.
    """

    external_id: RecordId
    state: ErpOrderState
    vendor_id: RecordId | None = None
    number: ShortText | None = None
    line_count: int = 0
    untaxed: Money | None = None
    tax: Money | None = None
    total: Money | None = None
    lines: list[BookedLine] = msgspec.field(default_factory=list)
    cancelled_vendor_ids: list[RecordId] = msgspec.field(default_factory=list)


class ReportedOrderStatus(Canonical, frozen=True, kw_only=True):
    """An order's status as reported to the CRM. An older `version` never overwrites a newer one.

    Account and currency are unknown if the quote could not be used.
    """

    quote_id: RecordId
    status: OrderStatus
    version: Annotated[int, Meta(ge=0, le=2_147_483_647)]
    account_id: RecordId | None = None
    currency: CurrencyCode | None = None
    total: Money | None = None
    erp_order_id: RecordId | None = None
    erp_order_number: ShortText | None = None
    subscription_ids: Annotated[list[RecordId], Meta(max_length=500)] = msgspec.field(default_factory=list)
    failure_reason: LongText | None = None


class OrderStatusReport(Canonical, frozen=True, kw_only=True):
    """The CRM's record of an order after a report. `applied` is false if the CRM already had a newer version."""

    order_id: RecordId
    vendor_id: RecordId
    version: int
    applied: bool
