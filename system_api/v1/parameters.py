"""The parameters that several operations of this version take."""

from typing import Annotated

from litestar.params import PathParameter, QueryParameter

OWNER = "integration-platform"
LegalEntityPath = Annotated[
    str, PathParameter(pattern=r"^[A-Z0-9][A-Z0-9-]{0,31}$", description="The selling company's code.")
]
AccountIdPath = Annotated[
    str, PathParameter(pattern=r"^[A-Za-z0-9]{15,18}$", description="The account's Salesforce id, 15 or 18 characters.")
]
QuoteIdPath = Annotated[
    str, PathParameter(pattern=r"^[A-Za-z0-9]{15,18}$", description="The quote's Salesforce id, 15 or 18 characters.")
]
ExternalIdPath = Annotated[
    str,
    PathParameter(
        pattern=r"^[A-Za-z0-9_.:-]{1,64}$", description="Our id of the record, under which the vendor finds it again."
    ),
]
OpenOnlyQuery = Annotated[
    bool, QueryParameter(name="openOnly", required=False, description="Only what is not paid in full.")
]
LimitQuery = Annotated[int, QueryParameter(ge=1, le=100, required=False, description="How many at most.")]
CursorQuery = Annotated[
    str | None, QueryParameter(max_length=200, required=False, description="`nextCursor` of the page before.")
]
