"""List prices of ERP and billing side by side: made from the two adapters, which know nothing of each other."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from shared.canonical import ListPrice, Money, PriceList, Recurrence
from system_api.billing.contract import Billing
from system_api.erp.contract import Erp, SoldProduct
from system_api.vendor.parallel_reads import parallel_reads

_PERIODS = (Recurrence.month, Recurrence.year)


@dataclass(frozen=True)
class ListPrices:
    """The list prices of one legal entity."""

    erp: Erp
    billing: Callable[[], Billing]

    async def look_up(
        self, skus: list[str], currency: str, recurrences: Mapping[str, Collection[Recurrence]] | None = None
    ) -> PriceList:
        """Each of `skus` with its price in either system, in the order asked; None where a system does not sell it.

        `recurrences` says how products are to be sold: of those it names, billing is asked for what recurs only, and
        where nothing does, none needs to be connected. The ERP is asked for each, since it lists what billing charges.

        Raises Unavailable or Rejected as the adapters do: half a list could pass for a whole one.
        """
        periods = _periods_of(skus, recurrences or {})
        async with parallel_reads() as reads:
            erp = reads.create_task(self.erp.list_prices(skus, currency))
            billing = reads.create_task(self.billing().list_prices(periods, currency)) if periods else None
        one_off, recurring = erp.result(), billing.result() if billing is not None else {}
        prices = [price for sku in skus for price in prices_of(sku, one_off.get(sku), recurring)]
        return PriceList(currency=currency, prices=prices)


def _periods_of(
    skus: list[str], recurrences: Mapping[str, Collection[Recurrence]]
) -> dict[str, tuple[Recurrence, ...]]:
    """What billing is to be asked for: each product that recurs, with its periods."""
    wanted = {sku: tuple(each for each in _PERIODS if each in recurrences.get(sku, _PERIODS)) for sku in skus}
    return {sku: periods for sku, periods in wanted.items() if periods}


def prices_of(sku: str, in_erp: SoldProduct | None, billing: Mapping[tuple[str, Recurrence], Money]) -> list[ListPrice]:
    """A product's prices, one for each recurrence at which billing sells it.

    The ERP has one price. It stands beside the recurrence whose price it is; where it is that of none, beside each.
    """
    erp, digits = (in_erp.price, in_erp.quantity_digits) if in_erp is not None else (None, None)
    sold = {period: billing[sku, period] for period in _PERIODS if (sku, period) in billing}
    if not sold:
        return [ListPrice(sku=sku, erp=erp, quantity_digits=digits)]
    agreeing = [period for period, price in sold.items() if price == erp] or list(sold)
    return [
        ListPrice(
            sku=sku,
            erp=erp if period in agreeing else None,
            billing=price,
            billing_recurrence=period,
            quantity_digits=digits,
        )
        for period, price in sold.items()
    ]
