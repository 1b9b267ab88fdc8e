"""docs/failures.md, rows 16 and 17: Redis down, flushed and slow; PostgreSQL restarts, and answers to commits are
lost.
"""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from process_api.migrate import migrate
from sandbox.engines.postgres import PostgresEngine
from sandbox.engines.valkey import RedisEngine
from sandbox.landscape.landscape import Landscape
from shared import redis_connection
from shared.limits.vendor_quota import Limits, VendorQuota
from shared.problem import Unavailable
from shared.redis_connection import RedisScripts
from tests.faults.business_key import business_key_off
from tests.faults.lost_commits import LostCommits, losing_commits
from tests.faults.ordering import MONTHLY, SENSOR, Ordering
from tests.faults.worker_plant import LEASE_S, WorkerPlant, running_plant
from tests.journeys.org import ACCOUNTS
from tests.patience import HANG_S, LONG_LEASE_S, until

pytestmark = pytest.mark.servers
OUTAGES = ("dead", "flushed", "slow")

# -- row 16 ---------------------------------------------------------------------------------------------------------


@contextmanager
def outage(redis: RedisEngine, kind: str) -> Iterator[None]:
    """Redis is gone, has forgotten everything, or takes requests and answers none."""
    if kind == "dead":
        redis.stop()
    elif kind == "flushed":
        redis.flush()
    else:
        os.kill(redis.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        if kind == "slow":
            os.kill(redis.pid, signal.SIGCONT)
        redis.start()


@pytest.fixture(scope="module")
def redis_within_s() -> float:
    """As long as in production: here Redis may not answer."""
    return redis_connection._SCRIPT_TIMEOUT_S


@pytest.fixture
def redis(vendors: Landscape) -> RedisEngine:
    """The landscape's own, which the test may break."""
    if not isinstance(vendors.redis, RedisEngine):
        pytest.skip("Redis is somebody else's server, which is not ours to break")
    return vendors.redis


async def read_everything(ordering: Ordering, order_id: str) -> list[httpx.Response]:
    """What a Salesforce user looks at, each twice."""
    account = f"/v1/accounts/{ACCOUNTS['acme']}"
    paths = [account, f"{account}/overview", f"{account}/credit", f"{account}/invoices", f"/v1/orders/{order_id}"]
    client = ordering.sales.client
    return [answer for path in paths for answer in await asyncio.gather(client.get(path), client.get(path))]


@pytest.mark.parametrize("kind", OUTAGES)
async def test_row_16_redis_is_away(ordering: Ordering, redis: RedisEngine, kind: str) -> None:
    before = await ordering.order(SENSOR, MONTHLY)
    with outage(redis, kind):
        answers = await read_everything(ordering, before["orderId"])
        orders = await ordering.orders(2, SENSOR, MONTHLY)
        quote_id, key = ordering.quote(SENSOR, MONTHLY), uuid.uuid4().hex
        posts = await asyncio.gather(*(ordering.sales.submit(quote_id, key) for _ in range(4)))

    assert [answer.text for answer in answers if answer.status_code >= 500] == []
    assert [order["status"] for order in orders] == ["booked", "booked"]
    assert {post.status_code for post in posts} <= {202, 409}
    (order_id,) = {post.json()["orderId"] for post in posts if post.status_code == 202}
    ordering.remember(await ordering.sales.ended(order_id), SENSOR, MONTHLY)
    assert ordering.findings().violations == []


async def test_row_16_mutation_who_needs_redis_answers_5xx_without_it(
    ordering: Ordering, redis: RedisEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await ordering.order(SENSOR, MONTHLY)

    async def insist(self: VendorQuota, script: str, keys: list[str], values: list[Any]) -> Any:
        assert self.scripts is not None
        return await self.scripts.run(script, keys, values)

    monkeypatch.setattr(VendorQuota, "_run", insist)
    with outage(redis, "dead"):
        answers = await read_everything(ordering, before["orderId"])

    assert any(answer.status_code >= 500 for answer in answers)


@pytest.mark.parametrize("kind", ["dead", "slow"])
async def test_row_16_quotas_fall_to_the_local_share(redis: RedisEngine, kind: str) -> None:
    assert await granted(redis, kind) == (8, 2)


async def test_row_16_mutation_a_share_of_everything_is_more_than_the_vendor_allows(redis: RedisEngine) -> None:
    _, without = await granted(redis, "dead", local_share=1.0)

    assert 4 * without > 8, "four processes together"


async def granted(redis: RedisEngine, kind: str, local_share: float = 0.25) -> tuple[int, int]:
    """How many requests at once a vendor's quota of 8 lets through: with Redis, and for one process without it."""
    scripts, counts = {False: patient_scripts(redis.url), True: RedisScripts(redis.url)}, []
    for away in (False, True):
        quota = VendorQuota(uuid.uuid4().hex, "Stripe", Limits(8, local_share=local_share), scripts[away])
        async with AsyncExitStack() as held:
            if away:
                held.enter_context(outage(redis, kind))
            taken = 0
            try:
                for _ in range(10):
                    await held.enter_async_context(quota.permit())
                    taken += 1
            except Unavailable:
                pass
            counts.append(taken)
    for each in scripts.values():
        await each.close()
    return counts[0], counts[1]


def patient_scripts(url: str) -> RedisScripts:
    """Scripts of a Redis that is there, for which a quarter of a second is no limit: the machine may be busy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis_connection, "_SCRIPT_TIMEOUT_S", HANG_S)
        return RedisScripts(url)


# -- row 17 ---------------------------------------------------------------------------------------------------------

# A new order's id with its length before it: a parameter of the transaction that takes the order in, not of the look
# before it. (A statement's text is no mark: once it is prepared, it is not sent again.)
TAKING_IN = b"\x00\x00\x00\x24ord_"


@dataclass
class Restartable:
    """A plant whose PostgreSQL is its own, and the ways to it on which commits may be lost: the API's and workers'."""

    plant: WorkerPlant
    postgres: PostgresEngine
    way: LostCommits
    workers_way: LostCommits


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_restartable(
    vendors: Landscape, run_dir: Path, tmp_path_factory: pytest.TempPathFactory, seed: int
) -> AsyncIterator[Restartable]:
    """The tiers on a database server that the ERP does not use."""
    postgres = PostgresEngine(run_dir / "restartable", durable=False).start()
    try:
        postgres.create_database("quoteway")
        url = postgres.url("quoteway")
        await asyncio.to_thread(migrate, url)
        async with losing_commits(url, seed) as way, losing_commits(url, seed) as workers_way:
            folder = tmp_path_factory.mktemp("restartable")
            async with running_plant(vendors, folder, url, way_url=way.url) as plant:
                yield Restartable(plant, postgres, way, workers_way)
    finally:
        postgres.destroy()


@pytest.fixture
def restartable(shared_restartable: Restartable) -> Iterator[Restartable]:
    """For one test."""
    shared_restartable.plant.ordering.acknowledged.clear()
    yield shared_restartable
    for way in (shared_restartable.way, shared_restartable.workers_way):
        way.lose(0.0)
    shared_restartable.plant.processes.close()


async def submit_stubbornly(plant: WorkerPlant, quote_id: str) -> str:
    """As a client should: the same key again until an answer says what became of it."""
    key = uuid.uuid4().hex
    async with asyncio.timeout(HANG_S):
        while True:
            answer = await plant.ordering.sales.submit(quote_id, key)
            if answer.status_code == 202:
                return str(answer.json()["orderId"])
            assert answer.status_code in {409, 503}, answer.text
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("crash", [False, True], ids=["restarted", "killed"])
async def test_row_17_postgresql_restarts_in_the_middle(restartable: Restartable, crash: bool) -> None:
    plant, postgres = restartable.plant, restartable.postgres
    await plant.start_worker()
    quotes = [plant.ordering.quote(SENSOR, MONTHLY) for _ in range(4)]
    order_ids = list(await asyncio.gather(*(submit_stubbornly(plant, quote_id) for quote_id in quotes[:2])))
    late = [asyncio.create_task(submit_stubbornly(plant, quote_id)) for quote_id in quotes[2:]]

    begun = "SELECT FROM quoteway.flow_steps WHERE step = 'book_erp_order' AND flow_id LIKE ANY(%s)"
    await until(lambda: bool(plant.rows(begun, [f"%{order_id}" for order_id in order_ids])))
    if crash:
        await asyncio.to_thread(postgres.kill)
    await asyncio.to_thread(postgres.restart)

    order_ids += await asyncio.gather(*late)
    assert await plant.end(order_ids) == ["booked"] * 4
    assert plant.findings().violations == []


async def test_row_17_a_commit_whose_answer_is_lost_is_read_again_by_key(restartable: Restartable) -> None:
    plant, way = restartable.plant, restartable.way
    quote_id, key = plant.ordering.quote(SENSOR, MONTHLY), uuid.uuid4().hex
    await plant.start_worker()

    way.lose(times=1, of=TAKING_IN)
    lost = await plant.ordering.sales.submit(quote_id, key)
    again = await plant.ordering.sales.submit(quote_id, key)

    assert (lost.status_code, way.lost) == (503, 1)
    assert again.status_code == 202, again.text
    assert again.json()["replayed"] is True
    assert await plant.end([again.json()["orderId"]]) == ["booked"]
    assert plant.rows("SELECT count(*) FROM quoteway.orders WHERE quote_id = %s", quote_id) == [{"count": 1}]
    assert plant.findings().violations == []


async def test_row_17_a_worker_that_does_not_hear_of_some_commits(restartable: Restartable) -> None:
    plant, way = restartable.plant, restartable.workers_way
    await plant.start_worker(database_url=way.url, step_attempts_max=12)
    before = way.lost
    way.lose(0.2, times=6)

    quotes = [plant.ordering.quote(SENSOR, MONTHLY) for _ in range(3)]
    order_ids = await asyncio.gather(*(submit_stubbornly(plant, quote_id) for quote_id in quotes))

    assert await plant.end(order_ids) == ["booked"] * 3
    assert way.lost == before + 6
    assert plant.findings().violations == []


async def take_out_unheard(restartable: Restartable, *, without: str = "") -> list[str]:
    """A worker takes an order out of the queue, and does not hear that it has."""
    plant, way = restartable.plant, restartable.workers_way
    # Taken over since its lease has run out on a busy machine, a flow would be looked after by another guard.
    lease_s = LONG_LEASE_S if without else LEASE_S
    await plant.start_worker(database_url=way.url, without=without, lease_s=lease_s)
    before = way.lost
    way.lose(times=1, of=b"recovery_attempts=")
    order_ids = await plant.submit()

    await until(lambda: way.lost > before)
    return order_ids


async def test_row_17_a_flow_taken_out_by_a_commit_that_nobody_heard_of_is_taken_up_again(
    restartable: Restartable,
) -> None:
    order_ids = await take_out_unheard(restartable)

    assert await restartable.plant.end(order_ids) == ["booked"]
    assert restartable.plant.findings().violations == []


async def test_row_17_mutation_who_does_not_look_what_is_its_own_leaves_it_lying(restartable: Restartable) -> None:
    order_ids = await take_out_unheard(restartable, without="attention")

    with pytest.raises(TimeoutError):
        await restartable.plant.end(order_ids, 8 * LEASE_S)
    # Not left to the worker of whatever test comes next. For as long as the one that holds the flow lives, nobody else
    # may take it.
    restartable.plant.processes.close()
    ended = "UPDATE quoteway.executors SET expires_at = now() RETURNING executor_id"
    assert restartable.plant.rows(ended), "its long lease is over"
    await restartable.plant.start_worker()
    assert await restartable.plant.end(order_ids) == ["booked"]


async def free(*_: Any) -> None:
    """Instead of a guard: nothing is known."""


async def orders_after_a_lost_commit(restartable: Restartable, monkeypatch: pytest.MonkeyPatch, *guards: str) -> int:
    """How many orders a submission and its repeat make, where the first commit's answer is lost.

    `guards` are those that are on: "key" is the idempotency key, "quote" the business key (the look for the order of
    the quote's revision, and the index that makes sure when two look at once).
    """
    plant, way = restartable.plant, restartable.way
    quote_id, key = plant.ordering.quote(SENSOR, MONTHLY), uuid.uuid4().hex
    with ExitStack() as off:
        if "key" not in guards:
            monkeypatch.setattr("process_api.orders.intake.claim_key", free)
            monkeypatch.setattr("process_api.orders.intake.is_claimed", free)
        if "quote" not in guards:
            monkeypatch.setattr("process_api.orders.intake.OrderIntake._known_order", free)
            off.enter_context(business_key_off(plant.database_url))
        way.lose(times=1, of=TAKING_IN)
        await plant.ordering.sales.submit(quote_id, key)
        await plant.ordering.sales.submit(quote_id, key)
        counted = plant.rows("SELECT count(*) FROM quoteway.orders WHERE quote_id = %s", quote_id)
    return int(counted[0]["count"])


@pytest.mark.parametrize("guard", ["key", "quote"])
async def test_row_17_after_a_lost_commit_either_key_alone_is_enough(
    restartable: Restartable, monkeypatch: pytest.MonkeyPatch, guard: str
) -> None:
    assert await orders_after_a_lost_commit(restartable, monkeypatch, guard) == 1


async def test_row_17_mutation_without_either_key_a_lost_commit_becomes_two_orders(
    restartable: Restartable, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await orders_after_a_lost_commit(restartable, monkeypatch) == 2
