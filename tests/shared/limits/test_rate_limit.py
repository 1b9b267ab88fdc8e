"""Rate limits, shared through Redis in leases and, without it, per process."""

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import get, post
from prometheus_client import REGISTRY
from redis import Redis

from sandbox.engines.postgres import RedisEngine
from shared.identity.auth import Authenticator
from shared.inbound.service import create_service
from shared.inbound.tier import Policies, Published, Tier
from shared.limits import quota_lease
from shared.limits.limit_strings import RateLimits
from shared.limits.rate_limit import RateLimiter
from shared.operations.operation import operation
from shared.problem import QuotaExceeded
from tests.app_lifespan import asgi_transport, running_app
from tests.patience import HANG_S
from tests.shared.tokens import AUDIENCE, METADATA_URL, StandInIssuer, claims, rsa_key, sign

pytestmark = pytest.mark.servers
KEY = rsa_key()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisEngine]:
    """A Valkey that the test may stop."""
    with RedisEngine(tmp_path) as engine:
        yield engine


@asynccontextmanager
async def limiters(redis_url: str, limits: str, count: int = 1, **more: Any) -> AsyncIterator[list[RateLimiter]]:
    """As many processes of one tier as are asked for, which nobody else shares limits with."""
    tier, parsed = uuid.uuid4().hex, RateLimits.parse(limits)
    found = [RateLimiter(parsed, redis_url, tier=tier, **{"local_share": 0.5, **more}) for _ in range(count)]
    yield found
    for limiter in found:
        await limiter.close()


async def admitted(
    processes: list[RateLimiter], wanted: int, caller: tuple[str, str, str, str], cost: int = 1
) -> tuple[int, QuotaExceeded | None]:
    """Return how many of the wanted requests are let in, and the first refusal. The processes get them in turn."""
    count, refusal = 0, None
    for number in range(wanted):
        try:
            await processes[number % len(processes)].admit(caller, cost)
        except QuotaExceeded as refused:
            refusal = refusal or refused
        else:
            count += 1
    return count, refusal


READER = ("nordwind", "lightning", "005A", "read")


async def test_processes_share_a_small_limit_exactly(redis_engine: RedisEngine) -> None:
    async with limiters(redis_engine.url, "client=7/hour", 3) as processes:
        assert (await admitted(processes, 20, READER))[0] == 7


async def test_processes_share_a_large_limit_up_to_their_leases(redis_engine: RedisEngine) -> None:
    async with limiters(redis_engine.url, "client=400/hour", 3) as processes:
        count, _ = await admitted(processes, 1000, READER)
    # A lease is counted before it is used: in one window never more than the limit; less by what other processes hold
    # unused.
    assert 400 - 3 * 20 <= count <= 400


async def test_mutation_without_shared_leases_processes_do_not_share(redis_engine: RedisEngine) -> None:
    async with limiters(redis_engine.url, "client=7/hour") as one, limiters(redis_engine.url, "client=7/hour") as two:
        assert (await admitted([*one, *two], 20, READER))[0] == 14


@pytest.mark.parametrize(
    ("limits", "caller", "more"),
    [
        ("tenant=3/hour", ("nordwind", "other", "005B", "write"), 0),
        ("tenant=3/hour", ("acme", "lightning", "005A", "read"), 3),
        ("client=3/hour", ("nordwind", "lightning", "005B", "write"), 0),
        ("client=3/hour", ("nordwind", "other", "005A", "read"), 3),
        ("client=3/hour", ("acme", "lightning", "005A", "read"), 3),
        ("user=3/hour", ("nordwind", "other", "005A", "write"), 0),
        ("user=3/hour", ("nordwind", "lightning", "005B", "read"), 3),
        ("user=3/hour", ("acme", "lightning", "005A", "read"), 3),
        ("read=3/hour", ("nordwind", "lightning", "005B", "read"), 0),
        ("read=3/hour", ("nordwind", "lightning", "005A", "write"), 5),
        ("read=3/hour", ("acme", "lightning", "005A", "read"), 3),
    ],
)
async def test_each_bucket_counts_its_own_callers(
    redis_engine: RedisEngine, limits: str, caller: tuple[str, str, str, str], more: int
) -> None:
    async with limiters(redis_engine.url, limits) as processes:
        assert (await admitted(processes, 5, READER))[0] == 3
        assert (await admitted(processes, 5, caller))[0] == more


async def test_mutation_keys_without_tenant_share_quota_across_tenants(
    redis_engine: RedisEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation of the test above."""
    right = RateLimiter._leases_of
    monkeypatch.setattr(RateLimiter, "_leases_of", lambda self, _, bucket, who: right(self, "all", bucket, who))
    async with limiters(redis_engine.url, "client=3/hour") as processes:
        await admitted(processes, 5, READER)
        assert (await admitted(processes, 5, ("acme", "lightning", "005A", "read")))[0] == 0


async def test_all_limits_apply_and_a_refusal_consumes_none(redis_engine: RedisEngine) -> None:
    async with limiters(redis_engine.url, "client=9/hour,user=4/hour") as processes:
        count, refusal = await admitted(processes, 6, READER)
        assert (count, refusal and refusal.limit) == (4, "user")
        count, refusal = await admitted(processes, 9, ("nordwind", "lightning", "005B", "read"))
        assert (count, refusal and refusal.limit) == (4, "user")
        count, refusal = await admitted(processes, 9, ("nordwind", "lightning", "", "read"))
        assert (count, refusal and refusal.limit) == (1, "client")


async def test_a_limit_may_have_several_windows_and_a_tenant_its_own(redis_engine: RedisEngine) -> None:
    async with limiters(redis_engine.url, "client=2/hour;3/day,acme.client=5/hour,mute.client=off") as processes:
        [limiter] = processes
        count, refusal = await admitted(processes, 6, READER)
        assert count == 2
        assert refusal is not None
        assert refusal.headers["RateLimit-Policy"] == '"client-3600";q=2;w=3600, "client-86400";q=3;w=86400'
        assert refusal.headers["RateLimit"].startswith('"client-3600";r=0;t=')
        assert (await admitted(processes, 6, ("acme", "lightning", "", "read")))[0] == 5
        assert await limiter.admit(("mute", "lightning", "", "read"), 1) == []


async def test_an_operation_counts_as_much_as_it_costs(redis_engine: RedisEngine) -> None:
    async with limiters(redis_engine.url, "client=100/hour") as processes:
        assert (await admitted(processes, 30, READER, cost=5))[0] == 20


async def test_limit_resets_after_its_window(redis_engine: RedisEngine) -> None:
    async with limiters(redis_engine.url, "client=3/second") as processes:
        assert (await admitted(processes, 4, READER))[0] == 3
        ends = time.monotonic() + HANG_S
        while (await admitted(processes, 1, READER))[0] == 0:
            assert time.monotonic() < ends


async def test_redis_is_asked_for_leases_and_not_for_every_request(redis_engine: RedisEngine) -> None:
    async with limiters(redis_engine.url, "tenant=100000/minute,client=100000/minute,user=100000/minute") as processes:
        before = commands(redis_engine)
        assert (await admitted(processes, 5000, READER))[0] == 5000
        assert commands(redis_engine) - before < 250


async def test_mutation_leases_of_one_ask_redis_for_every_request(
    redis_engine: RedisEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation of the test above."""
    monkeypatch.setattr(quota_lease, "LEASE_SHARE", 0.0)
    async with limiters(redis_engine.url, "client=100000/minute") as processes:
        before = commands(redis_engine)
        await admitted(processes, 300, READER)
        assert commands(redis_engine) - before >= 300


def commands(engine: RedisEngine) -> int:
    """Return how many scripts the server has run so far."""
    with Redis.from_url(engine.url) as connection:
        told: Any = connection.info("commandstats")
    return sum(told.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "eval"))


# -- over HTTP ----------------------------------------------------------------------------------------------------


@get(
    "/v1/things",
    operation_id="listThings",
    tags=["things"],
    opt=operation(owner="t", capability="t", scopes=["things:read"], cost=2),
)
async def list_things() -> dict[str, str]:
    """Reads."""
    return {}


@post(
    "/v1/things",
    operation_id="makeThing",
    tags=["things"],
    opt=operation(owner="t", capability="t", scopes=["things:read"], rate="write"),
)
async def make_thing() -> dict[str, str]:
    """Writes."""
    return {}


@asynccontextmanager
async def service(redis_url: str, limits: str) -> AsyncIterator[httpx.AsyncClient]:
    """A small service with these limits."""
    limiter = RateLimiter(RateLimits.parse(limits), redis_url, tier=uuid.uuid4().hex, local_share=0.5)
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport())
    tier = Tier(
        name="tests",
        published=Published(
            title="Tests",
            version="1.0.0",
            description="A service for tests.",
            tags={"things": "Things."},
        ),
        authenticator=authenticator,
        policies=Policies(rate_limiter=limiter),
    )
    app = create_service(tier, [list_things, make_thing], state={})
    token = sign(KEY, claims(scope="things:read"))
    async with (
        running_app(app),
        httpx.AsyncClient(
            transport=asgi_transport(app),
            base_url="http://service.test",
            headers={"Authorization": f"Bearer {token}"},
        ) as client,
    ):
        yield client


async def test_every_answer_says_what_is_left_and_a_refusal_when_to_come_back(redis_engine: RedisEngine) -> None:
    async with service(redis_engine.url, "client=5/minute,read=50/minute") as client:
        answers = [await client.get("/v1/things") for _ in range(3)]
        other = await client.post("/v1/things")

    assert [answer.status_code for answer in [*answers, other]] == [200, 200, 429, 201]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"client";q=5;w=60, "read";q=50;w=60'}
    assert [answer.headers["ratelimit"].split(";")[:2] for answer in answers] == [
        ['"client"', "r=3"],
        ['"client"', "r=1"],
        ['"client"', "r=0"],
    ]
    refusal = answers[2]
    wait_s = int(refusal.headers["retry-after"])
    assert 1 <= wait_s <= 60
    assert refusal.headers["ratelimit"] == f'"client";r=0;t={wait_s}'
    problem = refusal.json()
    assert problem["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert (problem["status"], problem["retryAfterSeconds"], problem["reasonCode"]) == (429, wait_s, "limit_client")
    assert other.headers["ratelimit"].startswith('"client";r=0;t=')


async def test_health_and_contract_documents_are_exempt(redis_engine: RedisEngine) -> None:
    async with service(redis_engine.url, "client=1/hour,tenant=1/hour,read=1/hour") as client:
        answers = [
            await client.get(path)
            for path in ("/health/live", "/health/ready", "/openapi.json", "/docs/openapi.json", "/docs")
            for _ in range(3)
        ]
        assert {answer.status_code for answer in answers} == {200}
        assert not any("ratelimit" in answer.headers for answer in answers)


def leases_without_redis() -> float:
    return REGISTRY.get_sample_value("quoteway_quota_leases_without_redis_total") or 0.0


async def test_without_redis_each_process_admits_its_share_and_nobody_sees_a_5xx(redis: RedisEngine) -> None:
    async with service(redis.url, "client=20/hour") as client:
        assert (await client.post("/v1/things")).status_code == 201
        redis.stop()
        before = leases_without_redis()
        statuses = [(await client.post("/v1/things")).status_code for _ in range(20)]
    assert leases_without_redis() > before, "an operator sees it"
    assert set(statuses) == {201, 429}
    assert statuses.count(201) == 10, "half of 20"


async def test_mutation_without_local_share_a_lost_redis_is_500(
    redis: RedisEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation of the test above."""
    monkeypatch.setattr(quota_lease, "_REDIS_FAILURES", ())
    async with service(redis.url, "client=20/hour") as client:
        redis.stop()
        assert (await client.post("/v1/things")).status_code == 500


async def test_a_redis_that_hangs_delays_one_request_and_comes_back(
    redis: RedisEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota_lease, "_WITHOUT_REDIS_S", 0.4)
    async with limiters(redis.url, "client=4/hour", local_share=0.25) as processes:
        os.kill(redis.pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            assert (await admitted(processes, 3, READER))[0] == 1
            assert time.monotonic() - begun < HANG_S
        finally:
            os.kill(redis.pid, signal.SIGCONT)
        await asyncio.sleep(0.5)
        processes[0]._callers.clear()
        processes[0]._leases.clear()
        assert (await admitted(processes, 6, READER))[0] >= 3, "what Redis knows counts again"


async def test_flushed_redis_only_resets_the_limits(redis: RedisEngine) -> None:
    async with limiters(redis.url, "client=4/hour") as processes:
        await admitted(processes, 4, READER)
        with Redis.from_url(redis.url) as connection:
            connection.flushall()
        await asyncio.sleep(1.1)
        assert (await admitted(processes, 5, READER))[0] == 4


# -- settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("client", "does not begin with one of"),
        ("clients=1/minute", "does not begin with one of"),
        ("nordwind.all=1/minute", "does not begin with one of"),
        ("client=often", "is not a limit such as 100/minute"),
        ("client=1/fortnight", "is not a limit such as 100/minute"),
        ("client=0/minute", "lets nobody in"),
    ],
)
def test_unreadable_limit_is_reported(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        RateLimits.parse("tenant=1/second", text)


def test_settings_override_the_tiers_defaults() -> None:
    limits = RateLimits.parse("client=10/minute, read=5 per second", " client = 20/minute , acme.client=off")
    assert [item.amount for item in limits.of("nordwind", "client")] == [20]
    assert limits.of("acme", "client") == ()
    assert [item.amount for item in limits.of("acme", "read")] == [5]
    assert limits.of("acme", "user") == ()
