"""The parameters that several operations of this version share, with the canonical model's bounds."""

from typing import Annotated, Any

from litestar.params import PathParameter, QueryParameter
from msgspec import Meta

from shared.canonical.wire import CURSOR_PATTERN, POSITIVE_DECIMAL_PATTERN, CurrencyCode, LegalEntityCode, RecordId

OWNER = "integration-platform"


def _bounds(scalar: Any) -> dict[str, Any]:
    """Return the bounds of a canonical scalar: Litestar drops those of the type for a described parameter."""
    meta = next(meta for meta in scalar.__metadata__ if isinstance(meta, Meta))
    bounds = {"pattern": meta.pattern, "min_length": meta.min_length, "max_length": meta.max_length}
    return {name: bound for name, bound in bounds.items() if bound is not None}


LegalEntityPath = Annotated[
    str, PathParameter(name="legalEntity", description="The selling company's code.", **_bounds(LegalEntityCode))
]
AccountIdPath = Annotated[
    str, PathParameter(name="accountId", description="The account's id in the CRM.", **_bounds(RecordId))
]
QuoteIdPath = Annotated[
    str, PathParameter(name="quoteId", description="The quote's id in the CRM.", **_bounds(RecordId))
]
UserIdPath = Annotated[str, PathParameter(name="userId", description="The user's id in the CRM.", **_bounds(RecordId))]
RecordIdPath = Annotated[
    str, PathParameter(name="recordId", description="The id of a record in the CRM.", **_bounds(RecordId))
]
OrderIdPath = Annotated[str, PathParameter(name="orderId", description="Quoteway's order id.", **_bounds(RecordId))]
ExternalIdPath = Annotated[
    str,
    PathParameter(
        name="externalId",
        description="Our id of the record, under which the vendor's is found again.",
        **_bounds(RecordId),
    ),
]
AmountQuery = Annotated[
    str,
    QueryParameter(
        pattern=POSITIVE_DECIMAL_PATTERN, max_length=19, description="What the customer would owe in addition."
    ),
]
CurrencyQuery = Annotated[str, QueryParameter(description="The amount's ISO 4217 code.", **_bounds(CurrencyCode))]
CustomerCurrencyQuery = Annotated[
    str, QueryParameter(name="currency", description="The customer's ISO 4217 code.", **_bounds(CurrencyCode))
]
HomeCurrencyQuery = Annotated[
    str | None,
    QueryParameter(
        name="homeCurrency", required=False, description="The legal entity's own currency.", **_bounds(CurrencyCode)
    ),
]
KnownQuery = Annotated[
    str | None,
    QueryParameter(
        name="crossReference",
        required=False,
        description="What the cross-reference says that the account is there.",
        **_bounds(RecordId),
    ),
]
VendorIdPath = Annotated[
    str, PathParameter(name="vendorId", description="The vendor's own id of the customer.", **_bounds(RecordId))
]
KeepQuery = Annotated[
    str | None,
    QueryParameter(required=False, description="The vendor's id of the order that stays.", **_bounds(RecordId)),
]
KeptSubscriptionQuery = Annotated[
    str | None,
    QueryParameter(
        required=False, name="keep", description="The vendor's id of the subscription that stays.", **_bounds(RecordId)
    ),
]
OpenOnlyQuery = Annotated[
    bool, QueryParameter(name="openOnly", required=False, description="Only what is not paid in full.")
]
LimitQuery = Annotated[int, QueryParameter(ge=1, le=100, required=False, description="How many at most.")]
CursorQuery = Annotated[
    str | None,
    QueryParameter(
        pattern=CURSOR_PATTERN, max_length=200, required=False, description="`nextCursor` of the page before."
    ),
]
