"""Checks that the invoicing systems sell the lines, at a price within the policy, and that tax can be calculated."""

from decimal import Decimal

from process_api.orders.readiness.examination import BILLING, ERP, Examination
from process_api.orders.readiness.faults import line_fault
from process_api.quotes.readiness_fault import ReadinessFault
from shared.canonical import Quote, Recurrence, TaxCalculation
from shared.canonical.money import minor_units


async def list_prices(exam: Examination) -> list[ReadinessFault]:
    """Check that each line's product is sold, and its price is within the discount policy."""
    quote, listed = exam.quote, await exam.prices()
    faults = []
    for line in quote.lines:
        difference, problem = exam.policy.judge(line, listed.price_for(line.sku, line.recurrence))
        if problem is not None:
            code, field = ("unknown_product", "sku") if difference is None else ("price_outside_policy", "unitPrice")
            system = ERP if line.recurrence is Recurrence.none else BILLING
            faults.append(line_fault(quote, line, code, problem, field, system))
    return faults


async def quantities(exam: Examination) -> list[ReadinessFault]:
    """Check that the ERP's unit of each product allows the quantity of its line, which the ERP does not round."""
    quote, listed = exam.quote, await exam.prices()
    faults = []
    for line in quote.one_off_lines():
        sold = listed.price_for(line.sku, line.recurrence)
        digits = sold.quantity_digits if sold is not None else None
        if digits is None or Decimal(line.quantity) == round(Decimal(line.quantity), digits):
            continue
        if digits == 0:
            code, unit = "quantity_not_whole", "the ERP sells whole units"
        else:
            code, unit = "quantity_too_fine", f"the ERP sells it to {digits} digit{'s'[: digits > 1]} behind the point"
        faults.append(line_fault(quote, line, code, f"{line.quantity} of it cannot be sold, {unit}.", "quantity", ERP))
    return faults


async def tax(exam: Examination) -> list[ReadinessFault]:
    """Check that tax can be calculated: a refusal of the tax engine becomes a fault as it is."""
    found = await exam.tax()
    return [] if found is None else tax_faults(exam.quote, found)


def tax_faults(quote: Quote, tax: TaxCalculation) -> list[ReadinessFault]:
    """Check that the customer accepted the tax that is due, except for rounding.

    A quote without tax was accepted before tax.
    """
    if quote.tax is None or not quote.tax.value:
        return []
    taxed = len(tax.lines) if Decimal(tax.percent) else 0  # nothing is rounded where nothing is taxed
    rounding = Decimal(taxed).scaleb(-minor_units(quote.currency))
    if abs(quote.tax.value - tax.total.value) <= rounding:
        return []
    message = (
        f"The customer accepted quote {quote.number} with {quote.tax.amount} {quote.tax.currency} of tax, but "
        f"{tax.total.amount} {tax.total.currency} is due ({tax.jurisdiction})."
    )
    return [ReadinessFault(code="tax_differs", message=message, field="tax")]
