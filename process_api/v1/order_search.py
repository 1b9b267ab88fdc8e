"""Search the orders, for operators: whichever id, state, amount or age is known."""

from decimal import Decimal
from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.params import QueryParameter

from process_api.access.subjects import for_operators
from process_api.orders.record import OrderRecord, Orders
from process_api.orders.search import OrderSearch, search_orders
from process_api.v1.search import (
    AccountIdFilter,
    CursorParameter,
    LimitParameter,
    MaxAgeFilter,
    MinAgeFilter,
    ReasonCodeFilter,
)
from shared.canonical import Money, OrderStatus
from shared.canonical.wire import END, POSITIVE_DECIMAL_PATTERN
from shared.identity.auth import Principal
from shared.operations.operation import operation

StatusFilter = Annotated[OrderStatus | None, QueryParameter(required=False, description="Only orders in this status.")]
QuoteIdFilter = Annotated[
    str | None,
    QueryParameter(
        name="quote",
        pattern=r"^[A-Za-z0-9_.:-]{1,64}" + END,
        required=False,
        description="Only orders of this quote, by its Salesforce id.",
    ),
]
ErpOrderNumberFilter = Annotated[
    str | None,
    QueryParameter(
        name="erpOrderNumber",
        pattern=r"^[^\x00-\x1f\x7f]+" + END,
        max_length=64,
        required=False,
        description="Only the order that the ERP calls by this number.",
    ),
]
CurrencyFilter = Annotated[
    str | None,
    QueryParameter(
        pattern=r"^[A-Z]{3}" + END, required=False, description="Only orders in this currency (ISO 4217 code)."
    ),
]
MinTotalFilter = Annotated[
    str | None,
    QueryParameter(
        name="minTotal",
        pattern=POSITIVE_DECIMAL_PATTERN,
        max_length=19,
        required=False,
        description="Only orders that come to this much or more, in whichever currency they are.",
    ),
]
MaxTotalFilter = Annotated[
    str | None,
    QueryParameter(
        name="maxTotal",
        pattern=POSITIVE_DECIMAL_PATTERN,
        max_length=19,
        required=False,
        description="Only orders that come to this much or less, in whichever currency they are.",
    ),
]


class OrderSummary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An order in a list: where it is, and by which ids it is found in every system. `flowId` names its flow."""

    order_id: str
    flow_id: str
    quote_id: str
    quote_revision: int
    status: OrderStatus
    created_at: str
    updated_at: str
    account_id: str | None = None
    legal_entity: str | None = None
    total: Money | None = None
    erp_order_id: str | None = None
    erp_order_number: str | None = None
    reason_code: str | None = None
    reason: str | None = None


class OrderPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Some orders, newest first; `nextCursor` asks for those after them."""

    orders: list[OrderSummary]
    next_cursor: str | None = None


@get(
    "/v1/orders",
    operation_id="listOrders",
    tags=["orders"],
    opt=operation(owner="integration-operations", capability="flow-inspection", scopes=["flows:read"], problems=[])
    | for_operators(filters=True),
)
async def list_orders(
    request: Request[Principal, Any, Any],
    status: StatusFilter = None,
    account_id: AccountIdFilter = None,
    quote_id: QuoteIdFilter = None,
    erp_order_number: ErpOrderNumberFilter = None,
    reason_code: ReasonCodeFilter = None,
    currency: CurrencyFilter = None,
    min_total: MinTotalFilter = None,
    max_total: MaxTotalFilter = None,
    min_age_s: MinAgeFilter = None,
    max_age_s: MaxAgeFilter = None,
    limit: LimitParameter = 50,
    cursor: CursorParameter = None,
) -> OrderPage:
    """Find the tenant's orders that meet every condition given, newest first."""
    orders: Orders = request.app.state.orders
    search = OrderSearch(
        status=status,
        account_id=account_id,
        quote_id=quote_id,
        erp_order_number=erp_order_number,
        reason_code=reason_code,
        currency=currency,
        min_total=None if min_total is None else Decimal(min_total),
        max_total=None if max_total is None else Decimal(max_total),
        min_age_s=min_age_s,
        max_age_s=max_age_s,
    )
    found, following = await search_orders(
        orders.store,
        request.user.tenant,
        search,
        limit=limit,
        cursor=cursor,
        legal_entities=request.user.legal_entities,
    )
    return OrderPage(orders=[_summary(order) for order in found], next_cursor=following)


def _summary(record: OrderRecord) -> OrderSummary:
    shown = {field: getattr(record, field) for field in OrderSummary.__struct_fields__}
    return OrderSummary(**shown)
