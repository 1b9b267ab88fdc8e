"""A flow's progress: its steps, and every attempt at them, recorded before and after."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ScalarSelect, cast, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.tables import flow_attempts, flow_steps, flows
from process_api.engine.flows import FlowStatus, StepState
from process_api.engine.steps import FlowConnection
from shared.shortened import DETAIL_CHARS_MAX, shortened


async def begin_attempt(
    connection: AsyncConnection,
    *,
    flow_id: str,
    step: str,
    position: int,
    direction: str,
    attempt: int,
    executor_id: str,
) -> None:
    """Record, before anything is sent, that a step begins: from now on it may have happened."""
    if direction != "undo":
        await connection.execute(
            insert(flow_steps)
            .values(flow_id=flow_id, step=step, position=position, state=StepState.begun)
            .on_conflict_do_nothing()
        )
    await connection.execute(
        insert(flow_attempts)
        .values(
            flow_id=flow_id,
            step=step,
            direction=direction,
            generation=_generation_of(flow_id),
            attempt=attempt,
            outcome="begun",
            executor_id=executor_id,
        )
        .on_conflict_do_update(
            index_elements=["flow_id", "step", "direction", "generation", "attempt"],
            set_={"resumed": True, "executor_id": executor_id},
        )
    )
    working = FlowStatus.compensating if direction == "undo" else FlowStatus.running
    await connection.execute(
        update(flows)
        .where(flows.c.flow_id == flow_id, flows.c.status.in_([FlowStatus.queued, FlowStatus.running]))
        .values(current_step=step, status=working)
    )


async def end_attempt(
    connection: AsyncConnection, *, flow_id: str, step: str, direction: str, attempt: int, outcome: str, detail: str
) -> None:
    """Record how an attempt ended."""
    await connection.execute(
        update(flow_attempts)
        .where(
            flow_attempts.c.flow_id == flow_id,
            flow_attempts.c.step == step,
            flow_attempts.c.direction == direction,
            flow_attempts.c.generation == _generation_of(flow_id),
            flow_attempts.c.attempt == attempt,
        )
        .values(outcome=outcome, detail=shortened(detail, DETAIL_CHARS_MAX), finished_at=func.clock_timestamp())
    )


async def end_step(
    connection: AsyncConnection,
    *,
    flow_id: str,
    step: str,
    state: StepState,
    vendor_ids: list[str] | None = None,
    result: dict[str, Any] | None = None,
    known: FlowConnection | None = None,
) -> None:
    """Record that a step is done, with its finding, or undone. `known` is the flow's connection, once it is known."""
    values: dict[str, Any] = {"state": state, "finished_at": func.clock_timestamp()}
    if vendor_ids is not None:
        values["vendor_ids"] = vendor_ids
    await connection.execute(
        update(flow_steps).where(flow_steps.c.flow_id == flow_id, flow_steps.c.step == step).values(**values)
    )
    changes: dict[str, Any] = {} if known is None else asdict(known)
    if result is not None:
        merged = flows.c.results.op("||")(func.jsonb_build_object(step, cast(literal(result, JSONB), JSONB)))
        changes["results"] = merged
    if changes:
        await connection.execute(update(flows).where(flows.c.flow_id == flow_id).values(**changes))


async def last_said(connection: AsyncConnection, flow_id: str, step: str) -> str:
    """Return the plain sentence of the last attempt at a step that failed; empty if there was none.

    It is the first line of the attempt's detail; the lines below are the vendor's own words, for operators.
    """
    query = (
        select(flow_attempts.c.detail)
        .where(
            flow_attempts.c.flow_id == flow_id,
            flow_attempts.c.step == step,
            flow_attempts.c.outcome.not_in(["done", "absent", "begun"]),
        )
        .order_by(flow_attempts.c.finished_at.desc().nulls_last())
        .limit(1)
    )
    return str(await connection.scalar(query) or "").partition("\n")[0]


async def outcome_was_uncertain(connection: AsyncConnection, flow_id: str, steps: Sequence[str]) -> bool:
    """Return whether any attempt at these steps may have reached a vendor without a known outcome."""
    uncertain = select(flow_attempts.c.attempt).where(
        flow_attempts.c.flow_id == flow_id,
        flow_attempts.c.step.in_(steps),
        or_(flow_attempts.c.outcome.in_(["unknown", "begun"]), flow_attempts.c.resumed),
    )
    return await connection.scalar(uncertain.limit(1)) is not None


async def step_state(connection: AsyncConnection, flow_id: str, step: str) -> StepState | None:
    """Return the state of a step; None before it begins."""
    state = await connection.scalar(
        select(flow_steps.c.state).where(flow_steps.c.flow_id == flow_id, flow_steps.c.step == step)
    )
    return StepState(state) if state is not None else None


async def begun_steps(connection: AsyncConnection, flow_id: str) -> list[str]:
    """Return the steps that may have happened and are not undone, last first: the order of undoing."""
    query = (
        select(flow_steps.c.step)
        .where(flow_steps.c.flow_id == flow_id, flow_steps.c.state != StepState.undone)
        .order_by(flow_steps.c.position.desc())
    )
    return list(await connection.scalars(query))


def _generation_of(flow_id: str) -> ScalarSelect[int]:
    """Return the flow's current generation: the next one starts only after this one's work has ended."""
    return select(flows.c.generation).where(flows.c.flow_id == flow_id).scalar_subquery()
