"""Quotes: what a quote would cost in every system, before anyone orders it."""

from typing import Annotated, Any

from litestar import Request, post
from litestar.params import PathParameter

from process_api.pricing_preview import PricingPreview, PricingPreviews
from process_api.subjects import about_quote
from shared.auth import Principal
from shared.canonical.wire import END
from shared.operation import operation

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
