"""List prices of ERP and billing side by side: made from the two adapters, which know nothing of each other."""

from dataclasses import dataclass

from shared.canonical import ListPrice, PriceList
from system_api.billing.contract import Billing
from system_api.erp.contract import Erp
from system_api.side_by_side import side_by_side


@dataclass(frozen=True)
class ListPrices:
    """The list prices of one legal entity."""

    erp: Erp
    billing: Billing

    async def look_up(self, skus: list[str], currency: str) -> PriceList:
        """Each of `skus` with its price in either system, in the order asked; None where a system does not sell it.

        Raises Unavailable or Rejected as the adapters do: half a list could pass for a whole one.
        """
        async with side_by_side() as reads:
            erp = reads.create_task(self.erp.list_prices(skus, currency))
            billing = reads.create_task(self.billing.list_prices(skus, currency))
        one_off, recurring = erp.result(), billing.result()
        prices = []
        for sku in skus:
            price, recurrence = recurring.get(sku, (None, None))
            prices.append(ListPrice(sku=sku, erp=one_off.get(sku), billing=price, billing_recurrence=recurrence))
        return PriceList(currency=currency, prices=prices)
