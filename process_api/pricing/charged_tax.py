"""The tax of an order as the systems really charge it: each may round its part differently than Quoteway."""

from decimal import Decimal
from typing import Any

from process_api.orders.checks import OrderSubmission
from process_api.pricing.amounts import accepted_net

TAX_DIFFERENCE = "taxDifference"
_CHARGING_STEPS = ("book_erp_order", "start_billing")


def order_taxed(context: OrderSubmission, step: str, difference: Decimal) -> dict[str, Any]:
    """Return the order's tax and total, once `step` has found its system's difference from the calculated tax.

    Calculated from the steps' results, not from the order, so that a repeated step counts once.
    """
    reckoned = sum((Decimal(tax) for tax in context.results["calculate_tax"]["lines"].values()), Decimal(0))
    others = (context.results.get(other, {}).get(TAX_DIFFERENCE, "0") for other in _CHARGING_STEPS if other != step)
    tax = reckoned + difference + sum((Decimal(other) for other in others), Decimal(0))
    return {"tax": tax, "total": accepted_net(context.quote).value + tax}
