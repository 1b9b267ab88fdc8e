"""Traces and metrics of a flow: it belongs to the trace of the request that started it, whichever worker runs it.

The trace context is stored with the flow, so a worker that takes a flow over continues the same trace. An operator's
decision is a request with a trace of its own: the flow links to it.
"""

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar, cast

from sqlalchemy import select

from process_api.database.store import Store
from process_api.database.tables import flows
from process_api.engine.flows import tenant_of
from shared.problem import Unavailable
from shared.telemetry.metrics import STEP_ATTEMPTS
from shared.telemetry.tracing import Attributes, resumed_span, span, tracing_is_on

Flow = Callable[[str, int], Awaitable[str]]
F = TypeVar("F", bound=Callable[..., Coroutine[Any, Any, Any]])


def traced_flow(part: str, store: Callable[[], Store], number: str = "generation") -> Callable[[Flow], Flow]:
    """Decorate a durable workflow: it becomes a span in the flow's stored trace, named after the flow's kind and
    `part`.

    `number` is what the workflow's second argument counts.
    """

    def decorate(workflow: Flow) -> Flow:
        @wraps(workflow)
        async def in_trace(flow_id: str, counted: int = 1) -> str:
            if not tracing_is_on():
                return await workflow(flow_id, counted)
            kind, traceparent, links = await _traces(store(), flow_id)
            about: Attributes = {"quoteway.flow_id": flow_id, f"quoteway.{number}": counted}
            with resumed_span(f"{kind}.{part}", traceparent, links=links, attributes=about) as whole:
                ending = await workflow(flow_id, counted)
                whole.note({"quoteway.outcome": ending})
                return ending

        return in_trace

    return decorate


def traced_attempt(attempt_once: F) -> F:
    """Decorate an attempt at a step (flow id, step, direction, number): it becomes a span of the step's name, and is
    counted.
    """

    @wraps(attempt_once)
    async def in_span(saga: Any, flow_id: str, step: Any, direction: str, attempt: int, **more: Any) -> Any:
        about: Attributes = {
            "quoteway.flow_id": flow_id,
            "quoteway.direction": direction,
            "quoteway.attempt": attempt,
        }
        with span(step.name, attributes=about) as tried:
            outcome, following = await attempt_once(saga, flow_id, step, direction, attempt, **more)
            tried.note({"quoteway.outcome": outcome["kind"]})
            if outcome["kind"] not in {"done", "absent"}:
                tried.fail(outcome["reason_code"] or outcome["kind"])
        STEP_ATTEMPTS.labels(step.name, direction, outcome["kind"]).inc()
        return outcome, following

    return cast(F, in_span)


async def _traces(store: Store, flow_id: str) -> tuple[str, str | None, tuple[str, ...]]:
    """Return a flow's kind, its trace and its linked traces; no trace if the database is down."""
    query = select(flows.c.kind, flows.c.traceparent, flows.c.decision_traceparent).where(flows.c.flow_id == flow_id)
    try:
        async with store.transaction(tenant_of(flow_id)) as connection:
            row = (await connection.execute(query)).one_or_none()
    except Unavailable:
        row = None
    if row is None:
        return "flow", None, ()
    return row.kind, row.traceparent, (row.decision_traceparent,) if row.decision_traceparent else ()
