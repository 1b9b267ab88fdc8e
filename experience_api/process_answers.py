"""The process API's answers, as far as this tier reads them.

A tolerant reader: fields that the process API adds later are ignored.
"""

from enum import StrEnum

import msgspec

from shared.canonical import (
    CreditDecision,
    InvoiceSource,
    InvoiceStatus,
    OrderStatus,
    Recurrence,
    SubscriptionStatus,
)


class _Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An immutable struct with camelCase names; unknown fields are ignored."""


class Amount(_Answer, frozen=True, kw_only=True):
    """An amount of money, as a decimal string."""

    amount: str
    currency: str


class AcceptedOrder(_Answer, frozen=True, kw_only=True):
    """The order behind a submission."""

    order_id: str
    status: OrderStatus
    replayed: bool


class TimelineEntry(_Answer, frozen=True, kw_only=True):
    """One thing that happened to an order."""

    at: str
    status: OrderStatus
    message: str
    internal: bool = False


class OrderDelay(_Answer, frozen=True, kw_only=True):
    """What an order waits for that is being tried again."""

    system: str
    message: str
    attempt: int
    attempts_max: int
    next_attempt_at: str


class Fault(_Answer, frozen=True, kw_only=True):
    """A reason why a quote cannot be ordered."""

    code: str
    message: str
    line_id: str | None = None
    field: str | None = None
    system: str | None = None


class Unchecked(_Answer, frozen=True, kw_only=True):
    """A system that could not be asked."""

    system: str
    message: str


class Readiness(_Answer, frozen=True, kw_only=True):
    """Whether a quote could be ordered now, and every reason against it."""

    quote_id: str
    quote_revision: int
    ready: bool
    total: Amount
    faults: list[Fault] = []
    unchecked: list[Unchecked] = []
    notes: list[str] = []


class Order(_Answer, frozen=True, kw_only=True):
    """An order with its timeline, oldest entry first."""

    order_id: str
    quote_id: str
    quote_revision: int
    status: OrderStatus
    version: int
    created_at: str
    updated_at: str
    timeline: list[TimelineEntry]
    account_id: str | None = None
    legal_entity: str | None = None
    total: Amount | None = None
    tax: Amount | None = None
    erp_order_number: str | None = None
    subscription_ids: list[str] = []
    reason_code: str | None = None
    reason: str | None = None
    faults: list[Fault] = []
    delay: OrderDelay | None = None


class Credit(_Answer, frozen=True, kw_only=True):
    """A customer's credit; without a limit the ERP sets none."""

    account_id: str
    decision: CreditDecision
    reason: str
    exposure: Amount
    limit: Amount | None = None
    available: Amount | None = None


class Invoice(_Answer, frozen=True, kw_only=True):
    """A claim of the ERP or of billing."""

    source: InvoiceSource
    vendor_id: str
    status: InvoiceStatus
    total: Amount
    amount_due: Amount
    number: str | None = None
    issued_on: str | None = None
    due_on: str | None = None
    order_id: str | None = None


class InvoicePage(_Answer, frozen=True, kw_only=True):
    """Some invoices; `next_cursor` asks for those after them."""

    invoices: list[Invoice]
    next_cursor: str | None = None


class SubscriptionItem(_Answer, frozen=True, kw_only=True):
    """One recurring line."""

    sku: str
    quantity: str
    net_unit_price: Amount


class Subscription(_Answer, frozen=True, kw_only=True):
    """A subscription as billing holds it."""

    external_id: str
    status: SubscriptionStatus
    vendor_id: str | None = None
    recurrence: Recurrence | None = None
    items: list[SubscriptionItem] = []
    period_amount: Amount | None = None
    current_period_ends_at: str | None = None
    order_id: str | None = None
    billing_frequency: str | None = None
    starts_on: str | None = None


class PartStatus(StrEnum):
    """Whether a part of an overview could be read."""

    available = "available"
    unavailable = "unavailable"


class AccountPart(_Answer, frozen=True, kw_only=True):
    """Whether Salesforce could be read for the account; if not, its name is empty."""

    status: PartStatus
    reason: str | None = None


class CreditPart(_Answer, frozen=True, kw_only=True):
    """The credit; None if the ERP does not know the customer yet."""

    status: PartStatus
    reason: str | None = None
    credit: Credit | None = None


class OpenOrder(_Answer, frozen=True, kw_only=True):
    """An order that has not ended, or waits for a person."""

    order_id: str
    quote_id: str
    status: OrderStatus
    created_at: str
    total: Amount | None = None


class OrdersPart(_Answer, frozen=True, kw_only=True):
    """The open orders."""

    status: PartStatus
    reason: str | None = None
    orders: list[OpenOrder] = []


class InvoicesPart(_Answer, frozen=True, kw_only=True):
    """The unpaid invoices, and their totals per currency; not all of them unless `complete`."""

    status: PartStatus
    complete: bool
    reason: str | None = None
    invoices: list[Invoice] = []
    totals: list[Amount] = []


class SubscriptionsPart(_Answer, frozen=True, kw_only=True):
    """The running subscriptions."""

    status: PartStatus
    reason: str | None = None
    subscriptions: list[Subscription] = []


class Overview(_Answer, frozen=True, kw_only=True):
    """What every system knows of an account."""

    account_id: str
    name: str
    legal_entity: str
    credit: CreditPart
    open_orders: OrdersPart
    unpaid_invoices: InvoicesPart
    subscriptions: SubscriptionsPart
    account: AccountPart = AccountPart(status=PartStatus.available)

    @property
    def is_whole(self) -> bool:
        """Whether every part could be read."""
        parts = (self.account, self.credit, self.open_orders, self.unpaid_invoices, self.subscriptions)
        return all(part.status is PartStatus.available for part in parts)


class PreviewLine(_Answer, frozen=True, kw_only=True):
    """A quote's line, with its price in every system."""

    line_id: str
    sku: str
    description: str
    quantity: str
    recurrence: Recurrence
    quoted_unit_price: Amount
    net_unit_price: Amount
    net: Amount
    within_policy: bool
    erp_price: Amount | None = None
    billing_price: Amount | None = None
    tax: Amount | None = None
    difference_percent: str | None = None
    problem: str | None = None


class PricingPreview(_Answer, frozen=True, kw_only=True):
    """A quote's prices in every system."""

    quote_id: str
    quote_revision: int
    currency: str
    orderable: bool
    lines: list[PreviewLine]
    net: Amount
    tax: Amount | None = None
    total: Amount | None = None
    tax_jurisdiction: str | None = None
    tax_problem: str | None = None
    shipping: Amount | None = None
    problems: list[str] = []
