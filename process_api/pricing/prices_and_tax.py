"""The prices and the tax of a quote, as the systems that will invoice it reckon them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from process_api.customers.context import QuotedContext
from process_api.customers.drafts import customer_draft
from process_api.customers.ensure import place_of
from process_api.customers.tax_agreement import agree_on_tax
from process_api.engine.steps import Found
from process_api.pricing.charged_tax import accepted_taxes
from process_api.pricing.discount_policy import DiscountPolicy
from process_api.quotes.amounts import accepted_net, taxed_lines
from process_api.system_client import SystemClient
from shared.canonical import Money, MoneyError, Quote, TaxCalculation, TaxRequest
from shared.problem import Refused


class PricedContext(Protocol):
    """A flow about the prices of a quote."""

    @property
    def tenant(self) -> str:
        """The tenant whose flow this is."""

    @property
    def quote(self) -> Quote:
        """The quote."""

    @property
    def system(self) -> SystemClient:
        """The way to the systems."""

    @property
    def policy(self) -> DiscountPolicy:
        """How far a price may be from the list."""


@dataclass(frozen=True)
class QuoteTax:
    """The tax of a quote: as calculated; as accepted, by line and in all; the total with it; a digest of the place."""

    tax: TaxCalculation
    lines: dict[str, Decimal]
    taxed: Money
    total: Money
    place: str


async def align_prices(context: PricedContext) -> Found:
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
        raise Refused(" ".join(unsold), reason_code="unknown_product")
    if outside:
        raise Refused(" ".join(outside), reason_code="price_outside_policy")
    return Found(f"All {len(quote.lines)} prices are within policy.")


async def tax_of(context: QuotedContext) -> QuoteTax:
    """Find the jurisdiction, and the tax of every line on which all systems agree."""
    account = await context.account()
    quote = context.quote
    request = TaxRequest(
        legal_entity=quote.legal_entity,
        buyer=customer_draft(account, quote, context.rules).address,
        buyer_vat_id=account.vat_id,
        lines=taxed_lines(quote),
    )
    tax = await agree_on_tax(context, account, await context.system.calculate_tax(context.tenant, request))
    taxes = accepted_taxes(quote, tax)
    try:
        taxed = Money.of(sum(taxes.values(), Decimal(0)), quote.currency)
        total = accepted_net(quote) + taxed
    except MoneyError as error:
        raise Refused(f"The amounts of quote {quote.number} are too large.", reason_code="amounts_too_large") from error
    return QuoteTax(tax, taxes, taxed, total, place_of(account))
