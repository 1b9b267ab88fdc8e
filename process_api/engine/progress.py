"""How far a flow has come: its steps, and every attempt at them, written down before and after.

These rows are what a flow goes on from when its worker has died; the workflow engine's library keeps no record of steps
beside them (docs/decisions/0093).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Row, ScalarSelect, case, cast, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB, distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.tables import flow_attempts, flow_steps, flows
from process_api.engine.failures import LAST_FAILURE
from process_api.engine.flows import FlowStatus, StepState
from process_api.engine.steps import Direction, Ending, FlowConnection
from shared.shortened import DETAIL_CHARS_MAX, shortened

_UNDER_WAY = (FlowStatus.queued, FlowStatus.running)


@dataclass(frozen=True)
class LastAttempt:
    """The last attempt at a step in this generation of its flow; `begun`: its worker died in the middle of it."""

    direction: Direction
    attempt: int
    outcome: str
    again_after_s: float | None


@dataclass(frozen=True)
class Standing:
    """How far a flow had come when a worker began with it."""

    status: FlowStatus
    generation: int
    undoing_to: Ending | None = None
    done: frozenset[str] = frozenset()
    attempts: Mapping[tuple[str, bool], LastAttempt] = field(default_factory=dict)

    def last(self, step: str, direction: Direction = "forward") -> LastAttempt | None:
        """Return the last attempt at the step, forwards or backwards; a look for it counts as forwards."""
        return self.attempts.get((step, direction == "undo"))


async def read_standing(connection: AsyncConnection, flow: Row[Any]) -> Standing:
    """Return how far a flow has come."""
    status, generation = FlowStatus(flow.status), flow.generation
    if status is FlowStatus.queued and generation == 1:
        return Standing(status, generation)  # nothing has been tried
    done = select(flow_steps.c.step).where(flow_steps.c.flow_id == flow.flow_id, flow_steps.c.state == StepState.done)
    undoing = (flow_attempts.c.direction == "undo").label("undoing")
    last = (
        select(flow_attempts, undoing)
        .where(flow_attempts.c.flow_id == flow.flow_id, flow_attempts.c.generation == generation)
        .ext(distinct_on(flow_attempts.c.step, undoing))
        .order_by(flow_attempts.c.step, undoing, flow_attempts.c.attempt.desc(), flow_attempts.c.begun_at.desc())
    )
    return Standing(
        status,
        generation,
        Ending(**flow.undoing_to) if flow.undoing_to is not None else None,
        frozenset(await connection.scalars(done)),
        {
            (row.step, row.undoing): LastAttempt(row.direction, row.attempt, row.outcome, row.again_after_s)
            for row in await connection.execute(last)
        },
    )


async def begin_attempt(
    connection: AsyncConnection,
    *,
    flow_id: str,
    step: str,
    position: int,
    direction: str,
    attempt: int,
    executor_id: str,
) -> Row[Any]:
    """Write down, before anything is sent, that a step begins: from here on it counts as possibly happened.

    Returns the flow.
    """
    begun = (
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
            set_={"resumed": True, "executor_id": executor_id, "outcome": "begun"},
        )
    )
    working = FlowStatus.compensating if direction == "undo" else FlowStatus.running
    moves = flows.c.status.in_(_UNDER_WAY)
    at_work = (
        update(flows)
        .where(flows.c.flow_id == flow_id)
        .values(
            current_step=case((moves, step), else_=flows.c.current_step),
            status=case((moves, working), else_=flows.c.status),
        )
        .returning(flows)
        .add_cte(begun.cte("attempt"))
    )
    if direction != "undo":
        stepped = insert(flow_steps).values(flow_id=flow_id, step=step, position=position, state=StepState.begun)
        at_work = at_work.add_cte(stepped.on_conflict_do_nothing().cte("step"))
    row: Row[Any] = (await connection.execute(at_work)).one()
    return row


async def end_attempt(
    connection: AsyncConnection,
    *,
    flow_id: str,
    step: str,
    direction: str,
    attempt: int,
    outcome: str,
    detail: str,
    again_after_s: float | None = None,
) -> None:
    """Write down how an attempt ended, and how long to wait before the next one."""
    ended = (
        update(flow_attempts)
        .where(
            flow_attempts.c.flow_id == flow_id,
            flow_attempts.c.step == step,
            flow_attempts.c.direction == direction,
            flow_attempts.c.generation == _generation_of(flow_id),
            flow_attempts.c.attempt == attempt,
            flow_attempts.c.outcome == "begun",  # where the answer to a commit was lost, it may have ended
        )
        .values(
            outcome=outcome,
            detail=shortened(detail, DETAIL_CHARS_MAX),
            finished_at=func.clock_timestamp(),
            again_after_s=again_after_s,
        )
    )
    await connection.execute(ended)


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
    """Write down that a step is done, with what it found, or undone: the flow got somewhere.

    `known`: the flow's connection, once it is.
    """
    values: dict[str, Any] = {"state": state, "finished_at": func.clock_timestamp()}
    if vendor_ids is not None:
        values["vendor_ids"] = vendor_ids
    ended = update(flow_steps).where(flow_steps.c.flow_id == flow_id, flow_steps.c.step == step).values(**values)
    changes: dict[str, Any] = {"fruitless_starts": 0, **({} if known is None else asdict(known))}
    if result is not None:
        left = flows.c.results.op("-")(LAST_FAILURE)
        changes["results"] = left.op("||")(func.jsonb_build_object(step, cast(literal(result, JSONB), JSONB)))
    got_on = update(flows).where(flows.c.flow_id == flow_id).values(**changes)
    await connection.execute(got_on.add_cte(ended.cte("ended")))


async def last_said(connection: AsyncConnection, flow_id: str, step: str) -> str:
    """What the last attempt at a step that did not succeed was told, in a plain sentence; empty where there was none.

    That is the first line of its detail. Below it stand the vendor's own words, for operators.
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
    """Whether any attempt at these steps may have reached a vendor without anybody having been told its outcome."""
    uncertain = select(flow_attempts.c.attempt).where(
        flow_attempts.c.flow_id == flow_id,
        flow_attempts.c.step.in_(steps),
        or_(flow_attempts.c.outcome.in_(["unknown", "begun"]), flow_attempts.c.resumed),
    )
    return await connection.scalar(uncertain.limit(1)) is not None


async def step_state(connection: AsyncConnection, flow_id: str, step: str) -> StepState | None:
    """Where a step is; None before it begins."""
    state = await connection.scalar(
        select(flow_steps.c.state).where(flow_steps.c.flow_id == flow_id, flow_steps.c.step == step)
    )
    return StepState(state) if state is not None else None


async def begun_steps(connection: AsyncConnection, flow_id: str) -> list[str]:
    """The steps that may have happened and are not undone, last first: the order in which they are undone."""
    query = (
        select(flow_steps.c.step)
        .where(flow_steps.c.flow_id == flow_id, flow_steps.c.state != StepState.undone)
        .order_by(flow_steps.c.position.desc())
    )
    return list(await connection.scalars(query))


def _generation_of(flow_id: str) -> ScalarSelect[int]:
    """The flow's present generation: the next one begins only after the work of this one has ended."""
    return select(flows.c.generation).where(flows.c.flow_id == flow_id).scalar_subquery()
