"""A flow in traces and metrics: it belongs to the trace of the request that submitted it, whichever worker runs it.

The trace context is stored with the flow, so a worker that takes a flow over from a dead one goes on in the same trace.
An operator's decision is a request of its own, with a trace of its own: the flow links to it.
"""

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.engine.flows import tenant_of
from process_api.store import Store
from process_api.tables import flows, orders
from shared.canonical import Money, OrderStatus
from shared.metrics import ORDER_VALUE, ORDERS_ENDED, STEP_ATTEMPTS
from shared.problem import Unavailable
from shared.tracing import Attributes, resumed_span, span, tracing_is_on

Flow = Callable[[str, int], Awaitable[str]]
F = TypeVar("F", bound=Callable[..., Coroutine[Any, Any, Any]])


def traced_flow(store: Callable[[], Store]) -> Callable[[Flow], Flow]:
    """A durable workflow that is a span of its name, in the trace that is stored with its flow."""

    def decorate(workflow: Flow) -> Flow:
        @wraps(workflow)
        async def in_trace(flow_id: str, generation: int = 1) -> str:
            if not tracing_is_on():
                return await workflow(flow_id, generation)
            traceparent, links = await _traces(store(), flow_id)
            about: Attributes = {"quoteway.flow_id": flow_id, "quoteway.generation": generation}
            with resumed_span(workflow.__name__, traceparent, links=links, attributes=about) as whole:
                ending = await workflow(flow_id, generation)
                whole.note({"quoteway.outcome": ending})
                return ending

        return in_trace

    return decorate


def traced_attempt(attempt_once: F) -> F:
    """An attempt at a step (flow id, step, direction, number) that is a span of the step's name, and is counted."""

    @wraps(attempt_once)
    async def in_span(saga: Any, flow_id: str, step: Any, direction: str, attempt: int) -> Any:
        about: Attributes = {
            "quoteway.flow_id": flow_id,
            "quoteway.direction": direction,
            "quoteway.attempt": attempt,
        }
        with span(step.name, attributes=about) as tried:
            outcome = await attempt_once(saga, flow_id, step, direction, attempt)
            tried.note({"quoteway.outcome": outcome["kind"]})
            if outcome["kind"] not in {"done", "absent", "waiting"}:
                tried.fail(outcome["reason_code"] or outcome["kind"])
        STEP_ATTEMPTS.labels(step.name, direction, outcome["kind"]).inc()
        return outcome

    return cast(F, in_span)


async def order_total(connection: AsyncConnection, order_id: str) -> Money | None:
    """What an order is worth, tax included, once that is known."""
    query = select(orders.c.total, orders.c.currency).where(orders.c.order_id == order_id)
    row = (await connection.execute(query)).one()
    return Money.of(row.total, row.currency) if row.total is not None else None


def count_ending(status: OrderStatus, reason_code: str, total: Money | None) -> None:
    """Count an order that has come to its end, and what it is worth if it is booked."""
    ORDERS_ENDED.labels(status.value, reason_code).inc()
    if status is OrderStatus.booked and total is not None:
        ORDER_VALUE.labels(total.currency).inc(float(total.value))


async def _traces(store: Store, flow_id: str) -> tuple[str | None, tuple[str, ...]]:
    """The trace that a flow belongs to, and those it is linked to. Without a database it is not traced this time."""
    query = select(flows.c.traceparent, flows.c.decision_traceparent).where(flows.c.flow_id == flow_id)
    try:
        async with store.transaction(tenant_of(flow_id)) as connection:
            row = (await connection.execute(query)).one_or_none()
    except Unavailable:
        return None, ()
    if row is None:
        return None, ()
    return row.traceparent, (row.decision_traceparent,) if row.decision_traceparent else ()
