"""One attempt at a step: written down as begun, made, and written down as ended, with what it found.

The end of one attempt and the begin of what follows it are one transaction. It is fenced by the worker's lease, and it
loads the context of what follows: so a step of a flow that goes well costs one transaction.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.store import Store
from process_api.engine.crash_loops import forget_starts
from process_api.engine.ending import end_in
from process_api.engine.failures import Failure, note_failure
from process_api.engine.flow_kind import FlowKind
from process_api.engine.flows import StepState, tenant_of
from process_api.engine.intents import answer
from process_api.engine.progress import begin_attempt, end_attempt, end_step, step_state
from process_api.engine.steps import C, Direction, Ending, Found, Outcome, Step
from process_api.engine.worker_lease import Lease
from shared.problem import InvalidRequest, NeedsDecision, QuotewayError, Unavailable, VendorError

SETTLED: dict[Direction, frozenset[StepState]] = {
    "forward": frozenset({StepState.done}),
    "find": frozenset({StepState.done}),
    "undo": frozenset({StepState.undone}),
}
# What is written in the transaction that ends a flow's last step.
TheEnd = Literal["the end"]


@dataclass(frozen=True)
class Begun(Generic[C]):
    """An attempt that is written down as begun, and the context that it gets."""

    step: Step[C]
    direction: Direction
    attempt: int
    context: C


@dataclass(frozen=True)
class Attempts(Generic[C]):
    """Writes down the attempts of flows of one kind."""

    kind: FlowKind[C]
    resources: Any
    store: Store
    lease: Lease
    sweep_after_s: int

    async def begin(self, flow_id: str, step: Step[C], direction: Direction, attempt: int) -> Begun[C] | None:
        """Write down that an attempt begins. Returns None where nothing is left to attempt."""
        async with self.store.transaction(tenant_of(flow_id)) as connection:
            await self.lease.fence(connection)
            if await step_state(connection, flow_id, step.name) in SETTLED[direction]:
                return None
            return await self._begin_in(connection, flow_id, step, direction, attempt)

    async def end(
        self, begun: Begun[C], outcome: Outcome, found: Found | None, following: Step[C] | TheEnd | None
    ) -> Begun[C] | TheEnd | None:
        """Write down how an attempt ended, what it found, and that what follows it begins. Returns what has begun."""
        flow_id = begun.context.flow_id
        async with self.store.transaction(begun.context.tenant) as connection:
            await self.lease.fence(connection)
            await self._end_in(connection, begun, outcome, found)
            if following is None:
                return None
            if following != "the end":
                return await self._begin_in(connection, flow_id, following, "forward", 1)
            count = await end_in(connection, self.kind, flow_id, Ending("succeeded"), self.sweep_after_s)
        count()
        return "the end"

    async def fail(
        self,
        flow_id: str,
        step: Step[C],
        direction: Direction,
        outcome: Outcome,
        detail: str,
        failure: Failure,
        error: QuotewayError | None = None,
    ) -> None:
        """Write down that an attempt failed. Without a database it stays unwritten, and is made again after a death."""
        with suppress(Unavailable):
            async with self.store.transaction(tenant_of(flow_id)) as connection:
                await self.lease.fence(connection)
                if step in self.kind.steps:
                    await note_failure(connection, self.kind.record, flow_id, failure, outcome["pause_s"], detail)
                if outcome["kind"] == "rejected" and error is not None:
                    await self.kind.record.note_refused(connection, flow_id, error)
                await forget_starts(connection, flow_id)
                await end_attempt(
                    connection,
                    flow_id=flow_id,
                    step=step.name,
                    direction=direction,
                    attempt=failure.attempt,
                    outcome=outcome["kind"],
                    detail=detail,
                    again_after_s=outcome["pause_s"],
                )

    async def _begin_in(
        self, connection: AsyncConnection, flow_id: str, step: Step[C], direction: Direction, attempt: int
    ) -> Begun[C]:
        flow = await begin_attempt(
            connection,
            flow_id=flow_id,
            step=step.name,
            position=self.kind.position_of(step),
            direction=direction,
            attempt=attempt,
            executor_id=self.lease.executor_id,
        )
        context = await self.kind.load(self.resources, connection, flow)
        if attempt == 1:
            phase = self.kind.record.undoing_phase if direction == "undo" else step.phase
            if phase is not None and phase != context.phase:
                await self.kind.record.enter_phase(connection, context.subject, phase, step.name)
        return Begun(step, direction, attempt, context)

    async def _end_in(
        self, connection: AsyncConnection, begun: Begun[C], outcome: Outcome, found: Found | None
    ) -> None:
        flow_id, step = begun.context.flow_id, begun.step
        if found is None:
            await forget_starts(connection, flow_id)
        elif begun.direction == "undo":
            await end_step(connection, flow_id=flow_id, step=step.name, state=StepState.undone)
        else:
            await end_step(
                connection,
                flow_id=flow_id,
                step=step.name,
                state=StepState.done,
                vendor_ids=found.vendor_ids,
                result={step.keeps_as or step.name: found.result},
                known=found.connection,
            )
            for operation_id, vendor_id in found.answered.items():
                await answer(connection, operation_id, vendor_id)
            await self.kind.record.note_found(connection, begun.context.subject, step.name, found)
        await end_attempt(
            connection,
            flow_id=flow_id,
            step=step.name,
            direction=begun.direction,
            attempt=begun.attempt,
            outcome=outcome["kind"],
            detail=found.message if found else "nothing there",
        )


def said(error: QuotewayError) -> str:
    """What an attempt was told: the plain sentence on the first line, below it what only operators are shown."""
    below: list[str] = []
    if isinstance(error, InvalidRequest):
        below += [f"{fault.pointer}: {fault.detail}" for fault in error.faults]
    if isinstance(error, NeedsDecision):
        below += [f"Candidate: {candidate}" for candidate in error.candidates]
    if isinstance(error, VendorError) and error.vendor_said:
        below.append(f"The vendor said: {error.vendor_said}")
    return "\n".join(" ".join(line.split()) for line in (error.detail, *below))
