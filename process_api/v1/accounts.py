"""Accounts: what every system knows of a customer, side by side."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import PathParameter, QueryParameter

from process_api.access.subjects import about_account
from process_api.accounts.account_overview import AccountOverviews, Overview
from shared.canonical import CreditStatus, InvoicePage
from shared.canonical.wire import CURSOR_PATTERN, END
from shared.identity.auth import Principal
from shared.operations.cache_policy import NOT_KEPT, CachePolicy
from shared.operations.operation import operation

OWNER = "customer-desk"
AccountIdParameter = Annotated[
    str,
    PathParameter(
        name="accountId",
        pattern=r"^[A-Za-z0-9]{15,18}" + END,
        description="The account's Salesforce id, 15 or 18 characters.",
    ),
]
LimitParameter = Annotated[int, QueryParameter(ge=1, le=100, description="How many invoices at most.")]
CursorParameter = Annotated[
    str | None,
    QueryParameter(
        pattern=CURSOR_PATTERN, max_length=200, required=False, description="`nextCursor` of the page before."
    ),
]
OpenOnlyParameter = Annotated[bool, QueryParameter(name="openOnly", description="Only invoices not yet paid in full.")]


_POLICY = (
    operation(
        owner=OWNER,
        capability="account-360",
        scopes=["accounts:read"],
        cache=CachePolicy(fresh_s=5, stale_s=5, tags=("account:{accountId}",)),
    )
    | about_account()
)


@get("/v1/accounts/{accountId:str}/overview", operation_id="getAccountOverview", tags=["accounts"], opt=_POLICY)
async def get_account_overview(
    request: Request[Principal, Any, Any], account_id: AccountIdParameter
) -> Response[Overview]:
    """Credit, open orders, unpaid invoices and subscriptions, read at the same time.

    A part that cannot be read is marked unavailable with its reason; the rest still answers.
    """
    overviews: AccountOverviews = request.app.state.overviews
    overview = await overviews.overview(request.user.tenant, account_id)
    return Response(overview, headers={} if overview.is_whole else NOT_KEPT)


@get("/v1/accounts/{accountId:str}/credit-status", operation_id="getCreditStatus", tags=["accounts"], opt=_POLICY)
async def get_credit_status(request: Request[Principal, Any, Any], account_id: AccountIdParameter) -> CreditStatus:
    """The customer's credit limit, exposure, and whether it may owe more."""
    overviews: AccountOverviews = request.app.state.overviews
    return await overviews.credit_status(request.user.tenant, account_id)


@get("/v1/accounts/{accountId:str}/invoices", operation_id="listInvoices", tags=["accounts"], opt=_POLICY)
async def list_invoices(
    request: Request[Principal, Any, Any],
    account_id: AccountIdParameter,
    open_only: OpenOnlyParameter = False,
    limit: LimitParameter = 20,
    cursor: CursorParameter = None,
) -> InvoicePage:
    """The customer's invoices: the ERP's (one-off lines) first, then billing's (recurring lines), each newest first."""
    overviews: AccountOverviews = request.app.state.overviews
    return await overviews.invoices(request.user.tenant, account_id, open_only=open_only, limit=limit, cursor=cursor)
