"""Flows: what a business process has begun, attempted and found, for every later question."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.moments import rfc3339
from process_api.database.pages import newest_first, next_cursor
from process_api.database.store import Store
from process_api.database.tables import flow_attempts, flow_steps, flows
from process_api.engine.failures import LAST_FAILURE, Delay, delay_of
from process_api.engine.flow_search import FlowSearch
from shared.identity.principal import ActingUser, Principal

# The team that owns flows, and decides about parked ones.
OWNER = "integration-operations"


def tenant_of(flow_id: str) -> str:
    """Return a flow's tenant: an id is the tenant's name, a dot, and the tenant's own id of the flow."""
    tenant, dot, _ = flow_id.partition(".")
    if not dot:
        raise ValueError(f"{flow_id!r} is no flow's id: it names no tenant")
    return tenant


class FlowStatus(StrEnum):
    """The status of a flow. `parked` waits for a person."""

    queued = "queued"
    running = "running"
    compensating = "compensating"
    succeeded = "succeeded"
    rejected = "rejected"
    compensated = "compensated"
    parked = "parked"


class StepState(StrEnum):
    """The state of a step. `begun`: it may have happened, and is undone if the flow is."""

    begun = "begun"
    done = "done"
    undone = "undone"


class Authority(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The authority under which a flow was started, from the tokens of that time; no token is stored.

    `client` is the application that asked for it, `through` the one that called us. `user` is the acting Salesforce
    user, if any, and `transaction` the id of the user's action in every tier's records. `scopes` are the user's own if
    there is one.
    """

    client: str
    through: str
    scopes: list[str]
    user: str | None = None
    transaction: str | None = None


class FlowRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A flow. `subject` is its business record; `what_to_do` tells its `owner` how to resume a parked flow.

    `generation` is 1, and one more each time that an operator had it go on. `delay` says what it waits for while an
    attempt is being repeated.
    """

    flow_id: str
    kind: str
    subject: str
    status: FlowStatus
    started_at: str
    correlation_id: str
    requested_by: str
    current_step: str | None = None
    finished_at: str | None = None
    reason_code: str | None = None
    reason: str | None = None
    what_to_do: str | None = None
    generation: int = 1
    owner: str = OWNER
    authority: Authority | None = None
    delay: Delay | None = None


class StepRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A step of a flow, with the vendors' ids of what it created."""

    step: str
    state: StepState
    begun_at: str
    finished_at: str | None
    vendor_ids: list[str]


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One attempt at a step, forward or undoing it. `resumed`: another worker had begun it and died.

    Attempts are counted anew in every generation of the flow.
    """

    step: str
    direction: str
    generation: int
    attempt: int
    outcome: str
    detail: str
    executor_id: str
    resumed: bool
    begun_at: str
    finished_at: str | None


@dataclass(frozen=True)
class Flows:
    """Reads flows."""

    store: Store

    async def find(self, tenant: str, flow_id: str) -> FlowRecord | None:
        """Return the tenant's flow, or None."""
        query = select(flows).where(flows.c.tenant == tenant, flows.c.flow_id == flow_id)
        async with self.store.transaction(tenant) as connection:
            row = (await connection.execute(query)).one_or_none()
        return _flow(row) if row is not None else None

    async def page(
        self,
        tenant: str,
        search: FlowSearch,
        *,
        limit: int,
        cursor: str | None = None,
        legal_entities: frozenset[str] | None = None,
    ) -> tuple[list[FlowRecord], str | None]:
        """Return some of the flows found, newest first, and the cursor of those after them.

        Only those of `legal_entities`, where that is given. A flow whose connection is not known yet is no legal
        entity's: only a client of all of them sees it. Raises InvalidRequest for a cursor that is not ours.
        """
        query = select(flows).where(flows.c.tenant == tenant, *of_legal_entities(legal_entities), *search.conditions())
        query = newest_first(query, flows.c.started_at, flows.c.flow_id, limit, cursor)
        async with self.store.transaction(tenant) as connection:
            rows = (await connection.execute(query)).all()
        return [_flow(row) for row in rows[:limit]], next_cursor(rows, limit, "started_at", "flow_id")

    async def steps(self, tenant: str, flow_id: str) -> list[StepRecord]:
        """Return the steps that were begun, in order."""
        query = select(flow_steps).where(flow_steps.c.flow_id == flow_id).order_by(flow_steps.c.position)
        async with self.store.transaction(tenant) as connection:
            rows = (await connection.execute(query)).all()
        return [
            StepRecord(
                step=row.step,
                state=StepState(row.state),
                begun_at=rfc3339(row.begun_at),
                finished_at=rfc3339(row.finished_at) if row.finished_at else None,
                vendor_ids=list(row.vendor_ids),
            )
            for row in rows
        ]

    async def attempts(self, tenant: str, flow_id: str) -> list[AttemptRecord]:
        """Return every attempt, oldest first."""
        query = (
            select(flow_attempts)
            .where(flow_attempts.c.flow_id == flow_id)
            .order_by(flow_attempts.c.begun_at, flow_attempts.c.attempt)
        )
        async with self.store.transaction(tenant) as connection:
            rows = (await connection.execute(query)).all()
        return [
            AttemptRecord(
                step=row.step,
                direction=row.direction,
                generation=row.generation,
                attempt=row.attempt,
                outcome=row.outcome,
                detail=row.detail,
                executor_id=row.executor_id,
                resumed=row.resumed,
                begun_at=rfc3339(row.begun_at),
                finished_at=rfc3339(row.finished_at) if row.finished_at else None,
            )
            for row in rows
        ]


def authority_of(principal: Principal, acting_user: ActingUser | None) -> Authority:
    """Return a caller's authority."""
    if acting_user is None:
        client = principal.for_client or principal.client_id
        return Authority(client=client, through=principal.client_id, scopes=sorted(principal.scopes))
    return Authority(
        client=acting_user.client_id,
        through=principal.client_id,
        scopes=sorted(acting_user.scopes),
        user=acting_user.user_id,
        transaction=acting_user.txn,
    )


def of_legal_entities(legal_entities: frozenset[str] | None) -> list[ColumnElement[bool]]:
    """Return the condition that a flow belongs to one of these legal entities; none for all."""
    if legal_entities is None:
        return []
    return [flows.c.legal_entity.in_(sorted(legal_entities))]


async def add_what_to_do(connection: AsyncConnection, flow_id: str, sentence: str) -> None:
    """Add a sentence to what an operator is told to do, unless it is there."""
    told = func.coalesce(flows.c.what_to_do, "")
    new = update(flows).where(flows.c.flow_id == flow_id, ~told.contains(sentence, autoescape=True))
    await connection.execute(new.values(what_to_do=func.ltrim(told + " " + sentence)))


async def remove_what_to_do(connection: AsyncConnection, flow_id: str, sentence: str) -> None:
    """Remove a sentence that `add_what_to_do` added, if it is there."""
    left = func.nullif(func.trim(func.replace(flows.c.what_to_do, sentence, "")), "")
    await connection.execute(
        update(flows)
        .where(flows.c.flow_id == flow_id, flows.c.what_to_do.contains(sentence, autoescape=True))
        .values(what_to_do=left)
    )


async def change_flow(connection: AsyncConnection, flow_id: str, **columns: Any) -> None:
    """Change a flow, in the caller's transaction."""
    await connection.execute(update(flows).where(flows.c.flow_id == flow_id).values(**columns))


def _flow(row: Row[Any]) -> FlowRecord:
    return FlowRecord(
        flow_id=row.flow_id,
        kind=row.kind,
        subject=row.subject,
        status=FlowStatus(row.status),
        started_at=rfc3339(row.started_at),
        correlation_id=row.correlation_id,
        requested_by=row.requested_by,
        authority=msgspec.convert(row.authority, Authority) if row.authority is not None else None,
        current_step=row.current_step,
        finished_at=rfc3339(row.finished_at) if row.finished_at else None,
        reason_code=row.reason_code,
        reason=row.reason,
        what_to_do=row.what_to_do,
        generation=row.generation,
        delay=delay_of(row.results.get(LAST_FAILURE), row.current_step, row.status),
    )
