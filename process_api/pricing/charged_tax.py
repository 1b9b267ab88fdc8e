"""The tax of an order: what the customer accepted, and what the systems really charge.

There is one tolerance, of one of the currency's smallest coins for each tax line, and it counts from the accepted tax.
The CRM, ERP and billing each round in their own way. Were each of them allowed to differ from what Quoteway reckons, an
order could be charged two coins a line more than was accepted (docs/decisions/0101).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

from process_api.quotes.amounts import accepted_net
from shared.canonical import Quote, TaxCalculation
from shared.canonical.money import minor_units

TAX_DIFFERENCE = "taxDifference"
_CHARGING_STEPS = ("book_erp_order", "start_billing")


def accepted_taxes(quote: Quote, tax: TaxCalculation) -> dict[str, Decimal]:
    """The tax of each line that ERP and billing are held to, which comes to what the customer accepted.

    Where the quote was accepted with another tax than was calculated, by rounding (`tax_faults`), the difference is
    shared out, a coin a line. A quote that was accepted before tax is held to what was calculated.
    """
    taxes = {line.line_id: line.tax.value for line in tax.lines if line.tax is not None}
    if quote.tax is None or not quote.tax.value:
        return taxes
    coin = Decimal(1).scaleb(-minor_units(quote.currency))
    left = quote.tax.value - tax.total.value
    for line_id in taxes:
        if abs(left) < coin:
            break
        step = coin.copy_sign(left)
        taxes[line_id] += step
        left -= step
    return taxes


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

    Calculated from the steps' results, not from the order, so that a repeated step counts once.
    """
    reckoned = sum((Decimal(tax) for tax in context.results["calculate_tax"]["lines"].values()), Decimal(0))
    others = (context.results.get(other, {}).get(TAX_DIFFERENCE, "0") for other in _CHARGING_STEPS if other != step)
    tax = reckoned + difference + sum((Decimal(other) for other in others), Decimal(0))
    return {"tax": tax, "total": accepted_net(context.quote).value + tax}
