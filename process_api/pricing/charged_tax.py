"""The tax of an order as the systems really charge it: each may round its part otherwise than Quoteway reckons."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

from process_api.quotes.amounts import accepted_net
from shared.canonical import Quote

TAX_DIFFERENCE = "taxDifference"
_CHARGING_STEPS = ("book_erp_order", "start_billing")


class TaxedContext(Protocol):
    """A flow whose tax was calculated from a quote."""

    @property
    def quote(self) -> Quote:
        """The quote."""

    @property
    def results(self) -> Mapping[str, Mapping[str, Any]]:
        """What earlier steps found, by their names."""


def order_taxed(context: TaxedContext, step: str, difference: Decimal) -> dict[str, Any]:
    """The order's tax and total, once `step` has found how far its system's tax is from what was reckoned.

    Reckoned from the steps' results, and not from the order: a step that is made again counts once.
    """
    reckoned = sum((Decimal(tax) for tax in context.results["calculate_tax"]["lines"].values()), Decimal(0))
    others = (context.results.get(other, {}).get(TAX_DIFFERENCE, "0") for other in _CHARGING_STEPS if other != step)
    tax = reckoned + difference + sum((Decimal(other) for other in others), Decimal(0))
    return {"tax": tax, "total": accepted_net(context.quote).value + tax}
