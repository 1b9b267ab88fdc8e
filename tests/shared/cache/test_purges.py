"""What ends a cached answer: an event, and the caller's own writes."""

import asyncio
import uuid

import pytest

from sandbox.engines.postgres import RedisEngine
from shared.operations.cache_policy import CachePolicy, tags_of_event
from shared.redis_connection import RedisCache
from tests.patience import HANG_S
from tests.shared.cache.cached_service import OTHERS, Service, Thing, bearer, service

pytestmark = pytest.mark.servers


async def test_event_ends_tagged_answers_in_all_processes(redis_engine: RedisEngine) -> None:
    thing, tier_name = Thing(), uuid.uuid4().hex
    publisher = RedisCache(redis_engine.url)
    async with (
        service(redis_engine.url, thing=thing, tier_name=tier_name) as one,
        service(redis_engine.url, thing=thing, tier_name=tier_name) as two,
    ):
        assert await one.ask() == 1
        await one.settled()
        assert await two.ask() == 1, "shared through Redis"
        assert await one.ask("/v1/things/b") == 2
        assert await one.ask(**OTHERS["another tenant"]()) == 3
        await publisher.purge("nordwind", tags_of_event({"accountId": "a", "orderId": "o"}))
        async with asyncio.timeout(HANG_S):
            while await one.ask() == 1 or await two.ask() == 1:  # noqa: ASYNC110 a purge tells no event
                await asyncio.sleep(0.01)
        assert thing.asked <= 5, "each of them at most once"
        assert await two.ask("/v1/things/b") == 2
        assert await one.ask(**OTHERS["another tenant"]()) == 3, "another tenant's record of the same id"
    await publisher.close()


def test_both_spellings_of_a_salesforce_id_are_one_tag() -> None:
    kept = CachePolicy(fresh_s=1, tags=("account:{accountId}",))
    [short], [long] = (kept.tags_of({"accountId": given}) for given in ("001QW0000000001", "001QW0000000001AAA"))
    assert [short] == [long] == tags_of_event({"accountId": "001QW0000000001AAA"})
    assert tags_of_event({"orderId": "ord_1", "externalId": "s", "accountId": None, "version": 1}) == [
        "order:ord_1",
        "subscription:s",
    ]


async def overtaken_answer(found: Service) -> int:
    """Ask for an answer, have its subject change before it comes, and ask again."""
    asking = asyncio.create_task(found.ask("/v1/things/slow"))
    await asyncio.sleep(0.1)
    await found.cache.purge("nordwind", ["thing:slow"])
    found.thing.may_answer.set()
    assert await asking == 1
    return await found.ask("/v1/things/slow")


async def test_answer_fetched_while_its_subject_changed_is_not_cached(found: Service) -> None:
    assert await overtaken_answer(found) == 2


async def test_mutation_without_purge_check_a_stale_answer_is_cached(
    found: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation of the test above."""
    put = found.cache.local.put
    monkeypatch.setattr(found.cache.local, "put", lambda key, answer, **_: put(key, answer, asked_at=float("inf")))
    assert await overtaken_answer(found) == 1


async def test_request_after_a_purge_does_not_join_an_earlier_fetch(found: Service) -> None:
    asking = asyncio.create_task(found.ask("/v1/things/slow"))
    await asyncio.sleep(0.1)
    await found.cache.purge("nordwind", ["thing:slow"])
    after = asyncio.create_task(found.ask("/v1/things/slow"))
    await asyncio.sleep(0.1)
    found.thing.may_answer.set()
    assert [await asking, await after] == [1, 2]
    assert not found.cache._flights


async def test_outdated_answer_is_not_taken_over_by_another_process(redis_engine: RedisEngine) -> None:
    thing, tier_name = Thing(), uuid.uuid4().hex
    async with (
        service(redis_engine.url, thing=thing, tier_name=tier_name) as one,
        service(redis_engine.url, thing=thing, tier_name=tier_name) as two,
    ):
        asking = asyncio.create_task(one.ask("/v1/things/slow"))
        await asyncio.sleep(0.1)
        one.cache.local.purge = lambda *_: None  # type: ignore[method-assign] # it hears of it too late
        await two.cache.purge("nordwind", ["thing:slow"])
        thing.may_answer.set()
        assert await asking == 1
        assert await two.ask("/v1/things/slow") == 2, "its tag has another version now"


async def test_writer_sees_its_own_write_and_a_refused_write_purges_nothing(found: Service) -> None:
    other = OTHERS["another client"]()
    assert [await found.ask(), await found.ask(**other)] == [1, 2]
    assert (await found.client.post("/v1/things/gone", headers={"Authorization": bearer()})).status_code == 404
    assert await found.ask() == 1
    assert (await found.client.post("/v1/previews", headers={"Authorization": bearer()})).status_code == 201
    assert await found.ask() == 1
    assert (await found.client.post("/v1/things/b", headers={"Authorization": bearer()})).status_code == 201
    assert await found.ask() == 5
    assert await found.ask(**other) == 2
