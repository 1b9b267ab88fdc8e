"""The outbox relay: publishes events that are committed, at least once, each subject's in sequence.

Every worker runs one. A tenant's events are published by one relay at a time (a lock in PostgreSQL that ends with its
transaction), always from the first that is not published. An event is marked after Redis took it: a relay that dies in
between publishes it again, under the same id. While Redis is away nothing is lost and no flow waits for it.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.orders import rfc3339
from process_api.store import Store
from process_api.tables import events
from shared.events import CloudEvent
from shared.problem import Unavailable
from shared.redis_connection import RedisStreams

_log = logging.getLogger(__name__)
_BATCH_MAX = 200
_BACKOFF_MAX_S = 30.0


def stream_of(tenant: str) -> str:
    """The key of a tenant's stream."""
    return f"quoteway:events:{tenant}"


@dataclass
class EventRelay:
    """Publishes the outbox. `poll_s`: seconds between two looks; `stream_length`: about how many events are kept."""

    store: Store
    streams: RedisStreams
    poll_s: float
    stream_length: int

    async def run(self) -> None:
        """Publish until cancelled. An outage is logged once when it begins and once when it is over."""
        pause_s, away = self.poll_s, False
        while True:
            try:
                published = await self.publish_pending()
            except Unavailable as error:
                if not away:
                    _log.warning("events wait in the outbox: %s", error.detail)
                away, pause_s = True, min(pause_s * 2, _BACKOFF_MAX_S)
            except Exception:  # noqa: BLE001 a defect that one event shows must not end publishing for this process
                _log.exception("events could not be published")
                pause_s = min(pause_s * 2, _BACKOFF_MAX_S)
            else:
                if away:
                    _log.warning("events are published again")
                away, pause_s = False, self.poll_s
                if published:
                    continue
            await asyncio.sleep(pause_s)

    async def publish_pending(self) -> int:
        """Publish a batch of every tenant that has any. Returns how many; raises Unavailable where some could not be.

        A tenant whose stream refuses its events does not hold up the others.
        """
        async with self.store.transaction_across_tenants() as connection:
            waiting = select(events.c.tenant).where(events.c.published_at.is_(None)).distinct()
            tenants = list(await connection.scalars(waiting.order_by(events.c.tenant)))
        published, failure = 0, None
        for tenant in tenants:
            try:
                published += await self._publish_tenant(tenant)
            except Unavailable as error:
                failure = error
        if failure is not None:
            raise failure
        return published

    async def _publish_tenant(self, tenant: str) -> int:
        async with self.store.transaction(tenant) as connection:
            if not await claim_tenant(connection, tenant):
                return 0  # another worker's relay is at it
            pending = (
                select(events)
                .where(events.c.tenant == tenant, events.c.published_at.is_(None))
                .order_by(events.c.position)
                .limit(_BATCH_MAX)
            )
            rows = (await connection.execute(pending)).all()
            if not rows:
                return 0
            await self.streams.append(stream_of(tenant), [cloud_event(row) for row in rows], length=self.stream_length)
            await mark_published(connection, rows)
        return len(rows)


async def claim_tenant(connection: AsyncConnection, tenant: str) -> bool:
    """Whether this transaction may publish the tenant's events: only one can, until it ends."""
    key = func.hashtextextended(f"quoteway.event_delivery:{tenant}", 0)
    return bool(await connection.scalar(select(func.pg_try_advisory_xact_lock(key))))


async def mark_published(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> None:
    """Note that Redis took these events."""
    published = [row.event_id for row in rows]
    await connection.execute(
        update(events).where(events.c.event_id.in_(published)).values(published_at=func.clock_timestamp())
    )


def cloud_event(row: Row[Any]) -> bytes:
    """The event as it is published: the same bytes each time."""
    return msgspec.json.encode(
        CloudEvent(
            id=str(row.event_id),
            type=row.type,
            subject=row.subject,
            time=rfc3339(row.occurred_at),
            data=row.data,
            sequence=str(row.sequence),
            correlationid=row.correlation_id,
            tenant=row.tenant,
        )
    )
