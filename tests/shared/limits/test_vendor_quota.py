"""Vendors' quotas, shared through Redis and, without it, per process (docs/failures.md, row 16)."""

import asyncio
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from sandbox.engines.postgres import RedisEngine
from shared.limits import vendor_quota
from shared.limits.vendor_quota import Limits, Priority, QuotaTransport, VendorQuota
from shared.outbound.http_client import OutboundClient
from shared.problem import Unavailable
from shared.redis_connection import RedisScripts
from tests.patience import HANG_S

pytestmark = pytest.mark.servers


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisEngine]:
    """A Valkey that the test may stop."""
    with RedisEngine(tmp_path) as engine:
        yield engine


@pytest_asyncio.fixture
async def scripts(redis: RedisEngine) -> AsyncIterator[RedisScripts]:
    """The way to it."""
    connection = RedisScripts(redis.url)
    yield connection
    await connection.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests without a permit fail soon."""
    monkeypatch.setattr(vendor_quota, "_WAIT_MAX_S", 0.1)


@contextmanager
def as_(priority: Priority) -> Iterator[None]:
    """For requests of that kind."""
    before = vendor_quota._priority.set(priority)
    yield
    vendor_quota._priority.reset(before)


def two_processes(scripts: RedisScripts | None, limits: Limits) -> list[VendorQuota]:
    """Return the quota of one connection, as two processes hold it."""
    name = f"nordwind/billing/{uuid.uuid4().hex[:6]}"
    return [VendorQuota(name, "Stripe", limits, scripts) for _ in range(2)]


async def granted_at_once(quotas: list[VendorQuota], wanted: int) -> int:
    """Return how many of the wanted permits are granted while none is given back."""
    granted = 0
    async with AsyncExitStack() as held:
        for number in range(wanted):
            try:
                await held.enter_async_context(quotas[number % len(quotas)].permit())
            except Unavailable:
                continue
            granted += 1
    return granted


async def test_processes_share_the_concurrency_limit(scripts: RedisScripts) -> None:
    quotas = two_processes(scripts, Limits(3))
    assert await granted_at_once(quotas, 8) == 3
    assert await granted_at_once(quotas, 8) == 3, "permits come back"


async def test_mutation_without_redis_processes_do_not_share() -> None:
    assert await granted_at_once(two_processes(None, Limits(3, local_share=1.0)), 8) == 6


async def test_permits_of_a_dead_process_expire(scripts: RedisScripts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_quota, "_PERMIT_S", 0.3)
    killed, living = two_processes(scripts, Limits(1))
    await killed._take("never given back")
    with pytest.raises(Unavailable) as refused:
        async with living.permit():
            pass
    assert refused.value.reason_code == "quota_concurrency"
    assert refused.value.retry_after_s == 1
    await asyncio.sleep(0.4)
    async with living.permit():
        pass


# Another program: it takes a permit for a second and holds it until it is killed.
_HOLDER = """
import asyncio, sys
from shared.limits import vendor_quota
from shared.redis_connection import RedisScripts

async def hold():
    vendor_quota._PERMIT_S = 1.0
    limits = vendor_quota.Limits(2)
    async with vendor_quota.VendorQuota(sys.argv[2], "Stripe", limits, RedisScripts(sys.argv[1])).permit():
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(hold())
"""


async def granted_around_a_kill(redis: RedisEngine, scripts: RedisScripts) -> tuple[int, int]:
    """Return how many of two permits are granted just after a process was killed that held one, and a moment later.

    The living one's own permits keep the connection's record alive, so that only the dead one's can run out.
    """
    (living, _) = two_processes(scripts, Limits(2))
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HOLDER, redis.url, living.name, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    holder.kill()
    at_once = await granted_at_once([living], 2)
    await holder.wait()
    await asyncio.sleep(1.2)
    return at_once, await granted_at_once([living], 2)


async def test_permit_of_a_process_killed_by_sigkill_expires(redis: RedisEngine, scripts: RedisScripts) -> None:
    assert await granted_around_a_kill(redis, scripts) == (1, 2)


async def test_mutation_without_expiry_a_dead_processes_permit_is_lost(
    redis: RedisEngine, scripts: RedisScripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation of the test above."""
    guard = "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)\n"
    assert guard in vendor_quota._SCRIPT
    monkeypatch.setattr(vendor_quota, "_SCRIPT", vendor_quota._SCRIPT.replace(guard, ""))
    assert await granted_around_a_kill(redis, scripts) == (1, 1)


async def test_processes_share_the_rate_limit(scripts: RedisScripts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_quota, "_WAIT_MAX_S", 0.0)
    quotas = two_processes(scripts, Limits(100, 20.0))
    begun = time.monotonic()
    granted = await granted_at_once(quotas, 60)
    took = time.monotonic() - begun
    assert 4 <= granted <= 4 + took * 15 + 1, took
    alone = VendorQuota("alone", "Stripe", Limits(100, 20.0, local_share=0.5), None)
    assert 2 <= await granted_at_once([alone], 30) < 10


async def most_in_a_second(quota: VendorQuota, clock: list[float], monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many permits fall into one second, at most, where more are asked for than there are: on a clock of
    ours.
    """
    monkeypatch.setattr(vendor_quota, "monotonic", lambda: clock[0])
    granted: list[float] = []
    while clock[0] < 5.0:
        try:
            await quota._take("none in Redis")
            granted.append(clock[0])
        except vendor_quota._Refused as refused:
            clock[0] += max(refused.again_in_s, 1e-6)
    assert granted
    return max(sum(begun <= each < begun + 1 for each in granted) for begun in granted)


@pytest.mark.parametrize("allowed", [1.0, 2.0, 3.5, 5.0, 10.0, 25.0, 100.0])
async def test_no_second_sees_more_requests_than_the_vendor_allows(
    allowed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = VendorQuota("alone", "Stripe", Limits(1000, allowed, local_share=1.0), None)
    quota._tokens, _ = vendor_quota._paced(allowed)

    most = await most_in_a_second(quota, [0.0], monkeypatch)

    assert allowed * 0.5 <= most <= max(1, allowed)


async def test_mutation_burst_of_a_whole_second_exceeds_the_vendors_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutation of the test above."""
    monkeypatch.setattr(vendor_quota, "_paced", lambda allowed: (allowed, allowed))
    quota = VendorQuota("alone", "Stripe", Limits(1000, 25.0, local_share=1.0), None)
    quota._tokens = 25.0

    assert await most_in_a_second(quota, [0.0], monkeypatch) > 25


async def test_important_requests_get_reserved_quota(scripts: RedisScripts) -> None:
    quotas = two_processes(scripts, Limits(10))
    async with AsyncExitStack() as held:
        for _ in range(5):
            await held.enter_async_context(quotas[0].permit())
        with as_(Priority.batch):
            assert await granted_at_once(quotas, 3) == 0
        with as_(Priority.read):
            assert await granted_at_once(quotas, 10) == 3
        assert await granted_at_once(quotas, 10) == 5


async def test_mutation_without_classes_batches_take_the_orders_quota(
    scripts: RedisScripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation of the test above."""
    monkeypatch.setattr(Priority.batch, "_value_", Priority.order.value)
    quotas = two_processes(scripts, Limits(10))
    async with AsyncExitStack() as held:
        for _ in range(5):
            await held.enter_async_context(quotas[0].permit())
        with as_(Priority.batch):
            for _ in range(5):
                await held.enter_async_context(quotas[1].permit())
        assert await granted_at_once(quotas, 1) == 0, "an order finds no room"


async def test_the_last_requests_of_the_day_are_kept_for_orders(scripts: RedisScripts) -> None:
    told, other = two_processes(scripts, Limits(10))
    for used, batches, reads in [(100, 1, 1), (850, 0, 1), (960, 0, 0)]:
        await told.note({"Sforce-Limit-Info": f"api-usage={used}/1000"})
        with as_(Priority.batch):
            assert await granted_at_once([other], 1) == batches
        with as_(Priority.read):
            assert await granted_at_once([other], 1) == reads
        assert await granted_at_once([other], 1) == 1
    with as_(Priority.read), pytest.raises(Unavailable) as refused:
        async with other.permit():
            pass
    assert (refused.value.reason_code, refused.value.retry_after_s) == ("quota_day", 3600)


async def batches_granted_late_in_the_day(scripts: RedisScripts) -> int:
    """Return how many of two batches are granted after an answer of Salesforce's said that 96 % of the day are used
    up.
    """

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={}, headers={"Sforce-Limit-Info": "api-usage=960/1000"})

    told, other = two_processes(scripts, Limits(10))
    client = OutboundClient(
        "Salesforce", "http://vendor.test", transport=QuotaTransport(httpx.MockTransport(answer), told)
    )
    await client.send("POST", "/services/data")
    await client.close()
    with as_(Priority.batch):
        return await granted_at_once([told, other], 2)


async def test_salesforces_daily_usage_holds_batches_back_in_every_process(scripts: RedisScripts) -> None:
    assert await batches_granted_late_in_the_day(scripts) == 0


async def test_mutation_without_daily_usage_batches_exhaust_the_day(
    scripts: RedisScripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation of the test above."""

    async def deaf(*_: object) -> None:
        pass

    monkeypatch.setattr(VendorQuota, "note", deaf)
    assert await batches_granted_late_in_the_day(scripts) == 2


async def test_without_redis_each_process_uses_its_share(redis: RedisEngine, scripts: RedisScripts) -> None:
    quotas = two_processes(scripts, Limits(8, 40.0, local_share=0.25))
    redis.stop()
    assert await granted_at_once(quotas, 12) == 4
    redis.start()
    assert await granted_at_once(quotas, 12) == 4, "it is left alone for a while"
    for quota in quotas:
        quota._redis_from = 0.0
    assert await granted_at_once(quotas, 12) == 8
    redis.flush()
    assert await granted_at_once(quotas, 12) == 8


async def test_a_redis_that_hangs_makes_one_request_wait_a_moment(redis: RedisEngine, scripts: RedisScripts) -> None:
    (quota, _) = two_processes(scripts, Limits(8, local_share=0.5))
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        assert await granted_at_once([quota], 4) == 4
        assert time.monotonic() - begun < HANG_S
    finally:
        os.kill(redis.pid, signal.SIGCONT)


async def test_request_without_permit_is_unavailable_and_not_sent(scripts: RedisScripts) -> None:
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.method)
        return httpx.Response(200, json={}, headers={"Sforce-Limit-Info": "api-usage=990/1000"})

    (quota, other) = two_processes(scripts, Limits(1))
    client = OutboundClient(
        "Stripe", "http://vendor.test", transport=QuotaTransport(httpx.MockTransport(answer), quota)
    )
    async with other.permit():
        with pytest.raises(Unavailable) as refused:
            await client.send("POST", "/v1/subscriptions")
    assert refused.value.retry_after_s == 1
    assert sent == []
    assert (await client.send("POST", "/v1/subscriptions")).content == b"{}"
    with as_(Priority.read), pytest.raises(Unavailable):
        await client.send("GET", "/v1/subscriptions")
    assert sent == ["POST"]
    await client.close()
