"""Parked flows as dead letters: whose they are, what of them stands booked where, and what can be decided."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.moments import rfc3339
from process_api.database.tables import flow_steps, flows, intents
from process_api.engine.decisions import FlowDecisions
from process_api.engine.flows import OWNER, FlowStatus, StepState, of_legal_entities
from process_api.operations.dead_letter_sources import BookedRecord, DeadLetter, DeadLetterKind, Decision
from process_api.orders.parked_orders import ParkedOrder
from shared.identity.auth import Principal

# A customer outlives its order (docs/decisions/0005), and is no reason why the order's quote could not be read anew.
_OUTLIVES_ITS_FLOW = "customer"

ReadOrders = Callable[[AsyncConnection, str, Sequence[str]], Awaitable[dict[str, ParkedOrder]]]
"""Reads what a tenant's orders say of these subjects, by subject; of what is no order, nothing."""


@dataclass(frozen=True)
class ParkedFlows:
    """Flows that were parked."""

    flow_decisions: FlowDecisions
    read_orders: ReadOrders
    kind: DeadLetterKind = DeadLetterKind.flow

    async def waiting(
        self, connection: AsyncConnection, tenant: str, limit: int, legal_entities: frozenset[str] | None
    ) -> list[DeadLetter]:
        """See DeadLetterSource."""
        since = func.coalesce(flows.c.parked_at, flows.c.started_at).label("since")
        parked = (
            select(flows, since)
            .where(flows.c.tenant == tenant, flows.c.status == FlowStatus.parked, *of_legal_entities(legal_entities))
            .order_by(since, flows.c.flow_id)
            .limit(limit)
        )
        rows = (await connection.execute(parked)).all()
        orders = await self.read_orders(connection, tenant, [row.subject for row in rows])
        booked = await booked_records(connection, [row.flow_id for row in rows])
        return [self._letter(row, orders.get(row.subject), booked.get(row.flow_id, [])) for row in rows]

    async def legal_entity(self, connection: AsyncConnection, tenant: str, dead_letter_id: str) -> str:
        """See DeadLetterSource."""
        query = select(flows.c.legal_entity).where(flows.c.tenant == tenant, flows.c.flow_id == dead_letter_id)
        return str(await connection.scalar(query) or "")

    async def retry(self, connection: AsyncConnection, principal: Principal, dead_letter_id: str) -> None:
        """See DeadLetterSource."""
        await self.flow_decisions.retry_in(connection, principal, dead_letter_id)

    async def discard(
        self, connection: AsyncConnection, principal: Principal, dead_letter_id: str, reason: str
    ) -> None:
        """See DeadLetterSource. What the flow has begun is undone."""
        await self.flow_decisions.discard_in(connection, principal, dead_letter_id, reason)

    def _letter(self, row: Row[Any], order: ParkedOrder | None, booked: list[BookedRecord]) -> DeadLetter:
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
            account_id=row.account_id,
            legal_entity=row.legal_entity,
            quote_id=order.quote_id if order is not None else None,
            amount=order.amount if order is not None else None,
            booked=booked,
            decisions=self._possible(row, order, booked),
        )

    def _possible(self, row: Row[Any], order: ParkedOrder | None, booked: list[BookedRecord]) -> list[Decision]:
        """Return what would not be refused as things stand. Of a flow of another release, nothing."""
        kind = self.flow_decisions.kinds.get(row.kind)
        if kind is None or not kind.knows(row.step_table):
            return []
        stands = any(each.confirmed and each.record != _OUTLIVES_ITS_FLOW for each in booked)
        if order is None or row.undoing_to is not None or stands:
            return [Decision.retry, Decision.discard]
        return [Decision.retry, Decision.edit, Decision.discard]


async def booked_records(connection: AsyncConnection, flow_ids: Sequence[str]) -> dict[str, list[BookedRecord]]:
    """Return what these flows have written, or may have written, and not undone; by flow, in the order of writing."""
    undone = (flow_steps.c.flow_id.in_(flow_ids), flow_steps.c.state == StepState.undone)
    steps = await connection.execute(select(flow_steps.c.flow_id, flow_steps.c.step).where(*undone))
    # An intent's operation id begins with its flow and its step (process_api.engine.intents).
    taken_back = tuple(f"{row.flow_id}:{row.step}:" for row in steps)
    query = select(intents).where(intents.c.flow_id.in_(flow_ids)).order_by(intents.c.recorded_at)
    found: dict[str, list[BookedRecord]] = {}
    for row in await connection.execute(query):
        if not row.operation_id.startswith(taken_back):
            found.setdefault(row.flow_id, []).append(
                BookedRecord(
                    system=row.system,
                    record=row.entity,
                    external_id=row.external_id,
                    confirmed=row.answered_at is not None,
                    vendor_id=row.vendor_id,
                )
            )
    return found
