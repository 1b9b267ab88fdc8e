"""A quote: the offer that becomes an order once it is accepted."""

from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from shared.canonical.money import Money
from shared.canonical.wire import (
    BusinessDate,
    Canonical,
    CurrencyCode,
    LegalEntityCode,
    Percent,
    Quantity,
    RecordId,
    ShortText,
    Sku,
)

_UNIT_PRICE_STEP = Decimal("0.0001")


class QuoteStatus(StrEnum):
    """Only an accepted quote can be ordered."""

    draft = "draft"
    presented = "presented"
    accepted = "accepted"
    denied = "denied"


class Recurrence(StrEnum):
    """How often a line is charged. `none` is invoiced once, by the ERP; the others by billing."""

    none = "none"
    month = "month"
    year = "year"


class QuoteKind(StrEnum):
    """What a quote is about: a new contract, a change to one, or a further term of one."""

    new = "new"
    amendment = "amendment"
    renewal = "renewal"


class BillingFrequency(StrEnum):
    """How often recurring lines are invoiced, which need not be how often their price is stated."""

    month = "month"
    quarter = "quarter"
    year = "year"


class Contact(Canonical, frozen=True, kw_only=True):
    """A person that a quote names: whom the invoice, or the goods, go to."""

    name: ShortText | None = None
    email: ShortText | None = None
    contact_id: RecordId | None = None


class QuoteLine(Canonical, frozen=True, kw_only=True):
    """One product on a quote, at the price the customer was offered.

    `total` is what the customer accepted for the line, before tax; None where the CRM keeps no total for a line.
    `start_date` is when it is delivered or begins (RFC 3339 full date), where that differs from the quote's.
    `usage` lines are charged for what is used, at `unit_price` a unit. `changed_at` is when the line was last written.
    """

    line_id: RecordId
    sku: Sku
    description: ShortText
    quantity: Quantity
    unit_price: Money
    discount_percent: Percent = "0"
    recurrence: Recurrence = Recurrence.none
    total: Money | None = None
    start_date: BusinessDate | None = None
    usage: bool = False
    bundle_parent_id: RecordId | None = None
    changed_at: ShortText | None = None

    @property
    def net_unit_price(self) -> Money:
        """The unit price after the line's discount, to the four digits after the point that ERPs keep."""
        net = self.unit_price.value * (1 - Decimal(self.discount_percent) / 100)
        return Money.exact(net.quantize(_UNIT_PRICE_STEP, rounding=ROUND_HALF_UP), self.unit_price.currency)

    @property
    def net_amount(self) -> Money:
        """Quantity times net unit price, rounded to the currency, before tax."""
        currency = self.unit_price.currency
        return Money.of(Decimal(self.quantity) * self.net_unit_price.value, currency)


class Quote(Canonical, frozen=True, kw_only=True):
    """An offer, in one currency, from one legal entity to one account, at one revision.

    `grand_total` is what the customer accepted for everything; `shipping` and `tax` are the parts of it beside the
    lines. Each is None where the CRM keeps none. Dates are RFC 3339 full dates, times RFC 3339 UTC. `term_months` is
    how long recurring lines run at least. `invoice_owner_id` is the account that is invoiced, where it is another one.
    """

    quote_id: RecordId
    number: ShortText
    revision: int
    status: QuoteStatus
    account_id: RecordId
    legal_entity: LegalEntityCode
    currency: CurrencyCode
    lines: list[QuoteLine]
    kind: QuoteKind = QuoteKind.new
    start_date: BusinessDate | None = None
    term_months: Annotated[int, Meta(ge=1, le=1200)] | None = None
    billing_frequency: BillingFrequency | None = None
    payment_terms: ShortText | None = None
    purchase_order_number: ShortText | None = None
    bill_to: Contact | None = None
    sold_to: Contact | None = None
    invoice_owner_id: RecordId | None = None
    shipping: Money | None = None
    tax: Money | None = None
    grand_total: Money | None = None
    accepted_at: ShortText | None = None
    expires_on: BusinessDate | None = None

    def one_off_lines(self) -> list[QuoteLine]:
        """The lines the ERP invoices."""
        return [line for line in self.lines if line.recurrence is Recurrence.none]

    def recurring_lines(self, recurrence: Recurrence) -> list[QuoteLine]:
        """The lines billing charges every `recurrence`."""
        return [line for line in self.lines if line.recurrence is recurrence]
