"""The pricing preview: a quote compared with the list prices of ERP and billing, within the discount policy."""

from dataclasses import dataclass, field

import msgspec

from process_api.legal_entities import LegalEntities
from process_api.pricing.discount_policy import DiscountPolicy
from process_api.quotes.amounts import accepted_net, amount_faults, sum_of, taxed_lines
from process_api.system_client import SystemClient
from shared.canonical import (
    ListPrice,
    Money,
    MoneyError,
    PriceList,
    Quote,
    QuoteLine,
    Recurrence,
    TaxCalculation,
    TaxRequest,
)
from shared.problem import NotFound, Rejected


class PreviewLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A line with quoted and list prices per unit, and net and tax for the whole line.

    `difference_percent` is how far the quoted net price is below (-) or above (+) the list price. `within_policy` is
    false if that exceeds the policy; `problem` then says so in plain words.
    """

    line_id: str
    sku: str
    description: str
    quantity: str
    recurrence: Recurrence
    quoted_unit_price: Money
    net_unit_price: Money
    net: Money
    within_policy: bool
    erp_price: Money | None = None
    billing_price: Money | None = None
    tax: Money | None = None
    difference_percent: str | None = None
    problem: str | None = None


class PricingPreview(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A quote's prices in every system. `net` is the lines' sum; `total` includes shipping and tax.

    `orderable` is false if a line is outside the policy, or the amounts cannot be booked as accepted: `problems` says
    why.
    """

    quote_id: str
    quote_revision: int
    currency: str
    orderable: bool
    lines: list[PreviewLine]
    net: Money
    tax: Money | None
    total: Money | None
    tax_jurisdiction: str | None
    tax_problem: str | None = None
    shipping: Money | None = None
    problems: list[str] = msgspec.field(default_factory=list)


@dataclass(frozen=True)
class PricingPreviews:
    """Creates previews of quotes."""

    system: SystemClient
    policy: DiscountPolicy
    legal_entities: LegalEntities = field(default_factory=LegalEntities)

    async def preview(self, tenant: str, quote_id: str) -> PricingPreview:
        """Return the preview of a quote.

        Raises NotFound; Unavailable if a system that prices it does not answer.
        """
        quote = await self.system.find_quote(tenant, quote_id)
        if quote is None:
            raise NotFound(f"There is no quote {quote_id}.")
        try:
            return await self._preview(tenant, quote)
        except MoneyError as error:
            detail = f"The amounts of quote {quote.number} are too large."
            raise Rejected(detail, reason_code="amounts_too_large") from error

    async def _preview(self, tenant: str, quote: Quote) -> PricingPreview:
        quote_net(quote)  # before any system is asked for prices or tax
        listed = await self.system.look_up_prices(tenant, quote)
        tax, tax_problem = await self._tax(tenant, quote)
        preview = assemble_preview(quote, listed, tax, tax_problem, self.policy)
        faults = amount_faults(quote, self.legal_entities.of(tenant, quote.legal_entity))
        problems = [fault.message for fault in faults]
        return msgspec.structs.replace(preview, orderable=preview.orderable and not problems, problems=problems)

    async def _tax(self, tenant: str, quote: Quote) -> tuple[TaxCalculation | None, str | None]:
        account = await self.system.find_account(tenant, quote.account_id)
        if account is None or account.billing_address is None:
            return None, "The account has no billing address, so no tax can be calculated."
        request = TaxRequest(
            legal_entity=quote.legal_entity,
            buyer=account.billing_address,
            buyer_vat_id=account.vat_id,
            lines=taxed_lines(quote),
        )
        try:
            return await self.system.calculate_tax(tenant, request), None
        except Rejected as error:
            return None, error.detail


def assemble_preview(
    quote: Quote,
    listed: PriceList,
    tax: TaxCalculation | None,
    tax_problem: str | None,
    policy: DiscountPolicy,
) -> PricingPreview:
    """Return a preview made from the systems' answers."""
    taxes = {line.line_id: line.tax for line in tax.lines} if tax else {}
    lines = [
        _preview_line(line, listed.price_for(line.sku, line.recurrence), taxes.get(line.line_id), policy)
        for line in quote.lines
    ]
    net = quote_net(quote)
    return PricingPreview(
        quote_id=quote.quote_id,
        quote_revision=quote.revision,
        currency=quote.currency,
        orderable=tax is not None and all(line.within_policy for line in lines),
        lines=lines,
        net=net,
        tax=tax.total if tax else None,
        total=accepted_net(quote) + tax.total if tax else None,
        tax_jurisdiction=tax.jurisdiction if tax else None,
        tax_problem=tax_problem,
        shipping=quote.shipping,
    )


def quote_net(quote: Quote) -> Money:
    """Return the sum of the quote's lines before tax. Raises MoneyError if it is too large."""
    return sum_of(quote.lines, quote.currency)


def _preview_line(line: QuoteLine, listed: ListPrice | None, tax: Money | None, policy: DiscountPolicy) -> PreviewLine:
    difference, problem = policy.judge(line, listed)
    return PreviewLine(
        line_id=line.line_id,
        sku=line.sku,
        description=line.description,
        quantity=line.quantity,
        recurrence=line.recurrence,
        quoted_unit_price=line.unit_price,
        net_unit_price=line.net_unit_price,
        net=line.net_amount,
        within_policy=problem is None,
        erp_price=listed.erp if listed else None,
        billing_price=listed.billing if listed else None,
        tax=tax,
        difference_percent=f"{difference:f}" if difference is not None else None,
        problem=problem,
    )
