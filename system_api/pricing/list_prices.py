"""List prices of ERP and billing side by side: made from the two adapters, which know nothing of each other."""

import asyncio
from dataclasses import dataclass

from shared.canonical import ListPrice, PriceList
from system_api.billing.contract import Billing
from system_api.erp.contract import Erp


@dataclass(frozen=True)
class ListPrices:
    """The list prices of one legal entity."""

    erp: Erp
    billing: Billing

    async def look_up(self, skus: list[str], currency: str) -> PriceList:
        """Each of `skus` with its price in either system, in the order asked; None where a system does not sell it.

        Raises Unavailable or Rejected as the adapters do: half a list could pass for a whole one.
        """
        erp, billing = await asyncio.gather(
            self.erp.list_prices(skus, currency), self.billing.list_prices(skus, currency)
        )
        prices = []
        for sku in skus:
            recurring, recurrence = billing.get(sku, (None, None))
            prices.append(ListPrice(sku=sku, erp=erp.get(sku), billing=recurring, billing_recurrence=recurrence))
        return PriceList(currency=currency, prices=prices)
