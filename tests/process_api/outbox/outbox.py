"""An outbox of a test's own, and the oracle of what has to come out of it."""

import uuid
from typing import Any

import msgspec
from redis.asyncio import Redis
from sqlalchemy import text

from process_api.database.store import Store
from process_api.outbox.event_delivery import EventRelay, stream_of
from process_api.outbox.event_log import append_event
from sandbox.engines.postgres import RedisEngine
from shared.events import CloudEvent, OrderBooked
from shared.redis_connection import RedisStreams

Events = list[CloudEvent]


class Outbox:
    """An outbox of its own, the stream its events go to, and what was committed to it: the oracle."""

    def __init__(self, database_url: str, redis: RedisEngine) -> None:
        self.redis_url = redis.url
        self.stores = [Store(database_url), Store(database_url)]
        self.streams = RedisStreams(redis.url)
        self.tenant = f"t{uuid.uuid4().hex[:8]}"
        self.committed: list[tuple[str, str, int]] = []

    def relay(self, worker: int = 0, streams: RedisStreams | None = None) -> EventRelay:
        """A relay as that worker has it."""
        return EventRelay(self.stores[worker], streams or self.streams, poll_s=0.05, stream_length=100_000)

    async def commit(self, subject: str, count: int = 1) -> None:
        """Commit events of a subject."""
        for _ in range(count):
            sequence = 1 + sum(1 for _id, known, _sequence in self.committed if known == subject)
            async with self.stores[0].transaction_across_tenants() as connection:
                event_id = await append_event(
                    connection,
                    tenant=self.tenant,
                    subject=subject,
                    data=OrderBooked(order_id=subject, version=sequence),
                    correlation_id="c-1",
                )
            self.committed.append((str(event_id), subject, sequence))

    async def stream(self) -> Events:
        """What a consumer of the tenant reads."""
        redis = Redis.from_url(self.redis_url)
        try:
            entries: Any = await redis.xrange(stream_of(self.tenant))
        finally:
            await redis.aclose()
        return [msgspec.json.decode(fields[b"event"], type=CloudEvent) for _id, fields in entries]

    async def unpublished(self) -> int:
        """How many events wait."""
        async with self.stores[0].transaction_across_tenants() as connection:
            query = text("SELECT count(*) FROM quoteway.events WHERE tenant = :tenant AND published_at IS NULL")
            return int(await connection.scalar(query, {"tenant": self.tenant}) or 0)

    async def is_empty(self) -> bool:
        """Whether no event waits."""
        return await self.unpublished() == 0

    def assert_complete(self, published: Events) -> None:
        """Every committed event is there, nothing else is, and a subject's events first appear in sequence."""
        assert {(event.id, event.subject, int(event.sequence)) for event in published} == set(self.committed)
        seen: dict[str, int] = {}
        for event in published:
            sequence = int(event.sequence)
            assert sequence <= seen.get(event.subject, 0) + 1, f"{event.subject} skipped to {sequence}"
            seen[event.subject] = max(sequence, seen.get(event.subject, 0))

    def assert_exactly_once(self, published: Events) -> None:
        """As above, and none of them twice."""
        self.assert_complete(published)
        assert len(published) == len(self.committed)
