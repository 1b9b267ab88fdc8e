"""Quotes: what each line costs in every system, and what would keep the quote from being ordered."""

from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.params import JSONBody, PathParameter
from msgspec import Meta

from experience_api import process_answers, salesforce_id
from experience_api.process_client import Caller, ProcessClient, Seen
from experience_api.v1.faults import QuoteFault, fault_views
from experience_api.views.amounts import AmountText, CurrencyCode, DecimalText, DecimalTextOrEmpty, amount_text
from shared.canonical import Recurrence
from shared.canonical.wire import END, Quantity
from shared.identity.auth import Principal
from shared.operations.operation import operation
from shared.operations.versions import warnings_for

QuoteIdParameter = Annotated[
    str,
    PathParameter(
        name="quoteId",
        pattern=r"^[A-Za-z0-9]{15,18}" + END,
        description="The quote's Salesforce id, 15 or 18 characters.",
    ),
]


class PricingPreviewLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A line. Prices are per unit, before tax; `netAmount` and `taxAmount` are for the whole line.

    A price is empty where that system does not sell the product. `differencePercent` is how far the net price is below
    (-) or above the list price of the system that will invoice the line. `issue` says what is wrong, if anything is.
    """

    line_id: str
    sku: str
    description: str
    quantity: Quantity
    recurrence: Recurrence
    currency_iso_code: CurrencyCode
    quoted_unit_price: AmountText
    net_unit_price: AmountText
    erp_unit_price: DecimalTextOrEmpty
    billing_unit_price: DecimalTextOrEmpty
    net_amount: AmountText
    tax_amount: DecimalTextOrEmpty
    difference_percent: DecimalTextOrEmpty
    within_policy: bool
    issue: str


class PricingPreviewView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A quote's prices in every system. Tax and total are empty where no tax could be calculated: see `taxIssue`.

    `netAmount` is that of the lines, `totalAmount` has shipping and tax as well. `issues` says what keeps the whole
    quote from being ordered as it was accepted.
    """

    quote_id: str
    quote_revision: int
    orderable: bool
    currency_iso_code: CurrencyCode
    net_amount: AmountText
    tax_amount: DecimalTextOrEmpty
    total_amount: DecimalTextOrEmpty
    tax_jurisdiction: str
    tax_issue: str
    lines: list[PricingPreviewLine]
    shipping_amount: DecimalTextOrEmpty
    issues: list[str]
    warnings: list[str]


@post(
    "/v1/quotes/{quoteId:str}/pricing-preview",
    operation_id="previewPricing",
    tags=["quotes"],
    status_code=200,
    opt=operation(
        owner="salesforce-experience",
        capability="pricing",
        scopes=["quotes:read"],
        rate="expensive",
        cost=5,
        problems=[404, 422],
    ),
)
async def preview_pricing(request: Request[Principal, Any, Any], quote_id: QuoteIdParameter) -> PricingPreviewView:
    """Each line's quoted, ERP and billing price, its tax, and how far the quote is from the list. Changes nothing."""
    process: ProcessClient = request.app.state.process
    preview = await process.preview_pricing(Caller.of(request), quote_id)
    return PricingPreviewView(
        quote_id=preview.quote_id,
        quote_revision=preview.quote_revision,
        orderable=preview.orderable,
        currency_iso_code=preview.currency,
        net_amount=preview.net.amount,
        tax_amount=amount_text(preview.tax),
        total_amount=amount_text(preview.total),
        tax_jurisdiction=preview.tax_jurisdiction or "",
        tax_issue=preview.tax_problem or "",
        lines=[_line_view(line) for line in preview.lines],
        warnings=warnings_for(request),
        shipping_amount=amount_text(preview.shipping),
        issues=preview.problems,
    )


def _line_view(line: process_answers.PreviewLine) -> PricingPreviewLine:
    return PricingPreviewLine(
        line_id=line.line_id,
        sku=line.sku,
        description=line.description,
        quantity=line.quantity,
        recurrence=line.recurrence,
        currency_iso_code=line.net.currency,
        quoted_unit_price=line.quoted_unit_price.amount,
        net_unit_price=line.net_unit_price.amount,
        erp_unit_price=amount_text(line.erp_price),
        billing_unit_price=amount_text(line.billing_price),
        net_amount=line.net.amount,
        tax_amount=amount_text(line.tax),
        difference_percent=line.difference_percent or "",
        within_policy=line.within_policy,
        issue=line.problem or "",
    )


class ReadinessRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What the user sees of the quote. Where it is said, another revision or another total is a fault."""

    quote_revision: (
        Annotated[int, Meta(ge=1, le=1_000_000, description="The revision the user sees.", examples=[1])] | None
    ) = None
    expected_total: Annotated[DecimalText, Meta(description="The total the user sees.")] | None = None
    currency_iso_code: Annotated[CurrencyCode, Meta(description="The currency of that total.")] | None = None


class UncheckedSystem(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A system that could not be asked, and why: what it would refuse is not known."""

    system_name: str
    message: str


class ReadinessView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether the quote could be ordered now, with everything to mend before it can.

    It is not ready while a system could not be asked. `totalAmount` is what the customer accepted. `warnings` say what
    will be otherwise than the account or the quote states, such as a tax id that no system can store.
    """

    quote_id: str
    quote_revision: int
    ready: bool
    total_amount: AmountText
    currency_iso_code: CurrencyCode
    faults: list[QuoteFault]
    unchecked_systems: list[UncheckedSystem]
    warnings: list[str]


@post(
    "/v1/quotes/{quoteId:str}/readiness",
    operation_id="checkReadiness",
    tags=["quotes"],
    status_code=200,
    opt=operation(
        owner="salesforce-experience",
        capability="order-submission",
        scopes=["quotes:read"],
        rate="expensive",
        cost=5,
        problems=[404, 422],
    ),
)
async def check_readiness(
    request: Request[Principal, Any, Any], quote_id: QuoteIdParameter, data: JSONBody[ReadinessRequest]
) -> ReadinessView:
    """Ask every system what would keep the quote from being ordered now. Changes nothing."""
    process: ProcessClient = request.app.state.process
    seen = Seen(expected_total=data.expected_total, expected_currency=data.currency_iso_code)
    quote_id = salesforce_id.canonical_id(quote_id, "path/quoteId")
    found = await process.check_readiness(Caller.of(request), quote_id, data.quote_revision, seen)
    return ReadinessView(
        quote_id=found.quote_id,
        quote_revision=found.quote_revision,
        ready=found.ready,
        total_amount=found.total.amount,
        currency_iso_code=found.total.currency,
        faults=fault_views(found.faults),
        unchecked_systems=[UncheckedSystem(system_name=each.system, message=each.message) for each in found.unchecked],
        warnings=[*warnings_for(request), *found.notes],
    )
