"""Vendor writes that go wrong."""

from typing import Any

from system_api.erp.tryton.sales import TrytonSales

TRYTON_SALE = r"/rest/model/sale\.sale$"
STRIPE_START = r"^/v1/subscriptions$"


async def make_without_looking_back(self: TrytonSales, external_id: str, draft: Any) -> Any:
    from system_api.erp.tryton.records import SALE_FIELDS, SaleRecord

    return await self._rest.create("sale.sale", await self._values(external_id, draft), SALE_FIELDS, SaleRecord)


async def leave_the_others(_self: TrytonSales, sales: list[Any]) -> Any:
    """The oldest live sale; nothing is done about others."""
    return next((sale for sale in sales if not sale.cancelled), sales[0] if sales else None)
