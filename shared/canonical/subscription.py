"""Subscriptions: the recurring right to a product, charged by billing."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from shared.canonical.money import Money
from shared.canonical.order import BookedLine
from shared.canonical.quote import BillingFrequency, Recurrence
from shared.canonical.wire import BusinessDate, Canonical, CurrencyCode, Percent, Quantity, RecordId, ShortText, Sku

# Billing platforms take no more items in one subscription (Stripe: 20).
SUBSCRIPTION_ITEMS_MAX = 20


class SubscriptionStatus(StrEnum):
    """The status of a subscription. `absent`: billing has none under that external id."""

    active = "active"
    trialing = "trialing"
    past_due = "past_due"
    incomplete = "incomplete"
    cancelled = "cancelled"
    absent = "absent"


class Collection(StrEnum):
    """How an invoice is paid: it is sent to the customer, or billing charges the customer's payment method."""

    send_invoice = "send_invoice"
    charge_automatically = "charge_automatically"


class BillingCustomer(Canonical, frozen=True, kw_only=True):
    """An account as billing charges it, in one currency. `tax_exempt`: billing charges it no tax at all.

    `has_payment_method`: whether billing could charge it without sending an invoice; None if unknown.
    """

    account_id: RecordId
    vendor_id: RecordId
    created: bool = False
    tax_exempt: bool = False
    has_payment_method: bool | None = None


class SubscriptionItem(Canonical, frozen=True, kw_only=True):
    """One recurring line: `net_unit_price` per unit and period, before tax."""

    sku: Sku
    quantity: Quantity
    net_unit_price: Money


class SubscriptionLine(SubscriptionItem, frozen=True, kw_only=True):
    """One recurring line to be charged. `net_unit_price` is per period of its recurrence, for display only.

    `net_amount` is the line's amount on each invoice: what the customer accepted for a period of its recurrence, times
    the periods per invoice. Without it, quantity times price, rounded half up. `line_id` is the quote's.
    """

    line_id: RecordId | None = None
    net_amount: Money | None = None

    @property
    def net(self) -> Money:
        """Return the line's amount on each invoice, before tax."""
        if self.net_amount is not None:
            return self.net_amount
        price = self.net_unit_price
        return Money.of(Decimal(self.quantity) * price.value, price.currency)


class SubscriptionDraft(Canonical, frozen=True, kw_only=True):
    """A subscription to be started. All its prices have the same `recurrence` (month or year).

    `billing_frequency` is how often it is invoiced, by default as often as its prices are charged. It begins on
    `starts_on`, which is the moment `starts_at` (RFC 3339, UTC) in the legal entity's time zone, or at once; nothing is
    charged before. `timezone` (of the IANA's names) says which day it is where one begins at once. `term_months` is how
    long it runs at least. `days_until_due` and `collection` are how it is paid.
    """

    account_id: RecordId
    order_id: RecordId
    customer_vendor_id: RecordId
    currency: CurrencyCode
    recurrence: Recurrence
    items: Annotated[list[SubscriptionLine], Meta(min_length=1, max_length=SUBSCRIPTION_ITEMS_MAX)]
    tax_code: ShortText
    tax_percent: Percent
    billing_frequency: BillingFrequency | None = None
    starts_on: BusinessDate | None = None
    starts_at: ShortText | None = None
    timezone: ShortText | None = None
    # See the process tier's intents: what a flow under way has recorded says nothing of these.
    later_fields: ClassVar[tuple[str, ...]] = ("timezone",)
    term_months: Annotated[int, Meta(ge=1, le=1200)] | None = None
    days_until_due: Annotated[int, Meta(ge=0, le=730)] = 30
    collection: Collection = Collection.send_invoice
    purchase_order_number: ShortText | None = None


class Subscription(Canonical, frozen=True, kw_only=True):
    """A subscription as billing holds it. `period_amount` is the amount of one invoice, before tax.

    `lines` has the amount of each of the quote's lines, if Quoteway started the subscription. `tax` is what billing
    charged on the latest invoice, if that invoice is for a whole period. `starts_on` is the agreed first day; until
    then it is `trialing`. `items_not_shown` counts items of others that are not charged by the unit (tiers, packages,
    usage) or cannot be read: then there is no `period_amount` either.
    """

    external_id: RecordId
    status: SubscriptionStatus
    vendor_id: RecordId | None = None
    recurrence: Recurrence | None = None
    items: list[SubscriptionItem] = msgspec.field(default_factory=list)
    period_amount: Money | None = None
    current_period_ends_at: ShortText | None = None
    order_id: RecordId | None = None
    billing_frequency: BillingFrequency | None = None
    starts_on: BusinessDate | None = None
    lines: list[BookedLine] = msgspec.field(default_factory=list)
    tax: Money | None = None
    items_not_shown: Annotated[int, Meta(ge=0)] = 0


class SubscriptionCancellation(Subscription, frozen=True, kw_only=True):
    """The subscription left under an external id, or cancelled by this call.

    `cancelled_vendor_ids` are those that the call cancelled: more than one if late requests had started duplicates.
    """

    cancelled_vendor_ids: list[RecordId] = msgspec.field(default_factory=list)
