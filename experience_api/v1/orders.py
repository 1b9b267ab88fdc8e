"""Orders: submit an accepted quote, and follow it in the words of a sales user."""

from itertools import groupby
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.params import JSONBody, PathParameter
from msgspec import Meta

from experience_api import process_answers, salesforce_id
from experience_api.order_words import FINISHED, STATUS_TEXTS, ask_again_after_s, next_step, what_went_wrong
from experience_api.process_client import Caller, ProcessClient, Seen
from experience_api.v1.amounts import CurrencyCode, CurrencyTextOrEmpty, DecimalText, DecimalTextOrEmpty, amount_text
from experience_api.v1.faults import QuoteFault, fault_views
from shared.canonical import OrderStatus
from shared.canonical.wire import END
from shared.contract.headers import ASK_AGAIN_AFTER, STATUS_ADDRESS, VERSION_TAG
from shared.identity.auth import Principal
from shared.identity.resource_metadata import location
from shared.inbound.idempotency_key import IdempotencyKeyHeader
from shared.inbound.operation import operation
from shared.inbound.versions import warnings_for

OWNER = "salesforce-experience"
OrderIdParameter = Annotated[
    str,
    PathParameter(
        name="orderId",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}" + END,
        description="The order's id, as the submission answered it.",
    ),
]


class OrderSubmission(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """An accepted quote to be ordered, at the revision the user saw."""

    quote_id: Annotated[
        str,
        Meta(
            pattern=salesforce_id.PATTERN + END,
            description="The quote's Salesforce id, 15 or 18 characters.",
            examples=["0Q0QW00000000010AA"],
        ),
    ]
    quote_revision: Annotated[int, Meta(ge=1, le=1_000_000, description="The revision the user saw.", examples=[1])]
    expected_total: (
        Annotated[DecimalText, Meta(description="The total the user saw; a quote at another total is refused.")] | None
    ) = None
    currency_iso_code: Annotated[CurrencyCode, Meta(description="The currency of that total.")] | None = None


class OrderAccepted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The order that a submission started, or had started before (`replayed`).

    Ask `statusUrl` again after `retryAfterSeconds`, until the order is finished.
    """

    order_id: str
    status: OrderStatus
    status_text: str
    status_url: str
    retry_after_seconds: int
    replayed: bool
    warnings: list[str]


class OrderTimelineEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A status that the order reached, when, and the last thing known of it."""

    reached_at: str
    status: OrderStatus
    status_text: str
    message: str


class OrderView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An order: where it is, what went wrong if anything did, and what to do now.

    `orderNumber` is the ERP's. `version` grows with every change. Texts and amounts are empty where there are none;
    `retryAfterSeconds` is 0 once nothing will change any more.
    """

    order_id: str
    quote_id: str
    quote_revision: int
    account_id: str
    legal_entity: str
    status: OrderStatus
    status_text: str
    finished: bool
    what_went_wrong: str
    reason_code: str
    reason_detail: str
    next_step: str
    order_number: str
    subscription_ids: list[str]
    total_amount: DecimalTextOrEmpty
    tax_amount: DecimalTextOrEmpty
    currency_iso_code: CurrencyTextOrEmpty
    timeline: list[OrderTimelineEntry]
    created_at: str
    updated_at: str
    version: int
    retry_after_seconds: int
    warnings: list[str]
    faults: list[QuoteFault]


@post(
    "/v1/orders",
    operation_id="submitOrder",
    tags=["orders"],
    status_code=202,
    response_headers=[STATUS_ADDRESS, ASK_AGAIN_AFTER],
    opt=operation(owner=OWNER, capability="order-submission", scopes=["orders:write"], rate="write", audit="financial"),
)
async def submit_order(
    request: Request[Principal, Any, Any], data: JSONBody[OrderSubmission], idempotency_key: IdempotencyKeyHeader
) -> Response[OrderAccepted]:
    """Order an accepted quote. The answer comes at once; follow the order at its `statusUrl`.

    One quote revision becomes one order: submitting it again, even with another key, answers with that order, unless
    it was rejected. A quote that tells by itself that it cannot be ordered (another revision, not accepted, expired,
    another total) is refused at once; the key stays free.
    """
    process: ProcessClient = request.app.state.process
    quote_id = salesforce_id.canonical_id(data.quote_id, "/quoteId")
    seen = Seen(expected_total=data.expected_total, expected_currency=data.currency_iso_code)
    accepted = await process.submit_order(Caller.of(request), idempotency_key, quote_id, data.quote_revision, seen)
    view = OrderAccepted(
        order_id=accepted.order_id,
        status=accepted.status,
        status_text=STATUS_TEXTS[accepted.status],
        status_url=f"/v1/orders/{accepted.order_id}",
        retry_after_seconds=ask_again_after_s(accepted.status),
        replayed=accepted.replayed,
        warnings=warnings_for(request),
    )
    headers = {"Location": location(request, view.status_url)}
    if view.retry_after_seconds:
        headers["Retry-After"] = str(view.retry_after_seconds)
    return Response(view, status_code=202, headers=headers)


@get(
    "/v1/orders/{orderId:str}",
    operation_id="getOrder",
    tags=["orders"],
    response_headers=[VERSION_TAG],
    opt=operation(owner=OWNER, capability="order-submission", scopes=["orders:read"], problems=[404, 422]),
)
async def get_order(request: Request[Principal, Any, Any], order_id: OrderIdParameter) -> Response[OrderView]:
    """Where an order is, its timeline, the ids a sales user knows, and what went wrong in plain words."""
    process: ProcessClient = request.app.state.process
    order = await process.get_order(Caller.of(request), order_id)
    return Response(order_view(order, warnings_for(request)), headers={"ETag": f'"{order.version}"'})


def order_view(order: process_answers.Order, warnings: list[str]) -> OrderView:
    """Return an order as a sales user sees it."""
    money = order.total or order.tax
    return OrderView(
        order_id=order.order_id,
        quote_id=order.quote_id,
        quote_revision=order.quote_revision,
        account_id=order.account_id or "",
        legal_entity=order.legal_entity or "",
        status=order.status,
        status_text=STATUS_TEXTS[order.status],
        finished=order.status in FINISHED,
        what_went_wrong=what_went_wrong(order.status, order.reason_code, order.reason, order.faults),
        reason_code=order.reason_code or "",
        reason_detail=order.reason or "",
        faults=fault_views(order.faults),
        next_step=next_step(order.status),
        order_number=order.erp_order_number or "",
        subscription_ids=order.subscription_ids,
        total_amount=amount_text(order.total),
        tax_amount=amount_text(order.tax),
        currency_iso_code=money.currency if money else "",
        timeline=summarise(order.timeline),
        created_at=order.created_at,
        updated_at=order.updated_at,
        version=order.version,
        retry_after_seconds=ask_again_after_s(order.status),
        warnings=warnings,
    )


def summarise(timeline: list[process_answers.TimelineEntry]) -> list[OrderTimelineEntry]:
    """Return one entry per status that the order passed through: its time, and the last message about it."""
    summary = []
    for status, group in groupby(timeline, key=lambda entry: entry.status):
        entries = list(group)
        summary.append(
            OrderTimelineEntry(
                reached_at=entries[0].at,
                status=status,
                status_text=STATUS_TEXTS[status],
                message=entries[-1].message,
            )
        )
    return summary
