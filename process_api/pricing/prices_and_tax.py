"""The prices and the tax of an order, as calculated by the systems that will invoice it."""

import msgspec

from process_api.customers.drafts import customer_draft
from process_api.customers.ensure import place_of
from process_api.customers.tax_agreement import agree_on_tax, exempts
from process_api.engine.steps import Found
from process_api.orders.carried_terms import carried_terms
from process_api.orders.checks import OrderSubmission
from process_api.orders.readiness.faults import NotReady
from process_api.orders.readiness.prices import tax_faults
from process_api.pricing.amounts import accepted_net, taxed_lines
from shared.canonical import MoneyError, TaxRequest
from shared.problem import Rejected


async def align_prices(context: OrderSubmission) -> Found:
    """Compare every line with the list price of the system that will invoice it."""
    quote = context.quote
    listed = await context.system.look_up_prices(context.tenant, quote)
    unsold: list[str] = []
    outside: list[str] = []
    for line in quote.lines:
        difference, problem = context.policy.judge(line, listed.price_for(line.sku, line.recurrence))
        if problem is not None:
            (unsold if difference is None else outside).append(problem)
    if unsold:
        raise Rejected(" ".join(unsold), reason_code="unknown_product")
    if outside:
        raise Rejected(" ".join(outside), reason_code="price_outside_policy")
    return Found(f"All {len(quote.lines)} prices are within policy.")


async def calculate_tax(context: OrderSubmission) -> Found:
    """Find the jurisdiction, and the tax of every line."""
    account = await context.account()
    quote = context.quote
    request = TaxRequest(
        legal_entity=quote.legal_entity,
        buyer=customer_draft(account, quote, context.rules).address,
        buyer_vat_id=account.vat_id,
        lines=taxed_lines(quote),
    )
    terms = carried_terms(quote, context.rules)
    tax = await agree_on_tax(context, account, await context.system.calculate_tax(context.tenant, request))
    try:
        total = accepted_net(quote) + tax.total
    except MoneyError as error:
        raise Rejected(
            f"The amounts of quote {quote.number} are too large.", reason_code="amounts_too_large"
        ) from error
    faults = tax_faults(quote, tax)
    if faults:  # the ERP's rule applies another tax than the address
        raise NotReady(faults)
    return Found(
        f"Tax is {tax.total.amount} {quote.currency} ({tax.jurisdiction}); {total.amount} in all.",
        result={
            "code": context.edits.get("taxCode") or tax.tax_code,
            "percent": tax.percent,
            "exempt": exempts(tax),
            "place": place_of(account),
            "lines": {line.line_id: line.tax.amount for line in tax.lines if line.tax is not None},
            "terms": msgspec.to_builtins(terms),
        },
        changes={"tax": tax.total.value, "total": total.value},
    )
