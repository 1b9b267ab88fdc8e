"""Stripe's objects in its API (2025-03-31.basil and later), and their conversion to the canonical model.

Quoteway stores its own identifiers in metadata, under the keys below.
"""

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec

from shared.canonical import (
    BillingFrequency,
    BookedLine,
    Invoice,
    InvoiceSource,
    InvoiceStatus,
    Money,
    Recurrence,
    Subscription,
    SubscriptionItem,
    SubscriptionStatus,
)
from system_api.billing.stripe.api import Page
from system_api.billing.stripe.money import UNIT_AMOUNT_DIGITS, from_minor_units, shown_unit_price
from system_api.vendor.decimals import plain
from system_api.vendor.line_prices import LinePart, LineRule

ACCOUNT_ID = "quoteway_account_id"
CURRENCY = "quoteway_currency"
EXTERNAL_ID = "quoteway_external_id"
ORDER_ID = "quoteway_order_id"
SKU = "quoteway_sku"
LINE_ID = "quoteway_line_id"
STARTS_ON = "quoteway_starts_on"
TERM_MONTHS = "quoteway_term_months"
PO_NUMBER = "quoteway_purchase_order"
TAX_CODE = "quoteway_tax_code"
LINE_RULE = LineRule(digits=UNIT_AMOUNT_DIGITS, coin=Decimal(1), rounding=ROUND_HALF_UP)
"""How Stripe computes an amount in minor units from a quantity and a price."""

INTERVALS = {
    BillingFrequency.month: ("month", 1),
    BillingFrequency.quarter: ("month", 3),
    BillingFrequency.year: ("year", 1),
}
"""Stripe's interval for each billing frequency."""

_FREQUENCIES = {interval: frequency for frequency, interval in INTERVALS.items()}
_STATUSES = {
    "active": SubscriptionStatus.active,
    "trialing": SubscriptionStatus.trialing,
    "past_due": SubscriptionStatus.past_due,
    "unpaid": SubscriptionStatus.past_due,
    "incomplete": SubscriptionStatus.incomplete,
    "paused": SubscriptionStatus.incomplete,
    "canceled": SubscriptionStatus.cancelled,
    "incomplete_expired": SubscriptionStatus.cancelled,
}


class Recurring(msgspec.Struct, frozen=True):
    """How often a price is charged, and whether by quantity (`licensed`) or by usage (`metered`)."""

    interval: str
    interval_count: int = 1
    usage_type: str = "licensed"


class PriceRecord(msgspec.Struct, frozen=True):
    """A price. `unit_amount_decimal` is in minor units, and may be a fraction of one."""

    id: str
    currency: str
    product: str
    unit_amount_decimal: Decimal | None = None
    recurring: Recurring | None = None
    lookup_key: str | None = None
    metadata: dict[str, str] = {}
    billing_scheme: str = "per_unit"
    transform_quantity: dict[str, Any] | None = None

    @property
    def is_by_the_unit(self) -> bool:
        """Whether it is a fixed amount per unit: no tiers, packages, usage or amount of the customer's choice."""
        return (
            self.unit_amount_decimal is not None
            and self.billing_scheme == "per_unit"
            and self.transform_quantity is None
            and (self.recurring is None or self.recurring.usage_type == "licensed")
        )

    @property
    def recurrence(self) -> Recurrence | None:
        """Month or year; None for a price charged once, or at another interval."""
        if self.recurring is None or self.recurring.interval_count != 1:
            return None
        return {"month": Recurrence.month, "year": Recurrence.year}.get(self.recurring.interval)

    @property
    def billing_frequency(self) -> BillingFrequency | None:
        """The canonical billing frequency; None for another interval."""
        if self.recurring is None:
            return None
        return _FREQUENCIES.get((self.recurring.interval, self.recurring.interval_count))

    @property
    def unit_amount(self) -> Decimal:
        """The price of a unit in minor units. Raises ArithmeticError if Stripe gives none (tiers)."""
        if self.unit_amount_decimal is None:
            raise ArithmeticError(f"price {self.id} has no amount per unit")
        return self.unit_amount_decimal

    @property
    def amount(self) -> Money:
        """The price of a unit as money, rounded. Raises ArithmeticError as `unit_amount`."""
        return shown_unit_price(self.unit_amount, self.currency.upper())

    def charges(self, quantity: int) -> Decimal:
        """Return the price of so many units in minor units, rounded as Stripe does: per line, half up."""
        return LINE_RULE.amount(LinePart(Decimal(quantity), self.unit_amount))


class TaxRateRecord(msgspec.Struct, frozen=True):
    """A tax rate. `percentage` never changes; a rate with a flat amount has none."""

    id: str
    percentage: Decimal | None
    active: bool = True
    inclusive: bool = False
    metadata: dict[str, str] = {}


class ItemRecord(msgspec.Struct, frozen=True):
    """A subscription's item; one charged by usage has no quantity. `current_period_end` is in Unix seconds."""

    id: str
    price: PriceRecord
    quantity: int | None = None
    current_period_end: int | None = None
    metadata: dict[str, str] = {}

    @property
    def sku(self) -> str:
        """The SKU: from our metadata, else from the catalogue's price, else Stripe's product."""
        return self.metadata.get(SKU) or self.price.metadata.get("sku") or self.price.product

    @property
    def line_id(self) -> str | None:
        """The quote's line that it charges, if Quoteway created it."""
        return self.metadata.get(LINE_ID)

    def amount_in(self, currency: str) -> Money | None:
        """Return the price of one period; None if it is not per unit, or not in that currency.

        A price in several currencies shows the amount in its first one, whatever the subscription is charged in.
        """
        price = self.price
        if self.quantity is None or not price.is_by_the_unit or price.currency.upper() != currency:
            return None
        return from_minor_units(price.charges(self.quantity), currency)


class SubscriptionRecord(msgspec.Struct, frozen=True):
    """A subscription with all of its items."""

    id: str
    status: str
    customer: str
    currency: str
    items: Page[ItemRecord]
    metadata: dict[str, str] = {}
    default_tax_rates: list[TaxRateRecord] | None = None
    created: int = 0
    latest_invoice: str | None = None

    @property
    def ended(self) -> bool:
        """Whether it is cancelled, or never started."""
        return _STATUSES.get(self.status) is SubscriptionStatus.cancelled


class _SubscriptionDetails(msgspec.Struct, frozen=True):
    metadata: dict[str, str] | None = None


class _Parent(msgspec.Struct, frozen=True):
    subscription_details: _SubscriptionDetails | None = None


class _Transitions(msgspec.Struct, frozen=True):
    finalized_at: int | None = None


class ChargedTax(msgspec.Struct, frozen=True):
    """A tax that an invoice charges, in minor units."""

    amount: int


class ChargedInvoiceRecord(msgspec.Struct, frozen=True):
    """An invoice's charges, in minor units. `total_excluding_tax` is after discounts."""

    id: str
    currency: str
    total_excluding_tax: int | None = None
    total_taxes: list[ChargedTax] | None = None


class InvoiceRecord(msgspec.Struct, frozen=True):
    """An invoice; amounts are in minor units."""

    id: str
    currency: str
    total: int
    amount_remaining: int
    status: str | None = None
    number: str | None = None
    due_date: int | None = None
    pre_payment_credit_notes_amount: int = 0
    post_payment_credit_notes_amount: int = 0
    parent: _Parent | None = None
    status_transitions: _Transitions = _Transitions()

    @property
    def creditable(self) -> int:
        """The amount that is not credited yet."""
        return self.total - self.pre_payment_credit_notes_amount - self.post_payment_credit_notes_amount


class _EventObject(msgspec.Struct, frozen=True):
    object: str
    metadata: dict[str, str] | None = None
    parent: _Parent | None = None


class _EventData(msgspec.Struct, frozen=True):
    object: _EventObject


class EventRecord(msgspec.Struct, frozen=True):
    """An event. It only tells whose record it is about: the record itself may be out of date."""

    id: str
    type: str
    data: _EventData

    @property
    def subscription_external_id(self) -> str | None:
        """Our id of the event's subscription, or of its invoice's subscription."""
        subject = self.data.object
        if subject.object == "subscription":
            metadata = subject.metadata
        elif subject.object == "invoice" and subject.parent and subject.parent.subscription_details:
            metadata = subject.parent.subscription_details.metadata
        else:
            metadata = None
        return (metadata or {}).get(EXTERNAL_ID)


def subscription_of(record: SubscriptionRecord) -> Subscription:
    """Return the subscription. One that Quoteway did not start has Stripe's own id."""
    currency = record.currency.upper()
    items, amounts = record.items.data, [item.amount_in(currency) for item in record.items.data]
    shown = [(item, amount) for item, amount in zip(items, amounts, strict=True) if amount is not None]
    whole = len(shown) == len(items)
    ends = [item.current_period_end for item in items if item.current_period_end is not None]
    return Subscription(
        external_id=record.metadata.get(EXTERNAL_ID) or record.id,
        # A status that Stripe has added since: neither surely charged nor ended.
        status=_STATUSES.get(record.status, SubscriptionStatus.incomplete),
        vendor_id=record.id,
        recurrence=items[0].price.recurrence if items else None,
        items=[
            SubscriptionItem(
                sku=item.sku, quantity=plain(Decimal(item.quantity or 0)), net_unit_price=item.price.amount
            )
            for item, _ in shown
        ],
        period_amount=Money.of(sum((each.value for _, each in shown), Decimal(0)), currency) if whole else None,
        current_period_ends_at=_moment(max(ends)) if ends else None,
        order_id=record.metadata.get(ORDER_ID),
        billing_frequency=items[0].price.billing_frequency if items else None,
        starts_on=record.metadata.get(STARTS_ON),
        lines=[
            BookedLine(line_id=item.line_id, net_amount=amount) for item, amount in shown if item.line_id is not None
        ],
        items_not_shown=len(items) - len(shown),
    )


class _Bare(msgspec.Struct, frozen=True):
    """The owner and status of a subscription that cannot be read otherwise."""

    id: str
    status: str
    items: Any = None


def bare_subscription_of(content: bytes) -> Subscription | None:
    """Return what can be read of another program's subscription; None if it has ended."""
    record = msgspec.json.decode(content, type=_Bare)
    status = _STATUSES.get(record.status, SubscriptionStatus.incomplete)
    if status is SubscriptionStatus.cancelled:
        return None
    listed = record.items.get("data") if isinstance(record.items, dict) else None
    count = len(listed) if isinstance(listed, list) else 0
    return Subscription(external_id=record.id, vendor_id=record.id, status=status, items_not_shown=max(1, count))


def invoice_of(record: InvoiceRecord) -> Invoice:
    """Return the invoice. `amount_due` is what is left to pay; nothing for a void one."""
    status = InvoiceStatus(record.status or "draft")
    details = record.parent.subscription_details if record.parent else None
    finalized_at = record.status_transitions.finalized_at
    currency = record.currency.upper()
    return Invoice(
        source=InvoiceSource.billing,
        vendor_id=record.id,
        status=status,
        total=from_minor_units(record.total, currency),
        amount_due=from_minor_units(0 if status is InvoiceStatus.void else record.amount_remaining, currency),
        number=record.number,
        issued_on=None if finalized_at is None else _day(finalized_at).isoformat(),
        due_on=None if record.due_date is None else _day(record.due_date).isoformat(),
        order_id=(details.metadata or {}).get(ORDER_ID) if details else None,
    )


def _moment(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat().replace("+00:00", "Z")


def _day(unix_s: int) -> date:
    return datetime.fromtimestamp(unix_s, UTC).date()
