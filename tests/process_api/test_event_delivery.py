"""The outbox relay: nothing lost, one id for each event, each subject in sequence, and Redis may come and go."""

import asyncio
import logging
import random
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from sqlalchemy import bindparam, false, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api import event_delivery, refused_events
from process_api.event_delivery import EventRelay, stream_of
from process_api.event_log import append_event
from process_api.migrate import migrate
from process_api.refused_events import EVENT_BYTES_MAX
from process_api.steps import Patience
from process_api.store import Store
from sandbox.engines import PostgresEngine, RedisEngine
from shared.events import EVENTS, CloudEvent, OrderBooked
from shared.problem import Unavailable
from shared.redis_connection import EntriesRefusedError, RedisStreams

pytestmark = pytest.mark.servers
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


@pytest.fixture(scope="module")
def outbox_url(postgres: PostgresEngine) -> str:
    """A database whose outbox no worker relays."""
    database = f"outbox_{uuid.uuid4().hex[:8]}"
    postgres.create_database(database)
    migrate(postgres.url(database))
    return postgres.url(database)


@pytest_asyncio.fixture(loop_scope="session")
async def outbox(outbox_url: str, redis_engine: RedisEngine) -> AsyncIterator[Outbox]:
    """An outbox of a tenant of its own."""
    redis_engine.start()
    made = Outbox(outbox_url, redis_engine)
    yield made
    redis_engine.start()
    # A test that leaves events behind would have them published by the next one.
    async with made.stores[0].transaction_across_tenants() as connection:
        await connection.execute(text("DELETE FROM quoteway.events"))
    await made.streams.close()
    for store in made.stores:
        await store.close()


class DyingStreams(RedisStreams):
    """Its process dies after Redis took the entries, before anything else can happen."""

    def __init__(self, url: str, deaths: int) -> None:
        super().__init__(url)
        self.deaths = deaths

    async def append(self, stream: str, entries: Sequence[bytes], *, length: int) -> None:
        await super().append(stream, entries, length=length)
        if self.deaths:
            self.deaths -= 1
            raise SystemExit("killed after XADD")


class SlowStreams(RedisStreams):
    """Takes the entries only when it is let."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()

    async def append(self, stream: str, entries: Sequence[bytes], *, length: int) -> None:
        self.reached.set()
        await self.go_on.wait()
        await super().append(stream, entries, length=length)


async def test_an_event_is_published_as_a_cloud_event(outbox: Outbox) -> None:
    await outbox.commit("ord_1", 2)

    assert await outbox.relay().publish_pending() == 2

    first, second = await outbox.stream()
    assert (first.specversion, first.source, first.type) == ("1.0", "/quoteway/process", "order.booked")
    assert (first.id, first.subject, first.sequence) == (outbox.committed[0][0], "ord_1", "1")
    assert (first.correlationid, first.tenant) == ("c-1", outbox.tenant)
    assert first.data == {"orderId": "ord_1", "version": 1, "accountId": None}
    assert second.sequence == "2"
    assert await outbox.unpublished() == 0
    assert await outbox.relay().publish_pending() == 0


def test_every_event_has_one_name_an_owner_and_a_sentence_of_meaning() -> None:
    names = [event.event_type for event in EVENTS]
    assert len(set(names)) == len(names)
    for event in EVENTS:
        noun, _, verb = event.event_type.partition(".")
        assert noun
        assert verb.endswith("ed")
        assert event.owner
        assert event.meaning.endswith(".")


async def test_a_relay_killed_between_redis_and_its_mark_loses_nothing(outbox: Outbox) -> None:
    await outbox.commit("ord_1", 3)
    dying = DyingStreams(outbox.redis_url, deaths=2)
    for _ in range(2):
        with pytest.raises(SystemExit):
            await outbox.relay(streams=dying).publish_pending()
        await outbox.commit("ord_1")
    await dying.close()

    await outbox.relay(worker=1).publish_pending()

    published = await outbox.stream()
    outbox.assert_complete(published)
    assert len(published) == 3 + 4 + 5, "each life publishes again what the one before did not mark"
    assert await outbox.unpublished() == 0


async def test_marking_before_publishing_would_be_seen(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation: with the mark committed first, a death before Redis took the events loses them."""

    async def claim_and_mark(_connection: AsyncConnection, tenant: str) -> bool:
        async with outbox.stores[1].transaction_across_tenants() as other:
            await other.execute(
                text("UPDATE quoteway.events SET published_at = now() WHERE tenant = :tenant"), {"tenant": tenant}
            )
        return True

    await outbox.commit("ord_1")
    monkeypatch.setattr(event_delivery, "claim_tenant", claim_and_mark)
    await outbox.relay().publish_pending()

    with pytest.raises(AssertionError):
        outbox.assert_complete(await outbox.stream())


async def test_two_relays_publish_everything_once_and_in_sequence(outbox: Outbox) -> None:
    seed = uuid.uuid4().int
    print(f"seed {seed}")  # noqa: T201 pytest shows it where the test fails
    chance = random.Random(seed)  # noqa: S311 a test's order is no secret
    relays = [asyncio.create_task(outbox.relay(worker).run()) for worker in (0, 1)]
    for _ in range(150):
        await outbox.commit(f"ord_{chance.randrange(5)}")
    async with asyncio.timeout(20):
        while await outbox.unpublished():  # noqa: ASYNC110 the database has no way to wait
            await asyncio.sleep(0.02)
    for relay in relays:
        relay.cancel()
        with suppress(asyncio.CancelledError):
            await relay

    outbox.assert_exactly_once(await outbox.stream())


async def publish_with_a_slow_and_a_quick_relay(outbox: Outbox) -> int:
    await outbox.commit("ord_1", 3)
    slow = SlowStreams(outbox.redis_url)
    publishing = asyncio.create_task(outbox.relay(streams=slow).publish_pending())
    await slow.reached.wait()
    await outbox.commit("ord_1", 2)
    quick = await outbox.relay(worker=1).publish_pending()
    slow.go_on.set()
    await publishing
    await outbox.relay(worker=1).publish_pending()
    await slow.close()
    return quick


async def test_a_relay_leaves_a_tenant_alone_that_another_is_at(outbox: Outbox) -> None:
    assert await publish_with_a_slow_and_a_quick_relay(outbox) == 0

    outbox.assert_exactly_once(await outbox.stream())


async def test_without_the_claim_it_would_be_seen(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation: without the lock, the quick relay publishes what the slow one holds."""

    async def anyone(_connection: AsyncConnection, _tenant: str) -> bool:
        return True

    monkeypatch.setattr(event_delivery, "claim_tenant", anyone)
    await publish_with_a_slow_and_a_quick_relay(outbox)

    with pytest.raises(AssertionError):
        outbox.assert_exactly_once(await outbox.stream())


async def test_while_redis_is_away_events_wait_and_it_is_said_once(
    outbox: Outbox, redis_engine: RedisEngine, caplog: pytest.LogCaptureFixture
) -> None:
    redis_engine.stop()
    with caplog.at_level(logging.WARNING, logger="process_api.event_delivery"):
        relay = asyncio.create_task(outbox.relay().run())
        for _ in range(10):
            await outbox.commit("ord_1")  # the business goes on
            await asyncio.sleep(0.05)
        assert await outbox.unpublished() == 10
        redis_engine.start()
        async with asyncio.timeout(20):
            while await outbox.unpublished():  # noqa: ASYNC110 the database has no way to wait
                await asyncio.sleep(0.05)
        relay.cancel()
        with suppress(asyncio.CancelledError):
            await relay

    outbox.assert_exactly_once(await outbox.stream())
    said = [record.message for record in caplog.records if record.name == "process_api.event_delivery"]
    assert len(said) == 2, said
    assert "wait in the outbox" in said[0]
    assert said[1] == "events are published again"


async def test_a_tenant_whose_stream_refuses_does_not_hold_up_the_others(outbox: Outbox) -> None:
    healthy = outbox.tenant
    await outbox.commit("ord_1")
    outbox.tenant, blocked = f"a{healthy}", f"a{healthy}"  # its turn comes first
    redis = Redis.from_url(outbox.redis_url)
    await redis.set(stream_of(blocked), "something else than a stream")
    await redis.aclose()
    await outbox.commit("ord_2")
    relay = asyncio.create_task(outbox.relay().run())
    outbox.tenant = healthy
    async with asyncio.timeout(10):
        while await outbox.unpublished():  # noqa: ASYNC110 the database has no way to wait
            await asyncio.sleep(0.02)
    relay.cancel()
    with suppress(asyncio.CancelledError):
        await relay

    assert [event.subject for event in await outbox.stream()] == ["ord_1"]
    outbox.tenant = blocked
    assert await outbox.unpublished() == 1


async def test_a_stream_is_trimmed_to_about_its_length(outbox: Outbox) -> None:
    relay = outbox.relay()
    relay.stream_length = 100
    for _ in range(3):
        await outbox.commit("ord_1", 150)
        while await relay.publish_pending():
            pass

    assert 100 <= len(await outbox.stream()) < 350


# -- events that the stream refuses (FAILURES.md, row 20) -------------------------------------------------------------

LITTLE = Patience(attempts_max=2, backoff_s=0.0, backoff_max_s=0.0, settle_s=0.0)


async def commit_a_poisonous_one(outbox: Outbox, subject: str) -> str:
    """An event that is too large for consumers, in its place among the subject's."""
    await outbox.commit(subject)
    event_id = outbox.committed.pop()[0]
    async with outbox.stores[0].transaction_across_tenants() as connection:
        swell = text("UPDATE quoteway.events SET data = :data WHERE event_id = :id").bindparams(
            bindparam("data", type_=JSONB)
        )
        await connection.execute(swell, {"data": {"note": "x" * EVENT_BYTES_MAX}, "id": event_id})
    return event_id


async def publish_all(outbox: Outbox) -> None:
    relay = outbox.relay()
    relay.patience = LITTLE
    for _ in range(LITTLE.attempts_max + 1):
        await relay.publish_pending()


async def test_a_refused_event_is_not_overtaken_and_holds_up_nobody_else(outbox: Outbox) -> None:
    await outbox.commit("ord_1")
    poisonous = await commit_a_poisonous_one(outbox, "ord_1")
    behind = uuid.uuid4().hex[:6]
    async with outbox.stores[0].transaction_across_tenants() as connection:
        for version in (3, 4):
            await append_event(
                connection,
                tenant=outbox.tenant,
                subject="ord_1",
                data=OrderBooked(order_id=behind, version=version),
                correlation_id="c-1",
            )
    await outbox.commit("ord_2", 3)

    await publish_all(outbox)

    assert [event.subject for event in await outbox.stream()] == ["ord_1", *["ord_2"] * 3]
    async with outbox.stores[0].transaction(outbox.tenant) as connection:
        (dead,) = await refused_events.dead_events(connection, outbox.tenant, 10)
        assert (str(dead.event_id), dead.attempts) == (poisonous, LITTLE.attempts_max)
        assert str(EVENT_BYTES_MAX) in dead.reason
        # Mended, tried again, and now those behind it follow in their order.
        await connection.execute(
            text(
                "UPDATE quoteway.events SET data = jsonb_build_object('orderId', 'x', 'version', 2)"
                " WHERE event_id = :id"
            ),
            {"id": poisonous},
        )
        await refused_events.revive_event(connection, dead)
    await publish_all(outbox)
    assert [event.sequence for event in await outbox.stream() if event.subject == "ord_1"] == ["1", "2", "3", "4"]


async def test_a_discarded_event_lets_those_behind_it_go_on(outbox: Outbox) -> None:
    poisonous = await commit_a_poisonous_one(outbox, "ord_1")
    await outbox.commit("ord_1")
    await publish_all(outbox)
    assert await outbox.stream() == []

    async with outbox.stores[0].transaction(outbox.tenant) as connection:
        dead = await refused_events.find_dead_event(connection, outbox.tenant, poisonous)
        assert dead is not None
        await refused_events.lay_event_aside(connection, dead)
    await publish_all(outbox)

    (event,) = await outbox.stream()
    assert event.id == outbox.committed[0][0]
    assert await outbox.relay().publish_pending() == 0


async def test_without_waiting_behind_it_a_refused_event_would_be_overtaken(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused_events, "waits_behind_another", false)
    await commit_a_poisonous_one(outbox, "ord_1")
    await outbox.commit("ord_1")
    await publish_all(outbox)
    assert [event.sequence for event in await outbox.stream()] == ["2"], "the mutation is not seen"


class Choosy(RedisStreams):
    """Streams that take everything but what speaks of `ord_odd`."""

    async def append(self, stream: str, entries: Sequence[bytes], *, length: int) -> None:
        if any(b"ord_odd" in entry for entry in entries):
            raise EntriesRefusedError("this one not")
        await super().append(stream, entries, length=length)


async def dead_after_a_lone_refusal(outbox: Outbox) -> int:
    """How many events are dead after the only one that waits has been refused a few times."""
    await outbox.commit("ord_odd")
    relay = outbox.relay()
    relay.patience, relay.streams = LITTLE, Choosy(outbox.redis_url)
    for _ in range(LITTLE.attempts_max):
        with suppress(Unavailable):
            await relay.publish_pending()
    await relay.streams.close()
    async with outbox.stores[0].transaction(outbox.tenant) as connection:
        return len(await refused_events.dead_events(connection, outbox.tenant, 10))


async def test_a_lone_event_that_is_refused_is_no_outage_of_the_stream(outbox: Outbox) -> None:
    assert await dead_after_a_lone_refusal(outbox) == 1
    assert await outbox.stream() == [], "nobody reads what the stream was tried with"


async def test_without_trying_the_stream_itself_a_lone_refused_event_would_wait_for_ever(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def as_in_an_outage(*_: Any) -> None:
        raise EntriesRefusedError("this one not")

    monkeypatch.setattr(RedisStreams, "probe", as_in_an_outage)
    assert await dead_after_a_lone_refusal(outbox) == 0, "the mutation is not seen"


async def test_a_stream_that_refuses_everything_makes_no_dead_letters(outbox: Outbox) -> None:
    redis = Redis.from_url(outbox.redis_url)
    await redis.set(stream_of(outbox.tenant), "something else than a stream")
    await outbox.commit("ord_1", 2)
    await outbox.commit("ord_2")
    relay = outbox.relay()
    relay.patience = LITTLE
    for _ in range(3):
        with pytest.raises(Unavailable, match="refuses whatever"):
            await relay.publish_pending()
    await redis.delete(stream_of(outbox.tenant))
    await redis.aclose()

    await publish_all(outbox)

    outbox.assert_exactly_once(await outbox.stream())
