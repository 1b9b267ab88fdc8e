"""How far a flow has come: its steps, and every attempt at them, written down before and after.

These rows are what a flow goes on from when its worker has died; the workflow engine's library keeps no record of steps
beside them (docs/decisions/0093).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import Row, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.direct import fetch, run
from process_api.database.tables import flow_attempts, flow_steps
from process_api.engine.failures import LAST_FAILURE
from process_api.engine.flows import FlowStatus, StepState
from process_api.engine.steps import Direction, Ending, FlowConnection
from shared.shortened import DETAIL_CHARS_MAX, shortened

# The generation is the flow's present one: the next begins only after the work of this one has ended.
_GENERATION = "(SELECT generation FROM quoteway.flows WHERE flow_id = %(flow_id)s)"
_ATTEMPT = f"""
attempt AS (
    INSERT INTO quoteway.flow_attempts (flow_id, step, direction, generation, attempt, outcome, executor_id)
    VALUES (%(flow_id)s, %(step)s, %(direction)s, {_GENERATION}, %(attempt)s, 'begun', %(executor_id)s)
    ON CONFLICT (flow_id, step, direction, generation, attempt)
    DO UPDATE SET resumed = true, executor_id = EXCLUDED.executor_id, outcome = 'begun'
)"""  # noqa: S608 constants
_AT_WORK = """
UPDATE quoteway.flows
SET current_step = CASE WHEN status IN ('queued', 'running') THEN %(step)s ELSE current_step END,
    status = CASE WHEN status IN ('queued', 'running') THEN '{}' ELSE status END
WHERE flow_id = %(flow_id)s RETURNING *"""
_BEGIN = f"""
WITH step AS (
    INSERT INTO quoteway.flow_steps (flow_id, step, position, state)
    VALUES (%(flow_id)s, %(step)s, %(position)s, 'begun') ON CONFLICT DO NOTHING
), {_ATTEMPT} {_AT_WORK.format("running")}"""  # noqa: S608 constants
_BEGIN_UNDO = f"WITH {_ATTEMPT} {_AT_WORK.format('compensating')}"
# Where the answer to a commit was lost, an attempt may have ended otherwise.
_END_ATTEMPT = f"""
UPDATE quoteway.flow_attempts SET outcome = %(outcome)s, detail = %(detail)s, finished_at = clock_timestamp(),
    again_after_s = %(again_after_s)s
WHERE flow_id = %(flow_id)s AND step = %(step)s AND direction = %(direction)s AND generation = {_GENERATION}
    AND attempt = %(attempt)s AND outcome = 'begun'"""  # noqa: S608 constants
_END_STEP = """
WITH ended AS (
    UPDATE quoteway.flow_steps SET state = %(state)s, finished_at = clock_timestamp(),
        vendor_ids = coalesce(%(vendor_ids)s::text[], vendor_ids)
    WHERE flow_id = %(flow_id)s AND step = %(step)s
)
UPDATE quoteway.flows SET fruitless_starts = 0, results = CASE
        WHEN %(result)s::jsonb IS NULL THEN results ELSE (results - %(last_failure)s::text) || %(result)s::jsonb
    END,
    account_id = coalesce(%(account_id)s, account_id), legal_entity = coalesce(%(legal_entity)s, legal_entity)
WHERE flow_id = %(flow_id)s"""


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
) -> Any:
    """Write down, before anything is sent, that a step begins: from here on it counts as possibly happened.

    Returns the flow.
    """
    [flow] = await fetch(
        connection,
        _BEGIN_UNDO if direction == "undo" else _BEGIN,
        flow_id=flow_id,
        step=step,
        position=position,
        direction=direction,
        attempt=attempt,
        executor_id=executor_id,
    )
    return flow


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
    await run(
        connection,
        _END_ATTEMPT,
        flow_id=flow_id,
        step=step,
        direction=direction,
        attempt=attempt,
        outcome=outcome,
        detail=shortened(detail, DETAIL_CHARS_MAX),
        again_after_s=again_after_s,
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
    """Write down that a step is done, with what it found, or undone: the flow got somewhere.

    `result` is added to the flow's results. `known`: the flow's connection, once it is.
    """
    await run(
        connection,
        _END_STEP,
        flow_id=flow_id,
        step=step,
        state=state,
        vendor_ids=vendor_ids,
        result=None if result is None else Jsonb(result),
        last_failure=LAST_FAILURE,
        account_id=None if known is None else known.account_id,
        legal_entity=None if known is None else known.legal_entity,
    )


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
    """Where a step is; None before it begins."""
    query = "SELECT state FROM quoteway.flow_steps WHERE flow_id = %(flow_id)s AND step = %(step)s"
    found = await fetch(connection, query, flow_id=flow_id, step=step)
    return StepState(found[0].state) if found else None


async def begun_steps(connection: AsyncConnection, flow_id: str) -> list[str]:
    """Return the steps that may have happened and are not undone, last first: the order of undoing."""
    query = (
        select(flow_steps.c.step)
        .where(flow_steps.c.flow_id == flow_id, flow_steps.c.state != StepState.undone)
        .order_by(flow_steps.c.position.desc())
    )
    return list(await connection.scalars(query))
