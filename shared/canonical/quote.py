"""A quote: the offer that becomes an order once it is accepted."""

from decimal import ROUND_HALF_UP, Decimal, localcontext
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from shared.canonical.money import Money, minor_units
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
# Quantity, price and discount have 42 digits together: their product is exact.
_DIGITS = 50


class QuoteStatus(StrEnum):
    """The status of a quote. Only an accepted one can be ordered."""

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
    """The purpose of a quote: a new contract, a change to one, or a further term of one."""

    new = "new"
    amendment = "amendment"
    renewal = "renewal"


class BillingFrequency(StrEnum):
    """How often recurring lines are invoiced. Their prices may be stated for another period."""

    month = "month"
    quarter = "quarter"
    year = "year"


class Contact(Canonical, frozen=True, kw_only=True):
    """A person named in a quote: the recipient of the invoice or of the goods."""

    name: ShortText | None = None
    email: ShortText | None = None
    contact_id: RecordId | None = None


class QuoteLine(Canonical, frozen=True, kw_only=True):
    """One product on a quote, at the price the customer was offered.

    `total` is what the customer accepted for the line, before tax; None if the CRM stores no total. `start_date` is the
    day of delivery or start (RFC 3339 full date), if it differs from the quote's. `usage` lines are charged by
    consumption, at `unit_price` a unit. A recurring line `in_arrears` is charged after each period, others before.
    `changed_at` is when the line was last written.
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
    in_arrears: bool = False
    bundle_parent_id: RecordId | None = None
    changed_at: ShortText | None = None

    @property
    def net_amount(self) -> Money:
        """Return what the customer accepted for the line, before tax: its total, else the product rounded once, half
        up.
        """
        if self.total is not None:
            return self.total
        return Money.of(self._product, self.unit_price.currency)

    @property
    def net_unit_price(self) -> Money:
        """Return the unit price after the discount, with four decimals, for display and for comparison with a list.

        If the accepted total differs from quantity times price by more than rounding, this is the total's share per
        unit.
        """
        quantity, price, currency = Decimal(self.quantity), self._exact_unit_price, self.unit_price.currency
        if quantity and abs(self.net_amount.value - self._product) > Decimal(1).scaleb(-minor_units(currency)):
            price = self.net_amount.value / quantity
        return Money.exact(price.quantize(_UNIT_PRICE_STEP, rounding=ROUND_HALF_UP), currency)

    @property
    def _exact_unit_price(self) -> Decimal:
        with localcontext(prec=_DIGITS):
            return self.unit_price.value * (1 - Decimal(self.discount_percent) / 100)

    @property
    def _product(self) -> Decimal:
        with localcontext(prec=_DIGITS):
            return Decimal(self.quantity) * self._exact_unit_price


class Quote(Canonical, frozen=True, kw_only=True):
    """An offer, in one currency, from one legal entity to one account, at one revision.

    `grand_total` is what the customer accepted for everything; `shipping` and `tax` are its parts beside the lines.
    Each is None if the CRM stores none. Dates are RFC 3339 full dates, times RFC 3339 UTC. `term_months` is the minimum
    term of recurring lines. `invoice_owner_id` is the account that is invoiced, if it is another one.
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
        """Return the lines the ERP invoices."""
        return [line for line in self.lines if line.recurrence is Recurrence.none]

    def recurring_lines(self, recurrence: Recurrence) -> list[QuoteLine]:
        """Return the lines billing charges every `recurrence`."""
        return [line for line in self.lines if line.recurrence is recurrence]
