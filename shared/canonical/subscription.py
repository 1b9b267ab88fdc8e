"""Subscriptions: the recurring right to a product, charged by billing."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.canonical.money import Money
from shared.canonical.quote import Recurrence
from shared.canonical.wire import Canonical, CurrencyCode, Percent, Quantity, RecordId, ShortText, Sku

# Billing platforms take no more items in one subscription (Stripe: 20).
SUBSCRIPTION_ITEMS_MAX = 20


class SubscriptionStatus(StrEnum):
    """Where a subscription is. `absent`: billing holds none under that external id."""

    active = "active"
    trialing = "trialing"
    past_due = "past_due"
    incomplete = "incomplete"
    cancelled = "cancelled"
    absent = "absent"


class BillingCustomer(Canonical, frozen=True, kw_only=True):
    """An account as billing charges it, in one currency. `tax_exempt`: billing charges it no tax, whatever its rate."""

    account_id: RecordId
    vendor_id: RecordId
    created: bool = False
    tax_exempt: bool = False


class SubscriptionItem(Canonical, frozen=True, kw_only=True):
    """One recurring line: `net_unit_price` per unit and period, before tax."""

    sku: Sku
    quantity: Quantity
    net_unit_price: Money


class SubscriptionDraft(Canonical, frozen=True, kw_only=True):
    """A subscription to be started: all its items are charged at the same `recurrence` (month or year)."""

    account_id: RecordId
    order_id: RecordId
    customer_vendor_id: RecordId
    currency: CurrencyCode
    recurrence: Recurrence
    items: Annotated[list[SubscriptionItem], Meta(min_length=1, max_length=SUBSCRIPTION_ITEMS_MAX)]
    tax_code: ShortText
    tax_percent: Percent


class Subscription(Canonical, frozen=True, kw_only=True):
    """A subscription as billing holds it. `period_amount` is what one period costs, before tax."""

    external_id: RecordId
    status: SubscriptionStatus
    vendor_id: RecordId | None = None
    recurrence: Recurrence | None = None
    items: list[SubscriptionItem] = msgspec.field(default_factory=list)
    period_amount: Money | None = None
    current_period_ends_at: ShortText | None = None
    order_id: RecordId | None = None


class SubscriptionCancellation(Subscription, frozen=True, kw_only=True):
    """The subscription that is left under an external id, or is cancelled now.

    `cancelled_vendor_ids` are those that the call cancelled: several, where late requests had started more than one.
    """

    cancelled_vendor_ids: list[RecordId] = msgspec.field(default_factory=list)
