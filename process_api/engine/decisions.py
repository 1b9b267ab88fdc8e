"""An operator's decisions on parked flows: resume one, restart it from an earlier step, or discard it.

Every decision is an immutable row, written in the transaction that carries it out.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Row, bindparam, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.store import Store
from process_api.database.tables import dead_letter_decisions, flow_steps, flows
from process_api.engine.failures import LAST_FAILURE
from process_api.engine.flow_kind import FlowKind
from process_api.engine.flows import FlowStatus, StepState, change_flow
from process_api.engine.progress import step_state
from process_api.engine.queueing.account_admission import join_line
from process_api.engine.queueing.queues import enqueue, in_begin, workflow_ids
from process_api.engine.steps import Ending
from shared.identity.principal import Principal
from shared.problem import Conflict, Fault, InvalidRequest, NotFound
from shared.telemetry.process_telemetry import current_correlation_id
from shared.telemetry.tracing import recorded_traceparent

_STILL_WORKING_RETRY_S = 2
_OTHER_RELEASE_RETRY_S = 30
_WORKFLOW_AT_WORK = text(
    "SELECT EXISTS (SELECT FROM dbos.workflow_status"
    " WHERE workflow_uuid = ANY(:workflow_ids) AND status IN ('ENQUEUED', 'PENDING', 'DELAYED'))"
).bindparams(bindparam("workflow_ids"))


@dataclass(frozen=True)
class FlowDecisions:
    """Carries out what an operator decides about flows of these kinds."""

    store: Store
    kinds: Mapping[str, FlowKind[Any]]

    async def retry(
        self, principal: Principal, flow_id: str, from_step: str | None = None, reason: str | None = None
    ) -> None:
        """Have a parked flow go on: from its first step that is not done, or again from `from_step`.

        `reason` is kept with the decision. One that was being undone goes on being undone. Raises NotFound, Conflict
        where the flow is not parked, and InvalidRequest where it has not come to `from_step`.
        """
        async with self.store.transaction(principal.tenant) as connection:
            await self.retry_in(connection, principal, flow_id, from_step, reason)

    async def discard(self, principal: Principal, flow_id: str, reason: str) -> None:
        """Undo everything that a parked flow has begun; it ends `compensated`. Raises NotFound, or Conflict."""
        async with self.store.transaction(principal.tenant) as connection:
            await self.discard_in(connection, principal, flow_id, reason)

    async def retry_in(
        self,
        connection: AsyncConnection,
        principal: Principal,
        flow_id: str,
        from_step: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Resume a flow as `retry` does, in the caller's transaction."""
        flow = await self.lock_parked(connection, principal.tenant, flow_id)
        kind = self._kind_of(flow)
        if from_step is not None:
            await _begin_again_from(connection, kind, flow, from_step)
        if flow.undoing_to is not None:
            phase = kind.record.undoing_phase
        else:
            phase = await _phase_to_go_on_with(connection, kind, flow_id)
        message = f"Tried again by {principal.subject}" + (f" from {from_step}." if from_step else ".")
        await decide(connection, principal, flow_id, "retry", from_step=from_step, reason=reason)
        await self.begin_again(connection, flow, phase, "retry", message)

    async def discard_in(self, connection: AsyncConnection, principal: Principal, flow_id: str, reason: str) -> None:
        """Discard a flow as `discard` does, in the caller's transaction."""
        flow = await self.lock_parked(connection, principal.tenant, flow_id)
        ending = Ending("compensated", "discard", "discarded", reason)
        await change_flow(connection, flow_id, undoing_to=msgspec.to_builtins(ending))
        await decide(connection, principal, flow_id, "discard", reason=reason)
        message = f"Discarded by {principal.subject}: {reason}"
        await self.begin_again(connection, flow, self._kind_of(flow).record.undoing_phase, "discard", message)

    def _kind_of(self, flow: Row[Any]) -> FlowKind[Any]:
        """Return the flow's kind. Raises Conflict if only another release knows it."""
        kind = self.kinds.get(flow.kind)
        if kind is None or not kind.knows(flow.step_table):
            raise Conflict(
                f"Flow {flow.flow_id} is of another release than the process that you asked. Decide again once all "
                "processes are of one release.",
                retry_after_s=_OTHER_RELEASE_RETRY_S,
            )
        return kind.at(flow.step_table)

    async def lock_parked(self, connection: AsyncConnection, tenant: str, flow_id: str) -> Row[Any]:
        """Return the flow, locked, so that the second of two concurrent decisions finds it running.

        Raises NotFound, or Conflict if it is not parked (any more), or its parking is not complete.
        """
        query = select(flows).where(flows.c.tenant == tenant, flows.c.flow_id == flow_id).with_for_update()
        flow = (await connection.execute(query)).one_or_none()
        if flow is None:
            raise NotFound(f"There is no flow {flow_id}.")
        require_parked(flow)
        if await connection.scalar(_WORKFLOW_AT_WORK, {"workflow_ids": list(workflow_ids(flow_id, flow.generation))}):
            raise Conflict(
                f"Flow {flow_id} is parked, but its end is still being reported. Decide again in a few seconds.",
                retry_after_s=_STILL_WORKING_RETRY_S,
            )
        return flow

    async def begin_again(
        self, connection: AsyncConnection, flow: Row[Any], phase: str, step: str, message: str
    ) -> None:
        """Enqueue the flow's next generation, in the transaction of the decision."""
        kind, generation = self._kind_of(flow), flow.generation + 1
        if kind.report_ending is not None:
            # The last generation's end was reported; this one's is to be reported anew.
            reported = (flow_steps.c.flow_id == flow.flow_id, flow_steps.c.step == kind.report_ending.name)
            await connection.execute(delete(flow_steps).where(*reported))
        await change_flow(
            connection,
            flow.flow_id,
            status=FlowStatus.queued,
            generation=generation,
            what_to_do=None,
            parked_at=None,
            reason_code=None,
            reason=None,
            results=flows.c.results.op("-")(LAST_FAILURE),
            decision_traceparent=recorded_traceparent(),
        )
        await kind.record.go_on(connection, flow.subject, phase, step, message)
        if await _is_connection_known(connection, kind, flow.flow_id):
            await join_line(connection, flow.flow_id, generation)
        else:
            place = in_begin(flow.flow_id, generation, tenant=flow.tenant)
            await enqueue(connection, place, flow.flow_id, generation)


def require_parked(flow: Row[Any]) -> None:
    """Raise Conflict unless the flow is parked."""
    if flow.status != FlowStatus.parked:
        raise Conflict(f"Flow {flow.flow_id} is {flow.status}; only a parked flow waits for a decision.")


async def decide(
    connection: AsyncConnection,
    principal: Principal,
    dead_letter_id: str,
    action: str,
    *,
    reason: str | None = None,
    from_step: str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Record a decision, in the transaction that carries it out."""
    await connection.execute(
        insert(dead_letter_decisions).values(
            decision_id=uuid.uuid4(),
            tenant=principal.tenant,
            dead_letter_id=dead_letter_id,
            action=action,
            reason=reason,
            from_step=from_step,
            before=before,
            after=after,
            decided_by=principal.subject,
            correlation_id=current_correlation_id(),
        )
    )


async def _begin_again_from(connection: AsyncConnection, kind: FlowKind[Any], flow: Row[Any], from_step: str) -> None:
    """Mark that step and those after it to run again; they find what they created before."""
    if flow.undoing_to is not None:
        raise Conflict(f"Flow {flow.flow_id} is being undone: it can only go on being undone, without fromStep.")
    begun = select(flow_steps.c.step, flow_steps.c.position).where(flow_steps.c.flow_id == flow.flow_id)
    position = {row.step: row.position for row in await connection.execute(begun)}
    known = [step.name for step in kind.steps if step.name in position]
    # Callers may know the name of a step that has been merged into another one.
    from_step = next((step.name for step in kind.steps if from_step in step.formerly), from_step)
    if from_step not in known:
        raise InvalidRequest(
            "The flow cannot begin again from there.",
            [Fault(pointer="/fromStep", detail=f"It has come to these steps: {', '.join(known)}.")],
        )
    await connection.execute(
        update(flow_steps)
        .where(flow_steps.c.flow_id == flow.flow_id, flow_steps.c.position >= position[from_step])
        .values(state=StepState.begun, finished_at=None)
    )


async def _phase_to_go_on_with(connection: AsyncConnection, kind: FlowKind[Any], flow_id: str) -> str:
    """Return the record's phase for the first step that is not done."""
    query = select(flow_steps.c.step).where(flow_steps.c.flow_id == flow_id, flow_steps.c.state == StepState.done)
    done = set(await connection.scalars(query))
    phase = kind.record.first_phase
    for step in kind.steps:
        phase = step.phase or phase
        if step.name not in done:
            break
    return phase


async def _is_connection_known(connection: AsyncConnection, kind: FlowKind[Any], flow_id: str) -> bool:
    if kind.connection_known_after is None:
        return True
    return await step_state(connection, flow_id, kind.connection_known_after) is StepState.done
