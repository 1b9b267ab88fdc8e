"""Runs the system API with its search by external id switched off, so that the harness must find duplicates.

    python -m sandbox.faults.without_search        # in place of python -m system_api

This is only possible from outside, in a process that the harness starts: no setting of the product can do it. The
adapters then write to the ERP and start subscriptions without searching first, and send billing a new key each time.
"""

import importlib
import runpy
import uuid
from typing import Any


def switch_off_the_search() -> None:
    """Patch the adapters of this process. They are imported by name, since only the registry may rely on adapters."""
    sales: Any = importlib.import_module("system_api.erp.tryton.sales")
    records: Any = importlib.import_module("system_api.erp.tryton.records")
    billing: Any = importlib.import_module("system_api.billing.stripe.adapter")

    async def create_blindly(self: Any, external_id: str, draft: Any) -> Any:
        values = await self._values(external_id, draft)
        made = await self._rest.create("sale.sale", values, records.SALE_FIELDS, records.SaleRecord)
        return await self.compared(await self._advance(made, external_id, "quote"), external_id, draft)

    async def find_no_order(_self: Any, external_id: str) -> Any:
        return sales._order(None, external_id, writes=False)  # noqa: SLF001 as the adapter itself

    async def find_nothing(_self: Any, _customer: str, _external_id: str) -> list[Any]:
        return []

    sales.TrytonSales.create = create_blindly
    sales.TrytonSales.find = find_no_order
    billing.Stripe._of_customer = find_nothing  # noqa: SLF001 what is switched off
    billing.idempotency_key = lambda *_operation: uuid.uuid4().hex


if __name__ == "__main__":
    switch_off_the_search()
    runpy.run_module("system_api", run_name="__main__")
