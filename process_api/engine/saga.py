"""The saga: runs steps in order, each until it is settled, and undoes them in reverse after a refusal.

The family of the error decides (shared.problem):

    Rejected         the vendor said no          undo what has begun; the flow ends rejected with the reason
    Unavailable      known not done              try again with growing pauses; in the end park
    OutcomeUnknown   sent, no trustworthy answer let it settle, look it up by external id; never repeat it blindly
    NeedsDecision    a person has to decide      park at once, with what there is to decide
    anything else    a defect of ours            park at once: repeating it would not help

Every attempt is one durable DBOS step, so a restart resumes where the last one stopped. DBOS runs a step at least once:
an interrupted attempt runs again, and finds by external id what its first run created.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Generic, Literal, NotRequired, TypedDict

from dbos import DBOS, StepOptions
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.store import Store, when_available
from process_api.database.tables import flows
from process_api.engine.account_turns import LocalTurns, end_turn, take_turn
from process_api.engine.crash_loops import forget_starts
from process_api.engine.flow_kind import FlowKind
from process_api.engine.flows import StepState, change_flow, tenant_of, undoing_to
from process_api.engine.progress import begin_attempt, begun_steps, end_attempt, end_step, step_state
from process_api.engine.steps import C, Direction, Ending, Found, Patience, Step
from process_api.engine.trace import traced_attempt
from process_api.engine.worker_lease import Lease
from shared.problem import (
    Conflict,
    InvalidRequest,
    NeedsDecision,
    OutcomeUnknown,
    QuotewayError,
    Rejected,
    Unavailable,
    VendorError,
)
from shared.telemetry.process_telemetry import set_correlation_id

_log = logging.getLogger(__name__)
# `waiting`: nothing was tried, since another flow of the account had its turn.
OutcomeKind = Literal["done", "absent", "rejected", "unavailable", "unknown", "waiting", "decision", "defect"]
# An undo is retried longer: a person has to clean up after a failed one.
_UNDO_PATIENCE_FACTOR = 3
# How many seconds an attempt waits for its account's turn before the wait becomes a DBOS step.
_TURN_WAIT_S = 10.0
_TURN_POLL_S = 0.2
_SETTLED: dict[Direction, frozenset[StepState]] = {
    "forward": frozenset({StepState.done}),
    "find": frozenset({StepState.done}),
    "undo": frozenset({StepState.undone}),
}


class Outcome(TypedDict):
    """The outcome of an attempt, as plain data: DBOS stores it, and replays it after a restart.

    A vendor's words are not in it, since they may name a person. They are with the attempt (`flow_attempts`).
    """

    kind: OutcomeKind
    reason_code: str
    pause_s: float
    # Outcomes stored by workers of an earlier release have none of these.
    what_to_do: NotRequired[str]
    attempts_max: NotRequired[int]


@dataclass(frozen=True)
class Saga(Generic[C]):
    """Runs the flows of one kind. `resources` are what the kind's `load` creates a context from."""

    kind: FlowKind[C]
    resources: Any
    store: Store
    patience: Patience
    lease: Lease
    local_turns: LocalTurns = field(default_factory=LocalTurns)

    def at(self, step_table: int | None) -> "Saga[C]":
        """Return the saga for flows with that step table."""
        kind = self.kind.at(step_table)
        return self if kind is self.kind else replace(self, kind=kind)

    async def load(self, flow_id: str) -> C:
        """Load the context for an attempt."""
        async with self.store.transaction(tenant_of(flow_id)) as connection:
            flow = (await connection.execute(select(flows).where(flows.c.flow_id == flow_id))).one()
            return await self.kind.load(self.resources, connection, flow)

    async def run(self, flow_id: str, *, resumed: bool = False, through: str | None = None) -> Ending:
        """Run the steps in order, all or `through` one, and return the ending. A refusal undoes what has begun.

        Called in a durable workflow. What an earlier workflow of the flow has done stays done.

        `resumed`: the flow was parked. What is done stays done, an undoing continues, and the step that did not end is
        looked up before it is tried again.
        """
        if resumed:
            ending = await DBOS.run_step_async({"name": "read_undoing_to"}, self._undoing_to, flow_id)
            if ending is not None:
                return await self._compensate(flow_id, ending)
        past_pivot = False
        for step in self.kind.steps:
            outcome = await self.settle(flow_id, step, "forward", look_first=resumed)
            if outcome["kind"] == "done":
                past_pivot = past_pivot or step.kind == "pivot"
                if step.name == through:
                    break
                continue
            if outcome["kind"] == "rejected" and past_pivot:
                return _parked(step, outcome, "This was refused after the point of no return")
            if outcome["kind"] == "rejected":
                return await self._compensate(flow_id, Ending("rejected", step.name, outcome["reason_code"]))
            return _parked(step, outcome, "" if outcome["kind"] == "decision" else "This did not come to an end")
        return Ending("succeeded")

    async def _compensate(self, flow_id: str, ending: Ending) -> Ending:
        """Undo what has begun, last first. Returns this ending, or a parking."""
        by_name = {step.name: step for step in self.kind.steps}
        for name in await DBOS.run_step_async({"name": "list_begun_steps"}, self._begun_steps, flow_id, ending):
            step = by_name[name]
            if step.undo is None:
                continue
            outcome = await self.settle(flow_id, step, "undo")
            if outcome["kind"] != "done":
                why = "refused" if ending.kind == "rejected" else "given up"
                return _parked(
                    step, outcome, f"The {self.kind.noun} was {why}, and what was booked could not be taken back"
                )
        return ending

    async def settle(
        self, flow_id: str, step: Step[C], direction: Direction, *, look_first: bool = False, tried: int = 0
    ) -> Outcome:
        """Try a step until it is done, refused, or its attempts are used up. Called in a durable workflow.

        `look_first`: it may have happened before, so it is looked up first, which does not count as an attempt.
        `tried`: how many attempts an earlier workflow has made, to continue the count.
        """
        unknown = look_first and direction == "forward" and step.find is not None
        free_looks, attempt = (1 if unknown else 0), 0
        while True:
            attempt += 1
            looking = unknown and direction == "forward" and step.find is not None
            outcome = await self._attempt(flow_id, step, "find" if looking else direction, tried + attempt)
            if outcome["kind"] in {"done", "rejected", "decision", "defect"}:
                return outcome
            # A look-up that failed found nothing out: the outcome stays unknown, and is looked up again.
            unknown = outcome["kind"] == "unknown" or (looking and outcome["kind"] == "unavailable")
            allowed = outcome.get("attempts_max") or self.patience.attempts_max
            if attempt >= allowed * (_UNDO_PATIENCE_FACTOR if direction == "undo" else 1) + free_looks:
                return outcome
            if outcome["kind"] != "absent":
                await pause(outcome["pause_s"])

    async def _attempt(self, flow_id: str, step: Step[C], direction: Direction, attempt: int) -> Outcome:
        options: StepOptions = {"name": f"{step.name}.{direction}"}
        while True:
            outcome = await DBOS.run_step_async(options, self._attempt_once, flow_id, step, direction, attempt)
            if outcome["kind"] != "waiting":
                return outcome
            await pause(outcome["pause_s"])

    async def _begun_steps(self, flow_id: str, ending: Ending) -> list[str]:
        """Return the steps to undo. From now on the flow can only come to this ending, however often it parks."""

        async def begin_undoing(connection: AsyncConnection) -> list[str]:
            await change_flow(connection, flow_id, undoing_to=asdict(ending))
            return await begun_steps(connection, flow_id)

        return await when_available(self.store, tenant_of(flow_id), begin_undoing)

    async def _undoing_to(self, flow_id: str) -> Ending | None:
        def read(connection: AsyncConnection) -> Awaitable[dict[str, Any] | None]:
            return undoing_to(connection, flow_id)

        ending = await when_available(self.store, tenant_of(flow_id), read)
        return Ending(**ending) if ending is not None else None

    @traced_attempt
    async def _attempt_once(self, flow_id: str, step: Step[C], direction: Direction, attempt: int) -> Outcome:
        """Make one attempt, recorded before and after.

        Never raises anything that a vendor or a defect can cause.

        Raises LeaseLost if the flow belongs, or will belong, to another worker: nothing more is sent or recorded.
        """
        try:
            self.lease.require()
            context = await self.load(flow_id)
            set_correlation_id(context.correlation_id)
            return await self._attempt_when_in_turn(context, step, direction, attempt)
        except QuotewayError as error:
            outcome = self._judge(error, attempt)
            return await self._failed(flow_id, step, direction, attempt, outcome, _said(error), error)
        except Exception as error:  # noqa: BLE001 see below
            # A defect of ours. Raised, it would end the workflow, and the flow would never end.
            _log.exception("defect in %s.%s of %s", step.name, direction, flow_id)
            detail = f"{type(error).__name__} in our own code; the log has the rest."
            return await self._failed(flow_id, step, direction, attempt, _outcome("defect", "defect"), detail)

    async def _failed(
        self,
        flow_id: str,
        step: Step[C],
        direction: Direction,
        attempt: int,
        outcome: Outcome,
        detail: str,
        error: QuotewayError | None = None,
    ) -> Outcome:
        with suppress(Unavailable):  # without a database the attempt is not recorded; DBOS stores its outcome
            async with self.store.transaction(tenant_of(flow_id)) as connection:
                await self.lease.fence(connection)
                if outcome["kind"] == "rejected" and error is not None:
                    await self.kind.record.note_refused(connection, flow_id, error)
                await self._end(connection, flow_id, step, direction, attempt, outcome, detail)
        return outcome

    async def _attempt_when_in_turn(self, context: C, step: Step[C], direction: Direction, attempt: int) -> Outcome:
        waits_until = time.monotonic() + _TURN_WAIT_S
        while True:
            # Released while waiting: the flow that has the turn may be one of this worker's, and wait behind this one.
            async with AsyncExitStack() as turn:
                if step.in_turn:
                    await turn.enter_async_context(self.local_turns.turn(context.tenant, context.account_id))
                outcome = await self._attempt_in_turn(context, step, direction, attempt)
            if outcome["kind"] != "waiting" or time.monotonic() >= waits_until:
                return outcome
            await asyncio.sleep(_TURN_POLL_S * random.uniform(0.5, 1.5))  # noqa: S311 jitter is no secret

    async def _attempt_in_turn(self, context: C, step: Step[C], direction: Direction, attempt: int) -> Outcome:
        settled = await self._begin(context, step, direction, attempt)
        if settled is not None:
            return settled
        with self.lease.attempt():
            found = await _call(step, direction, context)
        outcome = _outcome("absent" if found is None else "done")
        detail = found.message if found else "nothing there"
        async with self.store.transaction(context.tenant) as connection:
            await self.lease.fence(connection)
            if found is not None:
                await self._write_down(connection, context, step, direction, found)
            await self._end(connection, context.flow_id, step, direction, attempt, outcome, detail)
        return outcome

    async def _begin(self, context: C, step: Step[C], direction: Direction, attempt: int) -> Outcome | None:
        """Record that the attempt begins. Returns an outcome if there is nothing to attempt, or not yet."""
        async with self.store.transaction(context.tenant) as connection:
            await self.lease.fence(connection)
            if await step_state(connection, context.flow_id, step.name) in _SETTLED[direction]:
                # The first run of this attempt recorded everything, but died before DBOS stored its outcome.
                return _outcome("done")
            if step.in_turn and not await take_turn(connection, context.tenant, context.account_id, context.flow_id):
                await forget_starts(connection, context.flow_id)  # a flow that waits crashes no worker
                return _outcome("waiting", pause_s=_TURN_POLL_S)
            await begin_attempt(
                connection,
                flow_id=context.flow_id,
                step=step.name,
                position=self.kind.position_of(step),
                direction=direction,
                attempt=attempt,
                executor_id=self.lease.executor_id,
            )
            if attempt == 1:
                phase = self.kind.record.undoing_phase if direction == "undo" else step.phase
                if phase is not None and phase != context.phase:
                    await self.kind.record.enter_phase(connection, context.subject, phase, step.name)
        return None

    async def _write_down(self, connection: Any, context: C, step: Step[C], direction: Direction, found: Found) -> None:
        if direction == "undo":
            await end_step(connection, flow_id=context.flow_id, step=step.name, state=StepState.undone)
            return
        await end_step(
            connection,
            flow_id=context.flow_id,
            step=step.name,
            state=StepState.done,
            vendor_ids=found.vendor_ids,
            result=found.result,
            known=found.connection,
        )
        await self.kind.record.note_found(connection, context.subject, step.name, found)

    async def _end(
        self,
        connection: Any,
        flow_id: str,
        step: Step[C],
        direction: Direction,
        attempt: int,
        outcome: Outcome,
        detail: str,
    ) -> None:
        if step.in_turn:
            await end_turn(connection, flow_id)
        await forget_starts(connection, flow_id)
        await end_attempt(
            connection,
            flow_id=flow_id,
            step=step.name,
            direction=direction,
            attempt=attempt,
            outcome=outcome["kind"],
            detail=detail,
        )

    def _judge(self, error: QuotewayError, attempt: int) -> Outcome:
        if isinstance(error, Rejected):
            return _outcome("rejected", error.reason_code)
        if isinstance(error, OutcomeUnknown):
            settle_s = self.patience.settle_s if error.retry_after_s is None else float(error.retry_after_s)
            return _outcome("unknown", error.reason_code, settle_s, error.what_to_do)
        if isinstance(error, Unavailable | Conflict):
            what_to_do = error.what_to_do if isinstance(error, Unavailable) else ""
            pause_s = self.patience.pause_s(attempt, error.retry_after_s)
            outcome = _outcome("unavailable", "unavailable", pause_s, what_to_do)
            return {**outcome, "attempts_max": error.attempts_max or 0} if isinstance(error, Unavailable) else outcome
        if isinstance(error, NeedsDecision):
            return _outcome("decision", error.reason_code, what_to_do=error.what_to_do)
        # Another tier of ours does not understand us: a defect, and a retry would fail alike.
        return _outcome("defect", "defect")


async def pause(pause_s: float) -> None:
    """Sleep durably on the monotonic clock; restarts from zero if interrupted.

    DBOS.sleep stores a wall-clock time: a worker that takes the flow over would wait longer by as much as the first
    worker's clock was ahead of its own.
    """
    if pause_s > 0:
        await DBOS.run_step_async({"name": "pause"}, _wait, pause_s)


async def _wait(pause_s: float) -> None:
    await asyncio.sleep(pause_s)


async def _call(step: Step[C], direction: Direction, context: C) -> Found | None:
    if direction == "undo" and step.undo is not None:
        return await step.undo(context)
    if direction == "find" and step.find is not None:
        return await step.find(context)
    return await step.do(context)


def _said(error: QuotewayError) -> str:
    """Return an attempt's message: the plain sentence on the first line, below it what only operators see."""
    below: list[str] = []
    if isinstance(error, InvalidRequest):
        below += [f"{fault.pointer}: {fault.detail}" for fault in error.faults]
    if isinstance(error, NeedsDecision):
        below += [f"Candidate: {candidate}" for candidate in error.candidates]
    if isinstance(error, VendorError) and error.vendor_said:
        below.append(f"The vendor said: {error.vendor_said}")
    return "\n".join(" ".join(line.split()) for line in (error.detail, *below))


def _outcome(kind: OutcomeKind, reason_code: str = "", pause_s: float = 0.0, what_to_do: str = "") -> Outcome:
    return {"kind": kind, "reason_code": reason_code, "pause_s": pause_s, "what_to_do": what_to_do}


def _parked(step: Step[Any], outcome: Outcome, preamble: str) -> Ending:
    return Ending(
        "parked",
        step.name,
        outcome["reason_code"] or "unavailable",
        preamble,
        outcome.get("what_to_do")
        or f"Look at the attempts of {step.name}, mend the system they name, then have the flow tried again.",
    )
