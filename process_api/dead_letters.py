"""Dead letters: flows, webhooks and events that need a person, and what a person may decide about them.

    retry     go on where it stopped; of a flow also again from an earlier step
    edit      correct what a flow works with, and have it go on from its quote (process_api.orders.corrections)
    discard   give it up: what a flow has begun is undone, and it ends `compensated`; others are laid aside

Every decision is a row that nothing changes any more. A decision on something that is not dead (any more) is refused,
so the same decision sent twice acts once.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.engine.decisions import FlowDecisions, decide
from process_api.engine.flows import OWNER, FlowStatus, of_legal_entities
from process_api.moments import rfc3339
from process_api.orders.corrections import EditedValues
from process_api.refused_events import dead_events, find_dead_event, lay_event_aside, revive_event
from process_api.store import Store
from process_api.tables import dead_letter_decisions, flows
from process_api.webhook_inbox import InboxStatus, dead_webhooks, find_webhook, lay_aside, revive
from shared.auth import Principal
from shared.problem import Conflict, NotFound

# Before the id of a dead event; a dead webhook's has its sender there.
EVENTS = "event"
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
    """Lists dead letters, and carries out what a person decides; `flows` carries out what is about a flow."""

    store: Store
    flows: FlowDecisions

    async def waiting(self, tenant: str, limit: int, legal_entities: frozenset[str] | None = None) -> list[DeadLetter]:
        """The tenant's dead letters, the longest waiting first; of these legal entities only, and then without events.

        An event that the stream refuses is the platform's trouble: its subject says nothing of a legal entity.
        """
        since = func.coalesce(flows.c.parked_at, flows.c.started_at).label("since")
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
            await self.flows.retry(principal, dead_letter_id)
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
            await self.flows.discard(principal, dead_letter_id, reason)
            return
        async with self.store.transaction(principal.tenant) as connection:
            await decide(connection, principal, dead_letter_id, "discard", reason=reason)
            if source == EVENTS:
                await lay_event_aside(connection, await _require_dead_event(connection, principal.tenant, event_id))
            else:
                await lay_aside(connection, await _dead(connection, principal.tenant, source, event_id))


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
