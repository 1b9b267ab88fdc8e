"""Quotes: what a quote would cost in every system, and what would keep it from being ordered."""

from decimal import Decimal
from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.params import JSONBody, PathParameter
from msgspec import Meta

from process_api.access.subjects import about_quote
from process_api.orders.quote_readiness import QuoteExaminer, QuoteReadiness
from process_api.orders.readiness.examination import Submitted
from process_api.pricing.pricing_preview import PricingPreview, PricingPreviews
from shared.canonical.record_ids import canonical_spelling
from shared.canonical.wire import END, CurrencyCode, DecimalText
from shared.identity.auth import Principal
from shared.operations.operation import operation

QuoteIdParameter = Annotated[
    str,
    PathParameter(
        name="quoteId",
        pattern=r"^[A-Za-z0-9]{15,18}" + END,
        description="The quote's Salesforce id, 15 or 18 characters.",
    ),
]


@post(
    "/v1/quotes/{quoteId:str}/pricing-preview",
    operation_id="previewPricing",
    tags=["quotes"],
    status_code=200,
    opt=operation(
        owner="pricing-desk",
        capability="pricing",
        scopes=["quotes:read"],
        rate="expensive",
        cost=5,
        problems=[404, 422],
    )
    | about_quote(),
)
async def preview_pricing(request: Request[Principal, Any, Any], quote_id: QuoteIdParameter) -> PricingPreview:
    """Each line's quoted, ERP and billing price, its tax, and how far the quote is from the list."""
    previews: PricingPreviews = request.app.state.previews
    return await previews.preview(request.user.tenant, quote_id)


class ReadinessRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What the user saw of the quote, where it matters: another revision or another total is a fault then."""

    quote_revision: Annotated[int, Meta(ge=1, le=1_000_000, examples=[1])] | None = None
    expected_total: DecimalText | None = None
    expected_currency: CurrencyCode | None = None


@post(
    "/v1/quotes/{quoteId:str}/readiness",
    operation_id="checkReadiness",
    tags=["quotes"],
    status_code=200,
    opt=operation(
        owner="order-desk",
        capability="order-submission",
        scopes=["quotes:read"],
        rate="expensive",
        cost=5,
        problems=[404, 422],
    )
    | about_quote(),
)
async def check_readiness(
    request: Request[Principal, Any, Any], quote_id: QuoteIdParameter, data: JSONBody[ReadinessRequest]
) -> QuoteReadiness:
    """Everything that would keep the quote from being ordered now, asked of every system. Changes nothing."""
    examiner: QuoteExaminer = request.app.state.examiner
    total = None if data.expected_total is None else Decimal(data.expected_total)
    submitted = Submitted(canonical_spelling(quote_id), data.quote_revision, total, data.expected_currency)
    return await examiner.readiness(request.user.tenant, submitted)
