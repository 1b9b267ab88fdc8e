"""Reads from the cache: whose, how long, what ends them, and what it does without Redis."""

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from litestar import Request, Response, get, post
from litestar.params import PathParameter, QueryParameter
from redis import Redis

from sandbox.engines import RedisEngine
from shared import cache as cache_module
from shared.auth import Authenticator, Principal
from shared.cache import ResponseCache
from shared.cache_policy import NOT_KEPT, CachePolicy, tags_of_event
from shared.operation import operation
from shared.principal import ActingUser, OwnToken
from shared.problem import NotFound, Unavailable
from shared.redis_connection import RedisCache
from shared.service import Tier, create_service
from shared.shared_answers import SharedAnswers
from tests.app_lifespan import asgi_transport, running_app
from tests.shared.tokens import AUDIENCE, METADATA_URL, StandInIssuer, claims, rsa_key, sign

pytestmark = pytest.mark.servers
KEY = rsa_key()
ThingId = Annotated[str, PathParameter(name="thingId")]


@dataclass
class Thing:
    """What the service reads: its answers count how often it was asked."""

    asked: int = 0
    fails: bool = False
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)


def policy(cache: CachePolicy | None, **more: Any) -> dict[str, Any]:
    return operation(owner="tests", capability="things", scopes=["things:read"], cache=cache, **more)


class Service:
    """One process of a tier, with a caller's client."""

    def __init__(self, thing: Thing, cache: ResponseCache) -> None:
        self.thing = thing
        self.cache = cache
        self.client: httpx.AsyncClient

    async def get(self, path: str = "/v1/things/a", **headers: str) -> httpx.Response:
        """The answer to a caller that may be named by its headers."""
        return await self.client.get(path, headers={"Authorization": bearer(), **headers})

    async def ask(self, path: str = "/v1/things/a", **headers: str) -> int:
        """How often the thing had been asked when the answer was made."""
        answer = await self.get(path, **headers)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["asked"])

    async def settled(self) -> None:
        """Once everything is done that no caller waits for."""
        async with asyncio.timeout(5):
            while len(self.cache._tasks) > 1:  # noqa: ASYNC110 nothing else tells of it
                await asyncio.sleep(0.01)

    async def linked(self) -> None:
        """Once purges reach the process."""
        async with asyncio.timeout(5):
            while not self.cache._linked:  # noqa: ASYNC110 nothing else tells of it
                await asyncio.sleep(0.01)


_TOKENS: dict[str, str] = {}


def bearer(**changes: Any) -> str:
    """A token, the same each time."""
    return "Bearer " + _TOKENS.setdefault(repr(changes), sign(KEY, claims(**{"scope": "things:read", **changes})))


@get(
    "/v1/things/{thingId:str}",
    opt=policy(CachePolicy(fresh_s=10, stale_s=10, tags=("thing:{thingId}", "account:{thingId}"))),
)
async def read(
    request: Request[Principal, Any, Any],
    thing_id: ThingId,
    size: Annotated[int, QueryParameter(required=False)] = 0,
    colour: Annotated[str, QueryParameter(required=False)] = "",
) -> Response[dict[str, Any]]:
    """What is kept."""
    own: Thing = request.app.state.thing
    own.asked += 1
    asked = own.asked
    if thing_id == "slow":
        await own.may_answer.wait()
    if own.fails:
        raise Unavailable("The vendor is away.")
    if thing_id == "gone":
        raise NotFound("There is no such thing.")
    answer = {"asked": asked, "subject": request.user.subject, "filling": "x" * size, "colour": colour}
    return Response(answer, headers=NOT_KEPT if thing_id == "partial" else {})


@get("/v1/plain/{thingId:str}", opt=policy(None))
async def plain(request: Request[Principal, Any, Any], thing_id: ThingId) -> dict[str, str]:
    """What is not kept."""
    request.app.state.thing.asked += 1
    return {"thing": thing_id}


@get("/v1/versioned/{thingId:str}", opt=policy(None))
async def versioned(thing_id: ThingId) -> Response[dict[str, str]]:
    """What has a version of its own."""
    return Response({"thing": thing_id}, headers={"ETag": '"7"'})


@get("/v1/price-list", opt=policy(CachePolicy(fresh_s=10, shared=True)))
async def price_list(request: Request[Principal, Any, Any]) -> dict[str, int]:
    """What does not depend on who asks."""
    request.app.state.thing.asked += 1
    return {"asked": request.app.state.thing.asked}


@post("/v1/previews", opt=policy(None, rate="expensive"))
async def preview() -> dict[str, Any]:
    """What changes nothing, though it is sent by POST."""
    return {}


@post("/v1/things/{thingId:str}", opt=policy(None, rate="write"))
async def write(request: Request[Principal, Any, Any], thing_id: ThingId) -> dict[str, Any]:
    """What changes something."""
    own: Thing = request.app.state.thing
    own.asked += 1
    if thing_id == "gone":
        raise NotFound("There is no such thing.")
    return {"asked": own.asked}


@asynccontextmanager
async def service(
    redis_url: str,
    *,
    thing: Thing | None = None,
    tier_name: str = "",
    **sizes: int,
) -> AsyncIterator[Service]:
    """One process of a tier. Those of one `tier_name` share their answers."""
    own = thing or Thing()
    cache = ResponseCache(SharedAnswers(RedisCache(redis_url), tier_name or uuid.uuid4().hex), **sizes)
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport())
    tier = Tier("tests", "Tests", "1.0.0", "A service for tests.", authenticator, cache=cache)
    app = create_service(tier, [read, plain, versioned, price_list, preview, write], state={"thing": own})
    found = Service(own, cache)
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://service.test") as found.client,
    ):
        await found.get("/v1/plain/keys")  # the issuer's keys are known from now on
        own.asked = 0
        with suppress(TimeoutError):
            if redis_url != NOWHERE:
                await found.linked()
        yield found


NOWHERE = "redis://127.0.0.1:1"


@pytest.fixture
async def found(redis_engine: RedisEngine) -> AsyncIterator[Service]:
    async with service(redis_engine.url) as one:
        yield one


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisEngine]:
    """A Valkey that the test may stop."""
    with RedisEngine(tmp_path) as engine:
        yield engine


# -- whose --------------------------------------------------------------------------------------------------------


async def test_a_caller_gets_its_answer_again_until_it_is_stale(found: Service) -> None:
    assert [await found.ask() for _ in range(3)] == [1, 1, 1]


OTHERS: dict[str, Callable[[], dict[str, Any]]] = {
    "another subject": lambda: {"Authorization": bearer(sub="005QW0000000009AAA")},
    "another client": lambda: {"Authorization": bearer(client_id="another")},
    "another tenant": lambda: {"Authorization": bearer(tenant="acme")},
    "other scopes": lambda: {"Authorization": bearer(scope="things:read things:write")},
    "other legal entities": lambda: {"Authorization": bearer(legal_entities=["NW-DE"])},
    "another media type": lambda: {"Accept": "application/problem+json"},
}


@pytest.mark.parametrize("other", OTHERS)
async def test_never_another_callers_entry(found: Service, other: str) -> None:
    assert await found.ask() == 1
    assert await found.ask(**OTHERS[other]()) == 2
    assert await found.ask() == 1


async def test_with_a_key_without_the_caller_another_would_see_it(
    found: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation of the test above."""
    monkeypatch.setattr(ResponseCache, "caller_of", lambda *_: "anyone")
    mine = await found.get()
    others = await found.get(Authorization=bearer(sub="005QW0000000009AAA"))
    assert others.json()["subject"] == mine.json()["subject"]


async def test_with_a_key_without_the_legal_entities_a_client_of_one_would_see_all(
    found: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation of the test above, for one field."""
    mine, others = {"Authorization": bearer()}, OTHERS["other legal entities"]()
    assert (await found.get(**mine)).json()["asked"] == 1
    assert (await found.get(**others)).json()["asked"] == 2
    monkeypatch.setattr(cache_module, "_NOT_THE_CALLER", cache_module._NOT_THE_CALLER | {"legal_entities"})
    cache_module._getter_of.cache_clear()
    found.cache._callers.clear()
    answers = [(await found.get("/v1/things/b", **headers)).json()["asked"] for headers in (mine, others)]
    monkeypatch.undo()
    cache_module._getter_of.cache_clear()
    assert answers == [3, 3]


async def test_the_acting_user_is_part_of_the_caller_and_the_ids_of_tokens_are_not(found: Service) -> None:
    principal = Principal("s", "c", "nordwind", frozenset({"b", "a"}))
    ada = ActingUser("005A", "nordwind", "1", "app", OwnToken("ada", 1.0, "one"), frozenset({"a"}))

    def caller(acting: ActingUser | None, principal: Principal = principal) -> str:
        return found.cache.caller_of({"user": principal, "state": {"acting_user": acting}})

    assert caller(ada) == caller(replace(ada, txn="2", own_token=OwnToken("ada", 2.0, "two")))
    assert caller(ada) == caller(ada, replace(principal, token_id="another", issued_at=2.0))
    others = [replace(ada, user_id="005B"), replace(ada, scopes=frozenset()), replace(ada, client_id="another"), None]
    assert len({caller(acting) for acting in (ada, *others)}) == 5


async def test_what_is_shared_is_shared_within_a_tenant_only(found: Service) -> None:
    assert await found.ask("/v1/price-list") == 1
    assert await found.ask("/v1/price-list", **OTHERS["another client"]()) == 1
    assert await found.ask("/v1/price-list", **OTHERS["another tenant"]()) == 2


async def test_the_token_comes_first(found: Service) -> None:
    assert await found.ask() == 1
    assert (await found.get(Authorization=bearer(exp=1))).status_code == 401
    assert (await found.get(Authorization=bearer(scope="other:read"))).status_code == 403
    assert (await found.client.get("/v1/things/a")).status_code == 401


async def test_the_query_is_part_of_the_key_whatever_its_order(found: Service) -> None:
    assert await found.ask("/v1/things/a?size=1&colour=red") == 1
    assert await found.ask("/v1/things/a?colour=red&size=1") == 1
    assert await found.ask("/v1/things/a?colour=red&size=2") == 2
    assert await found.ask("/v1/things/b?colour=red&size=1") == 3


# -- what ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "status"), [("/v1/things/gone", 404), ("/v1/things/a", 503)])
async def test_only_a_success_is_kept(found: Service, path: str, status: int) -> None:
    found.thing.fails = status == 503
    answers = [await found.get(path) for _ in range(2)]
    assert found.thing.asked == 2
    assert {(answer.status_code, answer.headers["cache-control"]) for answer in answers} == {(status, "no-store")}
    assert answers[0].json()["correlationId"] != answers[1].json()["correlationId"]


async def test_an_answer_that_lacks_a_part_is_not_kept(found: Service) -> None:
    assert [await found.ask("/v1/things/partial") for _ in range(2)] == [1, 2]


async def test_writes_are_never_kept(found: Service) -> None:
    answers = [await found.client.post("/v1/things/a", headers={"Authorization": bearer()}) for _ in range(2)]
    assert [answer.json()["asked"] for answer in answers] == [1, 2]
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


async def test_an_operation_without_a_policy_is_asked_each_time(found: Service) -> None:
    for _ in range(2):
        await found.get("/v1/plain/a")
    assert found.thing.asked == 2


async def test_a_too_large_answer_passes_and_is_not_kept(found: Service, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_no_answer_may_outlive_what_its_caller_may_see() -> None:
    for fresh_s, stale_s in ((0, 10), (31, 0), (20, 11)):
        with pytest.raises(ValueError, match="at most 30 seconds"):
            CachePolicy(fresh_s=fresh_s, stale_s=stale_s)


# -- validators and headers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/things/a", "/v1/plain/a", "/v1/versioned/a"])
async def test_who_has_the_answer_gets_304(found: Service, path: str) -> None:
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


async def test_only_an_answer_from_memory_has_an_age(found: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await found.get()
    assert "age" not in first.headers
    later = time.monotonic() + 3
    monkeypatch.setattr(cache_module, "monotonic", lambda: later)
    again = await found.get()
    assert int(again.headers["age"]) == 3
    assert again.headers["x-correlation-id"] != first.headers["x-correlation-id"]
    assert again.headers.get_list("etag") == first.headers.get_list("etag")


async def test_a_caller_may_want_it_anew(found: Service) -> None:
    assert await found.ask() == 1
    assert await found.ask(**{"Cache-Control": "no-cache"}) == 2
    assert await found.ask() == 2


# -- one asks, the others wait --------------------------------------------------------------------------------------


async def test_of_many_who_want_the_same_one_asks(found: Service) -> None:
    wanting = [asyncio.create_task(found.ask("/v1/things/slow")) for _ in range(50)]
    await asyncio.sleep(0.1)
    found.thing.may_answer.set()
    assert await asyncio.gather(*wanting) == [1] * 50


async def test_without_single_flight_all_would_ask(found: Service, monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_whoever_waited_for_a_failure_sees_for_itself(found: Service) -> None:
    found.thing.fails = True
    wanting = [asyncio.create_task(found.get("/v1/things/slow")) for _ in range(3)]
    await asyncio.sleep(0.1)
    found.thing.may_answer.set()
    answers = await asyncio.gather(*wanting)
    assert {answer.status_code for answer in answers} == {503}
    assert len({answer.json()["correlationId"] for answer in answers}) == 3


async def test_a_stale_answer_is_given_while_it_is_renewed(
    found: Service, redis_engine: RedisEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await found.ask() == 1
    await found.settled()
    clock, passed = time.monotonic, 0.0
    monkeypatch.setattr(cache_module, "monotonic", lambda: clock() + passed)
    passed = 12.0
    assert await found.ask() == 1, "at once, though it is stale"
    async with asyncio.timeout(5):
        while await found.ask() == 1:  # noqa: ASYNC110 a renewal tells no event
            await asyncio.sleep(0.01)
    assert found.thing.asked == 2
    await found.settled()
    passed = 40.0
    forget_shared(redis_engine)  # its clock is not moved
    assert await found.ask() == 3, "too old even for that"


async def test_while_it_cannot_be_renewed_the_old_answer_is_given_until_its_end(
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


# -- what ends it -------------------------------------------------------------------------------------------------


async def test_an_event_ends_what_speaks_of_it_in_all_processes(redis_engine: RedisEngine) -> None:
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
        async with asyncio.timeout(5):
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


async def test_an_answer_that_was_under_way_when_its_subject_changed_is_not_kept(found: Service) -> None:
    assert await overtaken_answer(found) == 2


async def test_without_looking_for_purges_meanwhile_it_would_be_kept(
    found: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation of the test above."""
    put = found.cache.local.put
    monkeypatch.setattr(found.cache.local, "put", lambda key, answer, **_: put(key, answer, asked_at=float("inf")))
    assert await overtaken_answer(found) == 1


async def test_nobody_waits_for_what_was_asked_before_its_subject_changed(found: Service) -> None:
    asking = asyncio.create_task(found.ask("/v1/things/slow"))
    await asyncio.sleep(0.1)
    await found.cache.purge("nordwind", ["thing:slow"])
    after = asyncio.create_task(found.ask("/v1/things/slow"))
    await asyncio.sleep(0.1)
    found.thing.may_answer.set()
    assert [await asking, await after] == [1, 2]
    assert not found.cache._flights


async def test_another_process_does_not_take_over_what_was_overtaken(redis_engine: RedisEngine) -> None:
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


async def test_whoever_wrote_sees_what_it_wrote_and_a_refused_write_ends_nothing(found: Service) -> None:
    other = OTHERS["another client"]()
    assert [await found.ask(), await found.ask(**other)] == [1, 2]
    assert (await found.client.post("/v1/things/gone", headers={"Authorization": bearer()})).status_code == 404
    assert await found.ask() == 1
    assert (await found.client.post("/v1/previews", headers={"Authorization": bearer()})).status_code == 201
    assert await found.ask() == 1
    assert (await found.client.post("/v1/things/b", headers={"Authorization": bearer()})).status_code == 201
    assert await found.ask() == 5
    assert await found.ask(**other) == 2


# -- without Redis --------------------------------------------------------------------------------------------------


async def test_without_redis_a_process_keeps_answers_for_a_moment_and_nobody_sees_a_5xx(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with service(NOWHERE) as found:
        assert [await found.ask() for _ in range(3)] == [1, 1, 1]
        later = time.monotonic() + cache_module._UNLINKED_KEPT_S + 0.1
        monkeypatch.setattr(cache_module, "monotonic", lambda: later)
        assert await found.ask() == 2
        assert (await found.client.post("/v1/things/a", headers={"Authorization": bearer()})).status_code == 201
        assert await found.ask() == 4


async def test_without_its_guard_redis_gone_would_be_a_5xx(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutation of the test above."""

    async def unguarded(answers: SharedAnswers, *_: Any) -> Any:
        return await answers._redis.read("key", [])

    monkeypatch.setattr(SharedAnswers, "get", unguarded)
    async with service(NOWHERE) as found:
        assert (await found.get()).status_code == 503


async def test_whoever_wrote_while_redis_could_not_be_told_does_not_get_the_old_answer_from_there(
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
async def test_when_redis_goes_old_answers_go_and_when_it_is_back_they_are_shared_again(
    redis: RedisEngine, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.shared_answers._WITHOUT_REDIS_S", 0.2)
    monkeypatch.setattr(cache_module, "_RELINK_S", 0.1)
    async with service(redis.url) as found:
        assert await found.ask() == 1
        if fault == "killed":
            redis.stop()
        else:
            os.kill(redis.pid, signal.SIGSTOP)
        async with asyncio.timeout(10):
            while found.cache._linked:  # noqa: ASYNC110 nothing else tells of it
                await asyncio.sleep(0.02)
        begun = time.monotonic()
        assert await found.ask() == 2, "no purge could have ended the old one"
        assert time.monotonic() - begun < 1.5
        if fault == "killed":
            redis.start()
        else:
            os.kill(redis.pid, signal.SIGCONT)
        await found.linked()
        async with asyncio.timeout(5):
            while not keys_of(redis):
                await found.ask(**{"Cache-Control": "no-cache"})
                await found.settled()
                await asyncio.sleep(0.05)


async def test_a_flushed_redis_only_forgets(redis: RedisEngine) -> None:
    async with service(redis.url) as found:
        assert await found.ask() == 1
        with Redis.from_url(redis.url) as connection:
            connection.flushall()
        assert await found.ask() == 1
        found.cache.local.clear()
        assert await found.ask() == 2


async def test_what_another_release_left_in_redis_is_not_read(redis: RedisEngine) -> None:
    async with service(redis.url) as found:
        assert await found.ask() == 1
        await found.settled()
        [entry] = keys_of(redis)
        with Redis.from_url(redis.url) as connection:
            connection.set(entry, b"\xff\xff", px=5000)
        found.cache.local.clear()
        assert await found.ask() == 2


def keys_of(engine: RedisEngine) -> list[bytes]:
    """The shared answers."""
    with Redis.from_url(engine.url) as connection:
        found: Any = connection.keys("quoteway:cache:*")
    return [key for key in found if b":tag:" not in key]


def forget_shared(engine: RedisEngine) -> None:
    """As if their time in Redis were over too."""
    with Redis.from_url(engine.url) as connection:
        connection.delete(*keys_of(engine))
