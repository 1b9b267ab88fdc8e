"""Accounts: everything about one customer on one page (account 360). The latest version."""

from typing import Any

from litestar import Request, Response, get

from experience_api.process_client import Caller, ProcessClient
from experience_api.views.account_overview import AccountSummary, account_summary
from experience_api.views.accounts import ACCOUNT_CACHE, AccountIdParameter
from shared.identity.auth import Principal
from shared.operations.cache_policy import NOT_KEPT
from shared.operations.operation import operation
from shared.operations.versions import warnings_for


@get(
    "/v2/accounts/{accountId:str}/overview",
    operation_id="getAccountOverviewV2",
    tags=["accounts"],
    opt=operation(
        owner="salesforce-experience", capability="account-360", scopes=["accounts:read"], cache=ACCOUNT_CACHE
    ),
)
async def get_account_overview(
    request: Request[Principal, Any, Any], account_id: AccountIdParameter
) -> Response[AccountSummary]:
    """Credit, open orders, unpaid invoices with totals per currency, and subscriptions.

    A part that cannot be read is marked unavailable with its reason; the rest still answers, and `complete` is false.
    """
    process: ProcessClient = request.app.state.process
    overview = await process.get_overview(Caller.of(request), account_id)
    summary = account_summary(overview, warnings_for(request))
    return Response(summary, headers={} if overview.is_whole else NOT_KEPT)
