"""List prices and tax."""

from typing import Annotated

from msgspec import Meta

from shared.canonical.account import Address
from shared.canonical.money import Money
from shared.canonical.quote import Recurrence
from shared.canonical.wire import Canonical, CurrencyCode, LegalEntityCode, Percent, RecordId, ShortText, Sku


class ListPrice(Canonical, frozen=True, kw_only=True):
    """A product's price in each system; None for a system that does not sell the product.

    `quantity_digits` is the number of decimals that the ERP's unit allows in a quantity; None if it sets no limit or
    does not sell the product.
    """

    sku: Sku
    erp: Money | None = None
    billing: Money | None = None
    billing_recurrence: Recurrence | None = None
    quantity_digits: Annotated[int, Meta(ge=0, le=12)] | None = None


class PriceList(Canonical, frozen=True, kw_only=True):
    """The prices, in the order in which they were asked for.

    A product that billing sells by the month and by the year appears twice.
    """

    currency: CurrencyCode
    prices: list[ListPrice]

    def price_for(self, sku: str, recurrence: Recurrence) -> ListPrice | None:
        """Return the prices to compare a line of that product and recurrence with; None if the list has none."""
        listed = [price for price in self.prices if price.sku == sku]
        if recurrence is Recurrence.none:
            fitting = [price for price in listed if price.erp is not None]
        else:
            fitting = [price for price in listed if price.billing_recurrence is recurrence]
        return next(iter([*fitting, *listed]), None)


class TaxedLine(Canonical, frozen=True, kw_only=True):
    """A line's net amount; in an answer also its tax, rounded per line."""

    line_id: RecordId
    net: Money
    tax: Money | None = None


class TaxRequest(Canonical, frozen=True, kw_only=True):
    """A request for the tax that `legal_entity` owes when it sells these lines to a buyer at that address."""

    legal_entity: LegalEntityCode
    buyer: Address
    buyer_vat_id: ShortText | None = None
    # 500 of the quote's, and shipping.
    lines: Annotated[list[TaxedLine], Meta(min_length=1, max_length=501)]


class TaxCalculation(Canonical, frozen=True, kw_only=True):
    """The tax of each line, and the jurisdiction that it is owed in."""

    tax_code: ShortText
    jurisdiction: ShortText
    percent: Percent
    lines: list[TaxedLine]
    total: Money
