"""Dead letters: flows, webhooks and events that need a person, and what a person may decide about them.

    retry     go on where it stopped; of a flow also again from an earlier step
    edit      correct what a flow works with, and have it go on from its quote (process_api.orders.corrections)
    discard   give it up: what a flow has begun is undone, and it ends `compensated`; others are laid aside

Every decision is a row that nothing changes any more. A decision on something that is not dead (any more) is refused,
so the same decision sent twice acts once.
"""

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Row, bindparam, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.engine.account_admission import join_line
from process_api.engine.flows import OWNER, FlowStatus, StepState, change_flow, of_legal_entities
from process_api.engine.progress import step_state
from process_api.engine.queues import enqueue, in_intake, workflow_ids
from process_api.engine.steps import Ending
from process_api.moments import rfc3339
from process_api.orders.record import change_order
from process_api.orders.submission import REPORT_ENDING, STATUS_DURING, STEPS
from process_api.refused_events import dead_events, find_dead_event, lay_event_aside, revive_event
from process_api.store import Store
from process_api.tables import dead_letter_decisions, events, flow_steps, flows
from process_api.webhook_inbox import InboxStatus, dead_webhooks, find_webhook, lay_aside, revive
from shared.auth import Principal
from shared.canonical import Money, OrderStatus
from shared.events import OrderParked
from shared.problem import Conflict, Fault, InvalidRequest, NotFound
from shared.telemetry import current_correlation_id
from shared.tracing import recorded_traceparent

# Before the id of a dead event; a dead webhook's has its sender there.
EVENTS = "event"
_STILL_WORKING_RETRY_S = 2
_WORKFLOW_AT_WORK = text(
    "SELECT EXISTS (SELECT FROM dbos.workflow_status"
    " WHERE workflow_uuid = ANY(:workflow_ids) AND status IN ('ENQUEUED', 'PENDING', 'DELAYED'))"
).bindparams(bindparam("workflow_ids"))

_MEND_AND_RETRY = "Mend what the reason names, then have it tried again: later webhooks of its subject wait."
_LOOK_AND_DISCARD = (
    "Look at the event in billing by its id, mend what the reason names, and discard this: its text is not kept."
)


class DeadLetterKind(StrEnum):
    """What a dead letter is."""

    flow = "flow"
    webhook = "webhook"
    event = "event"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Something that waits for a person: why, since when, who answers for it, and what to do."""

    dead_letter_id: str
    kind: DeadLetterKind
    subject: str
    owner: str
    since: str
    reason: str
    what_to_do: str
    reason_code: str | None = None
    step: str | None = None


class EditedValues(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an edit can change: the revision that is ordered, what its lines come to, SKUs and the tax code."""

    quote_revision: int
    net_total: Money | None = None
    skus: dict[str, str] = msgspec.field(default_factory=dict)
    tax_code: str | None = None


class DecisionRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a person decided about a dead letter; of an edit also what was `before`, and what is `after` it."""

    action: str
    decided_by: str
    decided_at: str
    correlation_id: str
    reason: str | None = None
    from_step: str | None = None
    before: EditedValues | None = None
    after: EditedValues | None = None


@dataclass(frozen=True)
class DeadLetters:
    """Lists dead letters, and carries out what a person decides."""

    store: Store

    async def waiting(self, tenant: str, limit: int, legal_entities: frozenset[str] | None = None) -> list[DeadLetter]:
        """The tenant's dead letters, the longest waiting first; of these legal entities only, and then without events.

        An event that the stream refuses is the platform's trouble: its subject says nothing of a legal entity.
        """
        told = (
            select(func.max(events.c.occurred_at))
            .where(
                events.c.tenant == flows.c.tenant,
                events.c.subject == flows.c.subject,
                events.c.type == OrderParked.event_type,
            )
            .scalar_subquery()
        )
        since = func.coalesce(told, flows.c.started_at).label("since")
        parked = (
            select(flows, since)
            .where(flows.c.tenant == tenant, flows.c.status == FlowStatus.parked, *of_legal_entities(legal_entities))
            .order_by(since, flows.c.flow_id)
            .limit(limit)
        )
        async with self.store.transaction(tenant) as connection:
            letters = [_parked_flow(row) for row in await connection.execute(parked)]
            letters += [_dead_webhook(row) for row in await dead_webhooks(connection, tenant, limit, legal_entities)]
            if legal_entities is None:
                letters += [_dead_event(row) for row in await dead_events(connection, tenant, limit)]
        return sorted(letters, key=lambda letter: letter.since)[:limit]

    async def decisions(self, tenant: str, dead_letter_id: str) -> list[DecisionRecord]:
        """What was decided about a flow or a webhook, oldest first."""
        query = (
            select(dead_letter_decisions)
            .where(dead_letter_decisions.c.tenant == tenant, dead_letter_decisions.c.dead_letter_id == dead_letter_id)
            .order_by(dead_letter_decisions.c.decided_at)
        )
        async with self.store.transaction(tenant) as connection:
            return [_decision(row) for row in await connection.execute(query)]

    async def retry(self, principal: Principal, dead_letter_id: str) -> None:
        """Have a dead letter tried again. Raises NotFound, or Conflict where it is not dead."""
        source, found, event_id = dead_letter_id.partition(":")
        if not found:
            await self.retry_flow(principal, dead_letter_id)
            return
        async with self.store.transaction(principal.tenant) as connection:
            await decide(connection, principal, dead_letter_id, "retry")
            if source == EVENTS:
                await revive_event(connection, await _require_dead_event(connection, principal.tenant, event_id))
            else:
                await revive(connection, await _dead(connection, principal.tenant, source, event_id))

    async def discard(self, principal: Principal, dead_letter_id: str, reason: str) -> None:
        """Give a dead letter up. Raises NotFound, or Conflict where it is not dead."""
        source, found, event_id = dead_letter_id.partition(":")
        if not found:
            await self.discard_flow(principal, dead_letter_id, reason)
            return
        async with self.store.transaction(principal.tenant) as connection:
            await decide(connection, principal, dead_letter_id, "discard", reason=reason)
            if source == EVENTS:
                await lay_event_aside(connection, await _require_dead_event(connection, principal.tenant, event_id))
            else:
                await lay_aside(connection, await _dead(connection, principal.tenant, source, event_id))

    async def retry_flow(self, principal: Principal, flow_id: str, from_step: str | None = None) -> None:
        """Have a parked flow go on: from its first step that is not done, or again from `from_step`.

        One that was being undone goes on being undone. Raises NotFound, Conflict where the flow is not parked, and
        InvalidRequest where it has not come to `from_step`.
        """
        async with self.store.transaction(principal.tenant) as connection:
            flow = await self.lock_parked(connection, principal.tenant, flow_id)
            if from_step is not None:
                await _begin_again_from(connection, flow, from_step)
            if flow.undoing_to is not None:
                status = OrderStatus.compensating
            else:
                status = await _status_to_go_on_with(connection, flow_id)
            message = f"Tried again by {principal.subject}" + (f" from {from_step}." if from_step else ".")
            await decide(connection, principal, flow_id, "retry", from_step=from_step)
            await self._begin_again(connection, flow, status, "retry", message)

    async def discard_flow(self, principal: Principal, flow_id: str, reason: str) -> None:
        """Undo whatever a parked flow has begun; it ends `compensated`. Raises NotFound, or Conflict."""
        async with self.store.transaction(principal.tenant) as connection:
            flow = await self.lock_parked(connection, principal.tenant, flow_id)
            ending = Ending("compensated", "discard", "discarded", reason)
            await change_flow(connection, flow_id, undoing_to=msgspec.to_builtins(ending))
            await decide(connection, principal, flow_id, "discard", reason=reason)
            message = f"Discarded by {principal.subject}: {reason}"
            await self._begin_again(connection, flow, OrderStatus.compensating, "discard", message)

    async def lock_parked(self, connection: AsyncConnection, tenant: str, flow_id: str) -> Row[Any]:
        """The flow, locked, so that of two decisions at once the second finds it at work.

        Raises NotFound, or Conflict where it is not parked (any more), or not yet for good.
        """
        query = select(flows).where(flows.c.tenant == tenant, flows.c.flow_id == flow_id).with_for_update()
        flow = (await connection.execute(query)).one_or_none()
        if flow is None:
            raise NotFound(f"There is no flow {flow_id}.")
        require_parked(flow)
        if await connection.scalar(_WORKFLOW_AT_WORK, {"workflow_ids": list(workflow_ids(flow_id, flow.generation))}):
            raise Conflict(
                f"Flow {flow_id} is parked, but Salesforce is still being told so. Decide again in a few seconds.",
                retry_after_s=_STILL_WORKING_RETRY_S,
            )
        return flow

    async def begin_again_from_quote(self, connection: AsyncConnection, flow: Row[Any], message: str) -> None:
        """Have an edited flow begin again, in the transaction of the decision."""
        await self._begin_again(connection, flow, OrderStatus.validating, "edit", message)

    async def _begin_again(
        self, connection: AsyncConnection, flow: Row[Any], status: OrderStatus, step: str, message: str
    ) -> None:
        """Put the flow's next generation into the queue, in the transaction of the decision."""
        generation = flow.generation + 1
        # How the last generation ended was told; how this one ends is to be told anew.
        await connection.execute(
            delete(flow_steps).where(flow_steps.c.flow_id == flow.flow_id, flow_steps.c.step == REPORT_ENDING.name)
        )
        cleared = {"reason_code": None, "reason": None}
        await change_flow(
            connection, flow.flow_id, status=FlowStatus.queued, generation=generation, what_to_do=None, **cleared
        )
        await change_flow(connection, flow.flow_id, decision_traceparent=recorded_traceparent())
        await change_order(connection, flow.subject, status=status, step=step, message=message, faults=None, **cleared)
        if await step_state(connection, flow.flow_id, STEPS[0].name) is StepState.done:
            await join_line(connection, flow.flow_id, generation)
        else:
            place = in_intake(flow.flow_id, generation, tenant=flow.tenant)
            await enqueue(connection, place, flow.flow_id, generation)


def require_parked(flow: Row[Any]) -> None:
    """Raise Conflict unless the flow is parked."""
    if flow.status != FlowStatus.parked:
        raise Conflict(f"Flow {flow.flow_id} is {flow.status}; only a parked flow waits for a decision.")


async def _dead(connection: AsyncConnection, tenant: str, source: str, event_id: str) -> Row[Any]:
    """The webhook, locked. Raises NotFound, or Conflict where it waits for nobody."""
    webhook = await find_webhook(connection, tenant, source, event_id)
    if webhook is None:
        raise NotFound(f"There is no dead letter {source}:{event_id}.")
    if webhook.status != InboxStatus.dead:
        raise Conflict(f"Webhook {source}:{event_id} is {webhook.status}; only a dead one waits for a decision.")
    return webhook


async def _require_dead_event(connection: AsyncConnection, tenant: str, event_id: str) -> Row[Any]:
    event = await find_dead_event(connection, tenant, event_id)
    if event is None:
        raise NotFound(f"There is no dead letter {EVENTS}:{event_id}.")
    return event


async def _begin_again_from(connection: AsyncConnection, flow: Row[Any], from_step: str) -> None:
    """Have that step and those after it run again; they find what they made before."""
    if flow.undoing_to is not None:
        raise Conflict(f"Flow {flow.flow_id} is being undone: it can only go on being undone, without fromStep.")
    begun = select(flow_steps.c.step, flow_steps.c.position).where(flow_steps.c.flow_id == flow.flow_id)
    position = {row.step: row.position for row in await connection.execute(begun)}
    known = [step.name for step in STEPS if step.name in position]
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


async def _status_to_go_on_with(connection: AsyncConnection, flow_id: str) -> OrderStatus:
    """The status of the order while the first step that is not done is at work."""
    query = select(flow_steps.c.step).where(flow_steps.c.flow_id == flow_id, flow_steps.c.state == StepState.done)
    done = set(await connection.scalars(query))
    status = OrderStatus.received
    for step in STEPS:
        status = STATUS_DURING.get(step.name, status)
        if step.name not in done:
            break
    return status


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
    """Write a decision down, in the transaction that carries it out."""
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


def _parked_flow(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        dead_letter_id=row.flow_id,
        kind=DeadLetterKind.flow,
        subject=row.subject,
        owner=OWNER,
        since=rfc3339(row.since),
        reason=row.reason or "",
        reason_code=row.reason_code,
        what_to_do=row.what_to_do or "",
        step=row.current_step,
    )


def _dead_webhook(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        dead_letter_id=f"{row.source}:{row.event_id}",
        kind=DeadLetterKind.webhook,
        subject=row.subject,
        owner=OWNER,
        since=rfc3339(row.received_at),
        reason=row.reason or "",
        what_to_do=_MEND_AND_RETRY if row.subject else _LOOK_AND_DISCARD,
        step=row.type,
    )


def _dead_event(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        dead_letter_id=f"{EVENTS}:{row.event_id}",
        kind=DeadLetterKind.event,
        subject=row.subject,
        owner=OWNER,
        since=rfc3339(row.dead_at),
        reason=row.reason or "",
        what_to_do="Mend what the reason names, then have it tried again: later events of its subject wait.",
        step=row.type,
    )


def _decision(row: Row[Any]) -> DecisionRecord:
    return DecisionRecord(
        action=row.action,
        decided_by=row.decided_by,
        decided_at=rfc3339(row.decided_at),
        correlation_id=row.correlation_id,
        reason=row.reason,
        from_step=row.from_step,
        before=msgspec.convert(row.before, EditedValues) if row.before is not None else None,
        after=msgspec.convert(row.after, EditedValues) if row.after is not None else None,
    )
