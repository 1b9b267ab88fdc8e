"""The conditions and pages that every search for operators takes."""

from typing import Annotated

from litestar.params import QueryParameter

from shared.canonical.wire import CURSOR_PATTERN, END

_TEN_YEARS_S = 10 * 366 * 24 * 3600

AccountIdFilter = Annotated[
    str | None,
    QueryParameter(
        name="account",
        pattern=r"^([A-Za-z0-9]{15}|[A-Za-z0-9]{18})" + END,
        required=False,
        description="Only what is about this account, by its Salesforce id of 15 or 18 characters.",
    ),
]
ReasonCodeFilter = Annotated[
    str | None,
    QueryParameter(
        name="reasonCode",
        pattern=r"^[a-z0-9_]{1,64}" + END,
        required=False,
        description="Only what ended, or waits for a person, for this reason.",
    ),
]
MinAgeFilter = Annotated[
    int | None,
    QueryParameter(
        name="minAgeS",
        ge=0,
        le=_TEN_YEARS_S,
        required=False,
        description="Only what began at least so many seconds ago.",
    ),
]
MaxAgeFilter = Annotated[
    int | None,
    QueryParameter(
        name="maxAgeS",
        ge=0,
        le=_TEN_YEARS_S,
        required=False,
        description="Only what began at most so many seconds ago.",
    ),
]
LimitParameter = Annotated[int, QueryParameter(ge=1, le=200, description="How many at most.")]
CursorParameter = Annotated[
    str | None,
    QueryParameter(
        pattern=CURSOR_PATTERN, max_length=200, required=False, description="`nextCursor` of the page before."
    ),
]
