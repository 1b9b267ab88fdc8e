"""The prices and the tax of an order, as the systems that will invoice it reckon them."""

from process_api.steps import Found
from process_api.workflows.amounts import sum_of
from process_api.workflows.customers import customer_draft
from process_api.workflows.order_checks import OrderSubmission
from shared.canonical import MoneyError, TaxedLine, TaxRequest
from shared.problem import Rejected


async def align_prices(context: OrderSubmission) -> Found:
    """Hold every line against the list price of the system that will invoice it."""
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
        buyer=customer_draft(account, quote).address,
        buyer_vat_id=account.vat_id,
        lines=[TaxedLine(line_id=line.line_id, net=line.net_amount) for line in quote.lines],
    )
    tax = await context.system.calculate_tax(context.tenant, request)
    try:
        total = sum_of(quote.lines, quote.currency) + tax.total
    except MoneyError as error:
        raise Rejected(
            f"The amounts of quote {quote.number} are too large.", reason_code="amounts_too_large"
        ) from error
    return Found(
        f"Tax is {tax.total.amount} {quote.currency} ({tax.jurisdiction}); {total.amount} in all.",
        result={
            "code": context.edits.get("taxCode") or tax.tax_code,
            "percent": tax.percent,
            "lines": {line.line_id: line.tax.amount for line in tax.lines if line.tax is not None},
        },
        order={"tax": tax.total.value, "total": total.value},
    )
