"""The tax of an order: what the systems agree on, held against what the customer accepted, and kept with the terms."""

import msgspec

from process_api.customers.tax_agreement import exempts
from process_api.engine.steps import Found
from process_api.orders.carried_terms import carried_terms
from process_api.orders.checks import OrderSubmission
from process_api.orders.readiness.faults import NotReady
from process_api.orders.readiness.prices import tax_faults
from process_api.pricing.prices_and_tax import tax_of
from shared.canonical import Money


async def calculate_tax(context: OrderSubmission) -> Found:
    """Find the jurisdiction and the tax of every line. Raises NotReady where another tax was accepted."""
    quote = context.quote
    terms = carried_terms(quote, context.rules)
    found = await tax_of(context)
    tax, total = found.tax, found.total
    faults = tax_faults(quote, tax)
    if faults:  # the ERP's rule takes another tax than the address does
        raise NotReady(faults)
    return Found(
        f"Tax is {found.taxed.amount} {quote.currency} ({tax.jurisdiction}); {total.amount} in all.",
        result={
            "code": context.edits.get("taxCode") or tax.tax_code,
            "percent": tax.percent,
            "exempt": exempts(tax),
            "place": found.place,
            "lines": {line_id: Money.of(amount, quote.currency).amount for line_id, amount in found.lines.items()},
            "terms": msgspec.to_builtins(terms),
        },
        changes={"tax": found.taxed.value, "total": total.value},
    )
