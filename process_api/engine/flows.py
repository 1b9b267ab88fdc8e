"""Flows: what a business process has begun, attempted and found, for every later question."""

import base64
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.moments import rfc3339
from process_api.database.store import Store
from process_api.database.tables import flow_attempts, flow_steps, flows
from shared.identity.principal import ActingUser, Principal
from shared.problem import Fault, InvalidRequest

# The team that owns flows, and decides about parked ones.
OWNER = "integration-operations"
_FLOW_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


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

    `generation` is 1, plus one for each restart by an operator.
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
        *,
        status: FlowStatus | None,
        limit: int,
        cursor: str | None,
        legal_entities: frozenset[str] | None = None,
    ) -> tuple[list[FlowRecord], str | None]:
        """Return some of the tenant's flows, newest first, and the cursor of those after them; of these legal entities
        only.

        A flow whose connection is not known yet belongs to no legal entity: only clients of all of them see it.
        """
        query = select(flows).where(flows.c.tenant == tenant, *of_legal_entities(legal_entities))
        if status is not None:
            query = query.where(flows.c.status == status)
        if cursor is not None:
            started_at, flow_id = _parse_cursor(cursor)
            query = query.where(
                or_(
                    flows.c.started_at < started_at,
                    and_(flows.c.started_at == started_at, flows.c.flow_id < flow_id),
                )
            )
        query = query.order_by(flows.c.started_at.desc(), flows.c.flow_id.desc()).limit(limit + 1)
        async with self.store.transaction(tenant) as connection:
            rows = (await connection.execute(query)).all()
        following = _cursor(rows[limit - 1]) if len(rows) > limit else None
        return [_flow(row) for row in rows[:limit]], following

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


async def lane_of(connection: AsyncConnection, flow_id: str) -> tuple[str, str]:
    """Return the tenant and the legal entity of a flow whose connection is known."""
    row = (
        await connection.execute(select(flows.c.tenant, flows.c.legal_entity).where(flows.c.flow_id == flow_id))
    ).one()
    return row.tenant, row.legal_entity


async def add_what_to_do(connection: AsyncConnection, flow_id: str, sentence: str) -> None:
    """Append a sentence to an operator's instructions."""
    known = func.coalesce(flows.c.what_to_do + " ", "")
    await connection.execute(update(flows).where(flows.c.flow_id == flow_id).values(what_to_do=known + sentence))


async def remove_what_to_do(connection: AsyncConnection, flow_id: str, sentence: str) -> None:
    """Remove a sentence that `add_what_to_do` added, if it is there."""
    left = func.nullif(func.trim(func.replace(flows.c.what_to_do, sentence, "")), "")
    await connection.execute(
        update(flows)
        .where(flows.c.flow_id == flow_id, flows.c.what_to_do.contains(sentence, autoescape=True))
        .values(what_to_do=left)
    )


async def undoing_to(connection: AsyncConnection, flow_id: str) -> dict[str, Any] | None:
    """Return the ending after the flow's undoing; None while it goes forward."""
    ending: dict[str, Any] | None = await connection.scalar(
        select(flows.c.undoing_to).where(flows.c.flow_id == flow_id)
    )
    return ending


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
    )


def _cursor(row: Row[Any]) -> str:
    return base64.urlsafe_b64encode(f"{row.started_at.isoformat()}|{row.flow_id}".encode()).decode()


def _parse_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        text, _, flow_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        started_at = datetime.fromisoformat(text)
    except ValueError:
        started_at, flow_id = datetime.min, ""  # noqa: DTZ901 refused below, as any moment without a time zone
    if started_at.tzinfo is None or not _FLOW_ID.fullmatch(flow_id):
        raise InvalidRequest(
            "The cursor is not one of ours.",
            [Fault(pointer="query/cursor", detail="Send `nextCursor` of the page before, unchanged.")],
        )
    return started_at, flow_id
