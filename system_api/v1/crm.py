"""The CRM, in canonical terms."""

from typing import Any

from litestar import Request, get, put
from litestar.params import JSONBody

from shared.canonical import Account, OrderStatusReport, Quote, RecordAccess, ReportedOrderStatus
from shared.identity.auth import Principal
from shared.operations.operation import operation
from shared.problem import NotFound
from system_api.v1.parameters import OWNER, AccountIdPath, OrderIdPath, QuoteIdPath, RecordIdPath, UserIdPath

_READ = operation(owner=OWNER, capability="crm", scopes=["crm:read"])
_WRITE = operation(owner=OWNER, capability="crm", scopes=["crm:write"], rate="write", problems=[404, 422, 504])


@get("/v1/crm/quotes/{quoteId:str}", operation_id="findQuote", tags=["crm"], opt=_READ)
async def find_quote(request: Request[Principal, Any, Any], quote_id: QuoteIdPath) -> Quote:
    """A quote with its lines."""
    quote = await request.app.state.registry.crm(request.user.tenant).find_quote(quote_id)
    if quote is None:
        raise NotFound(f"There is no quote {quote_id}.")
    found: Quote = quote
    return found


@get("/v1/crm/accounts/{accountId:str}", operation_id="findAccount", tags=["crm"], opt=_READ)
async def find_account(request: Request[Principal, Any, Any], account_id: AccountIdPath) -> Account:
    """An account with its billing address."""
    account = await request.app.state.registry.crm(request.user.tenant).find_account(account_id)
    if account is None:
        raise NotFound(f"There is no account {account_id}.")
    found: Account = account
    return found


@get(
    "/v1/crm/users/{userId:str}/record-access/{recordId:str}",
    operation_id="getRecordAccess",
    tags=["crm"],
    opt=_READ,
)
async def get_record_access(
    request: Request[Principal, Any, Any], user_id: UserIdPath, record_id: RecordIdPath
) -> RecordAccess:
    """What a user may do with a record. Nothing with one that does not exist: the two answers do not differ."""
    access: RecordAccess = await request.app.state.registry.crm(request.user.tenant).record_access(user_id, record_id)
    return access


@put("/v1/crm/order-status/{orderId:str}", operation_id="reportOrderStatus", tags=["crm"], opt=_WRITE)
async def report_order_status(
    request: Request[Principal, Any, Any], order_id: OrderIdPath, data: JSONBody[ReportedOrderStatus]
) -> OrderStatusReport:
    """Tell the CRM where an order is. A report older than what the CRM holds changes nothing."""
    crm = request.app.state.registry.crm(request.user.tenant)
    told: OrderStatusReport = await crm.report_order_status(order_id, data)
    return told
