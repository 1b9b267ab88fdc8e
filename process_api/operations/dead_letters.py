"""Dead letters: flows, webhooks and events that need a person, and the decisions on them.

    retry     go on where it stopped; of a flow also again from an earlier step
    edit      correct what a flow works with, and have it go on from its quote (process_api.orders.corrections)
    discard   give it up: what a flow has begun is undone, and it ends `compensated`; others are laid aside

Every decision is an immutable row. A decision on something that is not dead (any more) is refused, so the same decision
sent twice acts once.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Row, select

from process_api.database.moments import rfc3339
from process_api.database.store import Store
from process_api.database.tables import dead_letter_decisions
from process_api.engine.decisions import FlowDecisions
from process_api.operations.dead_letter_sources import (
    DeadLetter,
    DeadLetterSource,
    DeadWebhooks,
    RefusedEvents,
    kind_of,
)
from process_api.operations.parked_flows import ParkedFlows
from process_api.orders.corrections import EditedValues
from process_api.orders.parked_orders import parked_orders
from shared.identity.auth import Principal


class DecisionRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A person's decision about a dead letter; for an edit with the values `before` and `after`."""

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
    """Lists dead letters, and carries out decisions. `sources`: one of each kind."""

    store: Store
    sources: tuple[DeadLetterSource, ...]

    async def waiting(self, tenant: str, limit: int, legal_entities: frozenset[str] | None = None) -> list[DeadLetter]:
        """Return the tenant's dead letters, the longest waiting first; of these legal entities only."""
        letters: list[DeadLetter] = []
        async with self.store.transaction(tenant) as connection:
            for source in self.sources:
                letters += await source.waiting(connection, tenant, limit, legal_entities)
        return sorted(letters, key=lambda letter: letter.since)[:limit]

    async def decisions(self, tenant: str, dead_letter_id: str) -> list[DecisionRecord]:
        """Return the decisions about a flow or a webhook, oldest first."""
        query = (
            select(dead_letter_decisions)
            .where(dead_letter_decisions.c.tenant == tenant, dead_letter_decisions.c.dead_letter_id == dead_letter_id)
            .order_by(dead_letter_decisions.c.decided_at)
        )
        async with self.store.transaction(tenant) as connection:
            return [_decision(row) for row in await connection.execute(query)]

    async def legal_entity(self, tenant: str, dead_letter_id: str) -> str:
        """Return a dead letter's legal entity; empty if there is none, or it belongs to no legal entity."""
        async with self.store.transaction(tenant) as connection:
            return await self._source(dead_letter_id).legal_entity(connection, tenant, dead_letter_id)

    async def retry(self, principal: Principal, dead_letter_id: str) -> None:
        """Retry a dead letter. Raises NotFound, or Conflict if it is not dead."""
        async with self.store.transaction(principal.tenant) as connection:
            await self._source(dead_letter_id).retry(connection, principal, dead_letter_id)

    async def discard(self, principal: Principal, dead_letter_id: str, reason: str) -> None:
        """Discard a dead letter. Raises NotFound, or Conflict if it is not dead."""
        async with self.store.transaction(principal.tenant) as connection:
            await self._source(dead_letter_id).discard(connection, principal, dead_letter_id, reason)

    def _source(self, dead_letter_id: str) -> DeadLetterSource:
        kind = kind_of(dead_letter_id)
        return next(source for source in self.sources if source.kind is kind)


def dead_letters(store: Store, decisions: FlowDecisions) -> DeadLetters:
    """Return the dead letters of every source there is. A further source is a class, and its line here."""
    return DeadLetters(store, (ParkedFlows(decisions, parked_orders), DeadWebhooks(), RefusedEvents()))


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
