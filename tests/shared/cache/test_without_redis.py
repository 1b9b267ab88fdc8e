"""Without Redis answers are cached briefly, and callers notice nothing but the time."""

import asyncio
import os
import signal
import time
from typing import Any

import pytest
from redis import Redis

from sandbox.engines.postgres import RedisEngine
from shared.cache import response_cache as cache_module
from shared.cache.shared_answers import SharedAnswers
from tests.patience import HANG_S
from tests.shared.cache.cached_service import NOWHERE, Service, bearer, keys_of, service

pytestmark = pytest.mark.servers


async def test_without_redis_answers_are_cached_briefly_and_nobody_gets_5xx(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with service(NOWHERE) as found:
        assert [await found.ask() for _ in range(3)] == [1, 1, 1]
        later = time.monotonic() + cache_module._UNLINKED_KEPT_S + 0.1
        monkeypatch.setattr(cache_module, "monotonic", lambda: later)
        assert await found.ask() == 2
        assert (await found.client.post("/v1/things/a", headers={"Authorization": bearer()})).status_code == 201
        assert await found.ask() == 4


async def test_mutation_without_guard_a_lost_redis_is_5xx(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutation of the test above."""

    async def unguarded(answers: SharedAnswers, *_: Any) -> Any:
        return await answers._redis.read("key", [])

    monkeypatch.setattr(SharedAnswers, "get", unguarded)
    async with service(NOWHERE) as found:
        assert (await found.get()).status_code == 503


async def test_writer_during_a_redis_outage_does_not_get_the_old_shared_answer(
    found: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await found.ask() == 1
    await found.settled()
    shared = found.cache._shared
    shared._redis_from = time.monotonic() + 60  # one command was not answered in time
    assert (await found.client.post("/v1/things/b", headers={"Authorization": bearer()})).status_code == 201
    shared._redis_from = 0.0
    assert await found.ask() == 3
    found.cache.local.clear()
    monkeypatch.setattr(shared, "_believed_from", 0.0)
    assert await found.ask() == 1, "the mutation: the old answer is still there"


@pytest.mark.parametrize("fault", ["killed", "hangs"])
async def test_answers_are_dropped_when_redis_is_lost_and_shared_again_when_it_returns(
    redis: RedisEngine, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.cache.shared_answers._WITHOUT_REDIS_S", 0.2)
    monkeypatch.setattr(cache_module, "_RELINK_S", 0.1)
    async with service(redis.url) as found:
        assert await found.ask() == 1
        if fault == "killed":
            redis.stop()
        else:
            os.kill(redis.pid, signal.SIGSTOP)
        async with asyncio.timeout(HANG_S):
            while found.cache._linked:  # noqa: ASYNC110 nothing else tells of it
                await asyncio.sleep(0.02)
        begun = time.monotonic()
        assert await found.ask() == 2, "no purge could have ended the old one"
        assert time.monotonic() - begun < HANG_S
        if fault == "killed":
            redis.start()
        else:
            os.kill(redis.pid, signal.SIGCONT)
        await found.linked()
        async with asyncio.timeout(HANG_S):
            while not keys_of(redis):
                await found.ask(**{"Cache-Control": "no-cache"})
                await found.settled()
                await asyncio.sleep(0.05)


async def test_flushed_redis_only_empties_the_cache(redis: RedisEngine) -> None:
    async with service(redis.url) as found:
        assert await found.ask() == 1
        with Redis.from_url(redis.url) as connection:
            connection.flushall()
        assert await found.ask() == 1
        found.cache.local.clear()
        assert await found.ask() == 2


async def test_entries_of_another_release_in_redis_are_ignored(redis: RedisEngine) -> None:
    async with service(redis.url) as found:
        assert await found.ask() == 1
        await found.settled()
        [entry] = keys_of(redis)
        with Redis.from_url(redis.url) as connection:
            connection.set(entry, b"\xff\xff", px=5000)
        found.cache.local.clear()
        assert await found.ask() == 2
