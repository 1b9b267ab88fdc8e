"""A quote: the offer that becomes an order once it is accepted."""

from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from shared.canonical.money import Money
from shared.canonical.wire import (
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


class QuoteLine(Canonical, frozen=True, kw_only=True):
    """One product on a quote, at the price the customer was offered."""

    line_id: RecordId
    sku: Sku
    description: ShortText
    quantity: Quantity
    unit_price: Money
    discount_percent: Percent = "0"
    recurrence: Recurrence = Recurrence.none

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
    """An offer, in one currency, from one legal entity to one account, at one revision."""

    quote_id: RecordId
    number: ShortText
    revision: int
    status: QuoteStatus
    account_id: RecordId
    legal_entity: LegalEntityCode
    currency: CurrencyCode
    lines: list[QuoteLine]

    def one_off_lines(self) -> list[QuoteLine]:
        """The lines the ERP invoices."""
        return [line for line in self.lines if line.recurrence is Recurrence.none]

    def recurring_lines(self, recurrence: Recurrence) -> list[QuoteLine]:
        """The lines billing charges every `recurrence`."""
        return [line for line in self.lines if line.recurrence is recurrence]
