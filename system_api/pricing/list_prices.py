"""List prices of ERP and billing, combined from the two adapters, which do not know each other."""

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
        """Return each of `skus` with its price in either system, in the order asked; None where a system does not sell
        it.

        `recurrences` says how products are to be sold: billing is only asked for those that recur; if none does, no
        billing needs to be connected. The ERP is asked for all, since it lists what billing charges.

        Raises Unavailable or Rejected as the adapters do: half a list could pass for a complete one.
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
    """Return what to ask billing for: each recurring product with its periods."""
    wanted = {sku: tuple(each for each in _PERIODS if each in recurrences.get(sku, _PERIODS)) for sku in skus}
    return {sku: periods for sku, periods in wanted.items() if periods}


def prices_of(sku: str, in_erp: SoldProduct | None, billing: Mapping[tuple[str, Recurrence], Money]) -> list[ListPrice]:
    """Return a product's prices, one for each recurrence at which billing sells it.

    The ERP has one price. It is listed with the recurrence that it is for, or with each if it is for none of them.
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
