"""Events that the stream refuses (docs/failures.md, row 20): dead letters, which hold up their own subject only."""

import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import bindparam, false, text
from sqlalchemy.dialects.postgresql import JSONB

from process_api.engine.steps import Patience
from process_api.inbox import refused_events
from process_api.inbox.refused_events import EVENT_BYTES_MAX
from process_api.outbox.event_delivery import stream_of
from process_api.outbox.event_log import append_event
from shared.events import OrderBooked
from shared.problem import Unavailable
from shared.redis_connection import EntriesRefusedError, RedisStreams
from tests.process_api.outbox.outbox import Outbox

pytestmark = pytest.mark.servers

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
