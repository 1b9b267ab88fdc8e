"""Events that the stream refuses: after a few attempts, a dead letter. Later events of the subject wait behind it.

Outages do not count: while Redis is down, or refuses everything, nothing is counted and all events wait.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Text, and_, cast, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.tables import events
from process_api.engine.steps import Patience
from shared.shortened import DETAIL_CHARS_MAX, shortened

# CloudEvents 1.0, "Size Limits": the size that every intermediary must forward; consumers need not accept more.
EVENT_BYTES_MAX = 64 * 1024
_events = events.c
_OPEN = and_(_events.published_at.is_(None), _events.discarded_at.is_(None))


class EventRefusedError(Exception):
    """This event cannot be published, however often it is tried; the message says why."""


def pending_events(tenant: str, limit: int) -> Select[Any]:
    """Return the tenant's events to publish now, in order, without those behind a refused one of their subject."""
    return (
        select(events)
        .where(
            _events.tenant == tenant,
            _OPEN,
            _events.dead_at.is_(None),
            _events.next_attempt_at <= func.clock_timestamp(),
            ~waits_behind_another(),
        )
        .order_by(_events.position)
        .limit(limit)
    )


def waits_behind_another() -> ColumnElement[bool]:
    """Return whether an earlier event of the same subject is dead, or postponed."""
    earlier = events.alias("earlier")
    return exists().where(
        earlier.c.tenant == _events.tenant,
        earlier.c.subject == _events.subject,
        earlier.c.position < _events.position,
        earlier.c.published_at.is_(None),
        earlier.c.discarded_at.is_(None),
        or_(earlier.c.dead_at.is_not(None), earlier.c.next_attempt_at > func.clock_timestamp()),
    )


async def put_off(connection: AsyncConnection, row: Row[Any], reason: str, patience: Patience) -> None:
    """Count a refusal: the event is retried later, or is dead after a few attempts."""
    attempts = row.attempts + 1
    dead = attempts >= patience.attempts_max
    await connection.execute(
        update(events)
        .where(_events.event_id == row.event_id)
        .values(
            attempts=attempts,
            reason=shortened(reason, DETAIL_CHARS_MAX),
            next_attempt_at=func.clock_timestamp() + timedelta(seconds=patience.pause_s(attempts, None)),
            dead_at=func.clock_timestamp() if dead else None,
        )
    )


async def dead_events(connection: AsyncConnection, tenant: str, limit: int) -> list[Row[Any]]:
    """Return the tenant's events that wait for a person, the longest waiting first."""
    query = select(events).where(_events.tenant == tenant, _OPEN, _events.dead_at.is_not(None))
    return list((await connection.execute(query.order_by(_events.dead_at).limit(limit))).all())


async def find_dead_event(connection: AsyncConnection, tenant: str, event_id: str) -> Row[Any] | None:
    """Return the dead event, locked for this transaction, or None."""
    query = select(events).where(_events.tenant == tenant, cast(_events.event_id, Text) == event_id, _OPEN)
    row = (await connection.execute(query.with_for_update())).one_or_none()
    return row if row is not None and row.dead_at is not None else None


async def revive_event(connection: AsyncConnection, row: Row[Any]) -> None:
    """Retry a dead event, with as many attempts as a new one."""
    values = {"attempts": 0, "dead_at": None, "next_attempt_at": func.clock_timestamp()}
    await connection.execute(update(events).where(_events.event_id == row.event_id).values(**values))


async def lay_event_aside(connection: AsyncConnection, row: Row[Any]) -> None:
    """Discard a dead event: it is never published, and later ones continue. Their sequence shows the gap."""
    await connection.execute(
        update(events).where(_events.event_id == row.event_id).values(discarded_at=func.clock_timestamp())
    )
