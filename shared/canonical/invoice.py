"""Invoices: claims, whichever system issued them."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from shared.canonical.money import Money
from shared.canonical.wire import Canonical, RecordId, ShortText


class InvoiceSource(StrEnum):
    """Which system issued an invoice: the ERP for one-off lines, billing for recurring ones."""

    erp = "erp"
    billing = "billing"


class InvoiceStatus(StrEnum):
    """The status of a claim."""

    draft = "draft"
    open = "open"
    paid = "paid"
    void = "void"
    uncollectible = "uncollectible"


class Invoice(Canonical, frozen=True, kw_only=True):
    """A claim. Dates are RFC 3339 full dates; a draft has neither number nor issue date."""

    source: InvoiceSource
    vendor_id: RecordId
    status: InvoiceStatus
    total: Money
    amount_due: Money
    number: ShortText | None = None
    issued_on: ShortText | None = None
    due_on: ShortText | None = None
    order_id: RecordId | None = None


class InvoicePage(Canonical, frozen=True, kw_only=True):
    """Some invoices, newest first; `next_cursor` asks for those after them.

    `not_shown` counts invoices on the page that the vendor holds in a form that Quoteway cannot read.
    """

    invoices: list[Invoice]
    next_cursor: str | None = None
    not_shown: Annotated[int, Meta(ge=0)] = 0
