"""Orders for the fault tests, and the comparison of what was acknowledged with what the vendors hold."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.fault_proxy.control import FaultControl
from sandbox.faults.ledger import Acknowledged, Findings, Holdings, compare, read_holdings
from tests.journeys.org import Line
from tests.running_tiers import Sales

SENSOR = Line("SENSOR-TEMP", "1", "89.50")
MONTHLY = Line("MON-STD", "1", "4.90")
YEARLY = Line("SUPPORT-PREM", "1", "1200.00")
_PERIODS = {"MON-STD": "month", "SUPPORT-PREM": "year"}


@dataclass
class Ordering:
    """Submits quotes and remembers what was acknowledged."""

    sales: Sales
    acknowledged: list[Acknowledged] = field(default_factory=list)

    def faults(self, vendor: str) -> FaultControl:
        """What goes wrong on the way to a vendor."""
        return self.sales.landscape.faults(vendor)

    def quote(self, *lines: Line, account: str = "acme") -> str:
        """A new accepted quote."""
        return self.sales.org.make_quote(account, "EUR", list(lines))

    async def order(self, *lines: Line, account: str = "acme", quote_id: str | None = None) -> dict[str, Any]:
        """Submit a quote of these lines and wait for the order's end."""
        quote_id = quote_id or self.quote(*lines, account=account)
        order = await self.sales.submit_and_end(quote_id)
        self.remember(order, *lines)
        return order

    async def orders(self, count: int, *lines: Line, account: str = "acme") -> list[dict[str, Any]]:
        """Several at once."""
        return list(await asyncio.gather(*(self.order(*lines, account=account) for _ in range(count))))

    def remember(self, order: dict[str, Any], *lines: Line) -> None:
        """Count an order as acknowledged."""
        self.acknowledged.append(
            Acknowledged(
                order_id=order["orderId"],
                quote_id=order["quoteId"],
                status=order["status"],
                one_off_lines=sum(line.sku not in _PERIODS for line in lines),
                periods=tuple(_PERIODS[line.sku] for line in lines if line.sku in _PERIODS),
            )
        )

    def findings(self, events: dict[str, list[str]] | None = None) -> Findings:
        """What is wrong with the acknowledged orders, by what the vendors hold.

        `events` are those of Quoteway, where they are not in the landscape's own database.
        """
        holdings = self._own(read_holdings(self.sales.landscape))
        return compare(self.acknowledged, holdings if events is None else replace(holdings, events=events))

    def _own(self, holdings: Holdings) -> Holdings:
        """Customers are shared with the mutations of other tests, which may have doubled them: counted apart."""
        return replace(holdings, parties=defaultdict(int), billing_customers=defaultdict(int))

    def customers(self, account_id: str) -> tuple[int, int]:
        """How many parties and billing customers an account has."""
        holdings = read_holdings(self.sales.landscape)
        return holdings.parties.get(f"SF:{account_id}", 0), holdings.billing_customers.get(account_id, 0)
