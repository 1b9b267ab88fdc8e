"""Orders: submit an accepted quote once, and follow what became of it."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.params import JSONBody, PathParameter
from msgspec import Meta

from process_api.access.idempotency import IdempotencyKey, parse_key
from process_api.engine.failures import Delay
from process_api.inbox.subjects import about_order, about_quote_in_body
from process_api.orders.intake import OrderIntake, Submission
from process_api.orders.readiness_fault import ReadinessFault
from process_api.orders.record import OrderRecord, TimelineEntry
from process_api.orders.reports.seller_endings import delay_for_seller
from process_api.orders.reports.totals import order_total
from process_api.orders.submission import ORDER_SUBMISSION
from shared.canonical import Money, OrderStatus
from shared.canonical.wire import END, CurrencyCode, DecimalText, RecordId
from shared.contract.headers import STATUS_ADDRESS
from shared.identity.auth import Principal
from shared.identity.resource_metadata import location
from shared.inbound.idempotency_key import IdempotencyKeyHeader
from shared.inbound.operation import operation
from shared.moment import Moment
from shared.problem import NotFound
from shared.seller_words import system_name

OWNER = "order-desk"
_AFTER_THE_END = (ORDER_SUBMISSION.report_ending, ORDER_SUBMISSION.late_request_sweep)
_INTERNAL_STEPS = frozenset(step.name for step in _AFTER_THE_END if step is not None)
OrderIdParameter = Annotated[
    str,
    PathParameter(
        name="orderId",
        pattern=r"^[A-Za-z0-9_.:-]{1,64}" + END,
        description="The order's id, as the submission answered it.",
    ),
]


class OrderSubmission(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """An accepted quote to be ordered, at the revision the caller saw.

    `expected_total` is what its user saw the quote come to; a quote that comes to anything else is refused.
    """

    quote_id: RecordId
    quote_revision: Annotated[int, Meta(ge=1, le=1_000_000, examples=[1])]
    expected_total: DecimalText | None = None
    expected_currency: CurrencyCode | None = None


class OrderAccepted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The order that a submission started, or had started before. Follow `status_url`."""

    order_id: str
    status: OrderStatus
    status_url: str
    replayed: bool


class TimelineView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing that happened to an order, in plain words. An `internal` one is about our own work, not the order."""

    at: str
    status: OrderStatus
    step: str
    message: str
    internal: bool = False


class OrderDelay(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an order waits for: `system` did not do what it was asked, and is asked again at `next_attempt_at`.

    `message` is its answer in plain words.
    """

    system: str
    message: str
    attempt: int
    attempts_max: int
    next_attempt_at: Moment


class OrderView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An order: where it is, its ids in every system, and what went wrong, if anything did.

    `delay` is there while an attempt is being repeated. `total` is what the customer accepted until the tax is known.
    """

    order_id: str
    quote_id: str
    quote_revision: int
    status: OrderStatus
    version: int
    flow_id: str
    created_at: str
    updated_at: str
    timeline: list[TimelineView]
    account_id: str | None = None
    legal_entity: str | None = None
    total: Money | None = None
    tax: Money | None = None
    erp_order_id: str | None = None
    erp_order_number: str | None = None
    subscription_ids: list[str] = msgspec.field(default_factory=list)
    reason_code: str | None = None
    reason: str | None = None
    faults: list[ReadinessFault] = msgspec.field(default_factory=list)
    delay: OrderDelay | None = None


@post(
    "/v1/orders",
    operation_id="startOrderSubmission",
    tags=["orders"],
    status_code=202,
    response_headers=[STATUS_ADDRESS],
    opt=operation(
        owner=OWNER,
        capability="order-submission",
        scopes=["orders:write"],
        rate="write",
        audit="financial",
        problems=[404, 409, 422],
    )
    | about_quote_in_body(),
)
async def start_order_submission(
    request: Request[Principal, Any, Any], data: JSONBody[OrderSubmission], idempotency_key: IdempotencyKeyHeader
) -> Response[OrderAccepted]:
    """Claim the key and the quote revision, and start the flow that books the order.

    One quote revision becomes one order, whatever the key: another key for the same revision answers with that order.
    What one read of the quote tells is refused at once, and the key stays free: 404 without such a quote, 409 at
    another revision, 422 where it is not accepted, has expired, was changed since, or comes to another total.
    """
    key: IdempotencyKey = parse_key(idempotency_key)
    intake: OrderIntake = request.app.state.intake
    accepted = await intake.accept(
        request.user,
        key,
        Submission(
            quote_id=data.quote_id,
            quote_revision=data.quote_revision,
            expected_total=data.expected_total,
            expected_currency=data.expected_currency,
        ),
        request.state.acting_user,
    )
    view = OrderAccepted(
        order_id=accepted.order_id,
        status=accepted.status,
        status_url=f"/v1/orders/{accepted.order_id}",
        replayed=accepted.replayed,
    )
    return Response(view, status_code=202, headers={"Location": location(request, view.status_url)})


@get(
    "/v1/orders/{orderId:str}",
    operation_id="getOrder",
    tags=["orders"],
    opt=operation(owner=OWNER, capability="order-submission", scopes=["orders:read"], problems=[404, 422])
    | about_order(),
)
async def get_order(request: Request[Principal, Any, Any], order_id: OrderIdParameter) -> OrderView:
    """An order with its timeline."""
    orders = request.app.state.orders
    record: OrderRecord | None = await orders.find(request.user.tenant, order_id)
    if record is None:
        raise NotFound(f"There is no order {order_id}.")
    return order_view(record, await orders.timeline(request.user.tenant, order_id))


def _delay(delay: Delay | None) -> OrderDelay | None:
    if delay is None:
        return None
    return OrderDelay(
        system=system_name(delay.system),
        message=delay_for_seller(delay.answer, delay.system),
        attempt=delay.attempt,
        attempts_max=delay.attempts_max,
        next_attempt_at=delay.next_attempt_at,
    )


def order_view(record: OrderRecord, timeline: list[TimelineEntry]) -> OrderView:
    """An order as the process tier shows it."""
    return OrderView(
        order_id=record.order_id,
        quote_id=record.quote_id,
        quote_revision=record.quote_revision,
        status=record.status,
        version=record.version,
        flow_id=record.flow_id,
        created_at=record.created_at,
        updated_at=record.updated_at,
        timeline=[
            TimelineView(
                at=entry.at,
                status=entry.status,
                step=entry.step,
                message=entry.message,
                internal=entry.step in _INTERNAL_STEPS,
            )
            for entry in timeline
        ],
        account_id=record.account_id,
        legal_entity=record.legal_entity,
        total=order_total(record),
        tax=record.tax,
        erp_order_id=record.erp_order_id,
        erp_order_number=record.erp_order_number,
        subscription_ids=record.subscription_ids,
        reason_code=record.reason_code,
        reason=record.reason,
        faults=record.faults,
        delay=_delay(record.delay),
    )
