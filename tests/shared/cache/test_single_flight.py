"""Concurrent requests share one fetch; a stale answer is sent while it is refreshed."""

import asyncio
import time
from typing import Any

import pytest

from sandbox.engines.postgres import RedisEngine
from shared.cache import response_cache as cache_module
from tests.patience import HANG_S
from tests.shared.cache.cached_service import Service, forget_shared

pytestmark = pytest.mark.servers


async def test_concurrent_requests_share_one_fetch(found: Service) -> None:
    wanting = [asyncio.create_task(found.ask("/v1/things/slow")) for _ in range(50)]
    await asyncio.sleep(0.1)
    found.thing.may_answer.set()
    assert await asyncio.gather(*wanting) == [1] * 50


async def test_mutation_without_single_flight_all_fetch(found: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutation of the test above."""

    class Forgetful(dict[Any, Any]):
        def get(self, *_: Any) -> None:
            return None

        def __delitem__(self, key: Any) -> None:
            self.pop(key, None)

    monkeypatch.setattr(found.cache, "_flights", Forgetful())
    wanting = [asyncio.create_task(found.ask("/v1/things/slow")) for _ in range(5)]
    await asyncio.sleep(0.1)
    found.thing.may_answer.set()
    assert len(set(await asyncio.gather(*wanting))) == 5


async def test_waiter_of_a_failed_fetch_fetches_itself(found: Service) -> None:
    found.thing.fails = True
    wanting = [asyncio.create_task(found.get("/v1/things/slow")) for _ in range(3)]
    await asyncio.sleep(0.1)
    found.thing.may_answer.set()
    answers = await asyncio.gather(*wanting)
    assert {answer.status_code for answer in answers} == {503}
    assert len({answer.json()["correlationId"] for answer in answers}) == 3


async def test_stale_answer_is_sent_while_it_is_refreshed(
    found: Service, redis_engine: RedisEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await found.ask() == 1
    await found.settled()
    clock, passed = time.monotonic, 0.0
    monkeypatch.setattr(cache_module, "monotonic", lambda: clock() + passed)
    passed = 12.0
    assert await found.ask() == 1, "at once, though it is stale"
    async with asyncio.timeout(HANG_S):
        while await found.ask() == 1:  # noqa: ASYNC110 a renewal tells no event
            await asyncio.sleep(0.01)
    assert found.thing.asked == 2
    await found.settled()
    passed = 40.0
    forget_shared(redis_engine)  # its clock is not moved
    assert await found.ask() == 3, "too old even for that"


async def test_old_answer_is_sent_until_it_expires_if_refreshing_fails(
    found: Service, redis_engine: RedisEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await found.ask() == 1
    await found.settled()
    clock, passed = time.monotonic, 0.0
    monkeypatch.setattr(cache_module, "monotonic", lambda: clock() + passed)
    found.thing.fails, passed = True, 15.0
    assert await found.ask() == 1
    await asyncio.sleep(0.05)
    assert await found.ask() == 1
    await found.settled()
    passed = 21.0
    forget_shared(redis_engine)
    assert (await found.get()).status_code == 503
