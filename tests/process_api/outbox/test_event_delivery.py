"""The outbox relay: nothing lost, one id for each event, each subject in sequence, and Redis may come and go."""

import asyncio
import logging
import random
import uuid
from collections.abc import Sequence
from contextlib import suppress

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.outbox import event_delivery
from process_api.outbox.event_delivery import stream_of
from sandbox.engines.postgres import RedisEngine
from shared.events import EVENTS
from shared.redis_connection import RedisStreams
from tests.patience import until
from tests.process_api.outbox.outbox import Outbox

pytestmark = pytest.mark.servers


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
    unknown = dict.fromkeys(["accountId", "quoteId", "quoteRevision", "total", "erpOrderNumber"])
    assert first.data == {"orderId": "ord_1", "version": 1, "subscriptionIds": [], **unknown}
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
    await until(outbox.is_empty)
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
    def said() -> list[str]:
        return [record.message for record in caplog.records if record.name == "process_api.outbox.event_delivery"]

    redis_engine.stop()
    with caplog.at_level(logging.WARNING, logger="process_api.outbox.event_delivery"):
        relay = asyncio.create_task(outbox.relay().run())
        for _ in range(10):
            await outbox.commit("ord_1")  # the business goes on
        await until(lambda: bool(said()))
        assert await outbox.unpublished() == 10
        redis_engine.start()
        await until(outbox.is_empty)
        await until(lambda: "events are published again" in said())
        relay.cancel()
        with suppress(asyncio.CancelledError):
            await relay

    outbox.assert_exactly_once(await outbox.stream())
    assert len(said()) == 2, said()
    assert "wait in the outbox" in said()[0]
    assert said()[1] == "events are published again"


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
    await until(outbox.is_empty)
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
