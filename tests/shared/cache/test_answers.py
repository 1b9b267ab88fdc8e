"""What is cached and for how long, and the headers of a cached answer."""

import time

import pytest

from sandbox.engines.postgres import RedisEngine
from shared.cache import response_cache as cache_module
from shared.operations.cache_policy import CachePolicy
from tests.shared.cache.cached_service import Service, bearer, service

pytestmark = pytest.mark.servers


@pytest.mark.parametrize(("path", "status"), [("/v1/things/gone", 404), ("/v1/things/a", 503)])
async def test_only_a_success_is_kept(found: Service, path: str, status: int) -> None:
    found.thing.fails = status == 503
    answers = [await found.get(path) for _ in range(2)]
    assert found.thing.asked == 2
    assert {(answer.status_code, answer.headers["cache-control"]) for answer in answers} == {(status, "no-store")}
    assert answers[0].json()["correlationId"] != answers[1].json()["correlationId"]


async def test_incomplete_answer_is_not_cached(found: Service) -> None:
    assert [await found.ask("/v1/things/partial") for _ in range(2)] == [1, 2]


async def test_writes_are_never_kept(found: Service) -> None:
    answers = [await found.client.post("/v1/things/a", headers={"Authorization": bearer()}) for _ in range(2)]
    assert [answer.json()["asked"] for answer in answers] == [1, 2]
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


async def test_an_operation_without_a_policy_is_asked_each_time(found: Service) -> None:
    for _ in range(2):
        await found.get("/v1/plain/a")
    assert found.thing.asked == 2


async def test_too_large_answer_is_sent_but_not_cached(found: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "BODY_KEPT_BYTES_MAX", 1000)
    answers = [await found.get("/v1/things/a?size=5000") for _ in range(2)]
    assert found.thing.asked == 2
    assert [len(answer.json()["filling"]) for answer in answers] == [5000, 5000]


async def test_the_memory_is_bounded(redis_engine: RedisEngine) -> None:
    async with service(redis_engine.url, entries_max=10, bytes_max=40_000) as found:
        for number in range(30):
            await found.ask(f"/v1/things/t{number}")
        assert len(found.cache.local) == 10
        for number in range(30):
            await found.ask(f"/v1/things/t{number}?size=9000")
        assert len(found.cache.local) <= 4
        assert found.cache.local._bytes <= 40_000
        assert sum(map(len, found.cache.local._tagged.values())) <= 4 * 3
        for number in range(10):  # keys count too: the caller chooses how long they are
            await found.ask(Accept=f"application/json, text/{number}{'x' * 9000}")
        assert len(found.cache.local) <= 4


def test_policy_refuses_a_lifetime_beyond_visibility() -> None:
    for fresh_s, stale_s in ((0, 10), (31, 0), (20, 11)):
        with pytest.raises(ValueError, match="at most 30 seconds"):
            CachePolicy(fresh_s=fresh_s, stale_s=stale_s)


@pytest.mark.parametrize("path", ["/v1/things/a", "/v1/plain/a", "/v1/versioned/a"])
async def test_matching_validator_gets_304(found: Service, path: str) -> None:
    first = await found.get(path)
    etag = first.headers["etag"]
    assert etag == '"7"' if "versioned" in path else len(etag) > 20
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        again = await found.get(path, **{"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
        assert "content-type" not in again.headers
        assert again.headers["cache-control"] == "private, no-cache"
        assert again.headers["vary"] == "Authorization, Accept"
    assert (await found.get(path, **{"If-None-Match": '"other"'})).content == first.content


async def test_the_validator_changes_with_a_byte(found: Service) -> None:
    tags = {(await found.get(f"/v1/plain/{name}")).headers["etag"] for name in ("a", "b", "aa")}
    assert len(tags) == 3
    assert not any(tag.startswith("W/") for tag in tags)


async def test_only_a_cached_answer_has_an_age(found: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await found.get()
    assert "age" not in first.headers
    later = time.monotonic() + 3
    monkeypatch.setattr(cache_module, "monotonic", lambda: later)
    again = await found.get()
    assert int(again.headers["age"]) == 3
    assert again.headers["x-correlation-id"] != first.headers["x-correlation-id"]
    assert again.headers.get_list("etag") == first.headers.get_list("etag")


async def test_caller_may_ask_for_a_fresh_answer(found: Service) -> None:
    assert await found.ask() == 1
    assert await found.ask(**{"Cache-Control": "no-cache"}) == 2
    assert await found.ask() == 2
