"""The outbox relay: publishes committed events, at least once, in sequence per subject.

Every worker runs one. A tenant's events are published by one relay at a time (a lock in PostgreSQL that ends with its
transaction), always from the first unpublished one. An event is marked after Redis accepted it: a relay that dies in
between publishes it again, with the same id. While Redis is down nothing is lost and no flow waits for it. A refused
event blocks its subject only (process_api.inbox.refused_events).
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.moments import rfc3339
from process_api.database.store import Store
from process_api.database.tables import events
from process_api.engine.steps import Patience
from process_api.inbox.refused_events import EVENT_BYTES_MAX, EventRefusedError, pending_events, put_off
from shared.events import CloudEvent
from shared.operations.cache_policy import tags_of_event
from shared.problem import Unavailable
from shared.redis_connection import EntriesRefusedError, RedisStreams

_log = logging.getLogger(__name__)
_BATCH_MAX = 200
_BACKOFF_MAX_S = 30.0


def stream_of(tenant: str) -> str:
    """Return the key of a tenant's stream."""
    return f"quoteway:events:{tenant}"


@dataclass
class EventRelay:
    """Publishes the outbox. `stream_length`: about how many events are kept.

    `poll_s`: seconds between two looks, unless `wake` says before that an event waits.
    """

    store: Store
    streams: RedisStreams
    poll_s: float
    stream_length: int
    patience: Patience = field(default=Patience(attempts_max=5, backoff_s=1.0, backoff_max_s=30.0, settle_s=0.0))
    _told: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def wake(self) -> None:
        """Have the outbox looked into at once."""
        self._told.set()

    async def run(self) -> None:
        """Publish until cancelled. An outage is logged once when it begins and once when it ends."""
        pause_s, away = self.poll_s, False
        while True:
            self._told.clear()
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
            if away:
                await asyncio.sleep(pause_s)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._told.wait()

    async def publish_pending(self) -> int:
        """Publish a batch of every tenant with events. Returns how many; raises Unavailable if some could not be.

        A tenant whose stream refuses its events does not block the others.
        """
        async with self.store.transaction_across_tenants() as connection:
            waiting = select(events.c.tenant).where(events.c.published_at.is_(None), events.c.discarded_at.is_(None))
            tenants = list(await connection.scalars(waiting.distinct().order_by(events.c.tenant)))
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
                return 0  # another worker's relay publishes them
            rows = (await connection.execute(pending_events(tenant, _BATCH_MAX))).all()
            if not rows:
                return 0
            published, refused = await self._append(tenant, rows)
            # After the commit that the event reports, so that no older answer is cached after it.
            ended = {tag for row in published for tag in tags_of_event(row.data)}
            await self.streams.purge_cache(tenant, sorted(ended))
            await mark_published(connection, published)
            for row, reason in refused:
                _log.warning("event %s of %s was refused: %s", row.event_id, row.subject, reason)
                await put_off(connection, row, reason, self.patience)
        return len(published)

    async def _append(self, tenant: str, rows: Sequence[Row[Any]]) -> tuple[list[Row[Any]], list[tuple[Row[Any], str]]]:
        """Append a batch. Returns which events the stream accepted and which it refused. Raises Unavailable."""
        try:
            entries = [published_as(row) for row in rows]
            await self.streams.append(stream_of(tenant), entries, length=self.stream_length)
        except (EventRefusedError, EntriesRefusedError):
            return await self._append_one_by_one(tenant, rows)
        return list(rows), []

    async def _append_one_by_one(
        self, tenant: str, rows: Sequence[Row[Any]]
    ) -> tuple[list[Row[Any]], list[tuple[Row[Any], str]]]:
        published: list[Row[Any]] = []
        refused: list[tuple[Row[Any], str]] = []
        by_the_stream = 0
        for row in rows:
            if any(row.subject == other.subject for other, _ in refused):
                continue  # it must not overtake the refused one
            try:
                await self.streams.append(stream_of(tenant), [published_as(row)], length=self.stream_length)
                published.append(row)
            except EventRefusedError as error:
                refused.append((row, str(error)))
            except EntriesRefusedError as error:
                by_the_stream += 1
                refused.append((row, f"Redis: {error}"))
        if by_the_stream and not published:
            await self._require_stream(tenant)
        return published, refused

    async def _require_stream(self, tenant: str) -> None:
        """Raise Unavailable if the stream itself is at fault, not the events: they wait, as in an outage."""
        try:
            await self.streams.probe(stream_of(tenant))
        except EntriesRefusedError as error:
            raise Unavailable(f"{stream_of(tenant)} refuses whatever it is sent: {error}", vendor="redis") from error


async def claim_tenant(connection: AsyncConnection, tenant: str) -> bool:
    """Return whether this transaction may publish the tenant's events: only one can at a time."""
    key = func.hashtextextended(f"quoteway.event_delivery:{tenant}", 0)
    return bool(await connection.scalar(select(func.pg_try_advisory_xact_lock(key))))


async def mark_published(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> None:
    """Record that Redis accepted these events."""
    published = [row.event_id for row in rows]
    await connection.execute(
        update(events).where(events.c.event_id.in_(published)).values(published_at=func.clock_timestamp())
    )


def published_as(row: Row[Any]) -> bytes:
    """Return the event in its published form. Raises EventRefusedError if no consumer can be expected to accept it."""
    try:
        entry = cloud_event(row)
    except (TypeError, ValueError) as error:
        raise EventRefusedError(f"It cannot be written as a CloudEvent: {error}.") from error
    if len(entry) > EVENT_BYTES_MAX:
        raise EventRefusedError(f"It has {len(entry)} bytes; {EVENT_BYTES_MAX} are what every consumer takes.")
    return entry


def cloud_event(row: Row[Any]) -> bytes:
    """Return the event in its published form: the same bytes each time."""
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
