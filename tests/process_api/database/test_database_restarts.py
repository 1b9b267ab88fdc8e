"""PostgreSQL restarts, and Redis goes, in the middle of orders (docs/failures.md, rows 16 and 17)."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.store import Store
from process_api.orders.intake import Accepted, OrderIntake
from process_api.settings import ProcessSettings
from sandbox.engines.postgres import PostgresEngine, RedisEngine
from sandbox.processes.process import RunningProcess
from shared.problem import Unavailable
from tests.patience import HANG_S, until
from tests.process_api.conftest import Process
from tests.process_api.system_server import running_system
from tests.process_api.system_stand_in import mixed_quote
from tests.process_api.workers.worker_processes import Plant, running_plant

pytestmark = pytest.mark.servers
ORDERS = 20


async def submit_stubbornly(plant: Plant, quote_id: str) -> str:
    """Submit as a client should: the same key again until there is an answer that says what became of it."""
    key = uuid.uuid4().hex
    async with asyncio.timeout(HANG_S):
        while True:
            answer = await plant.submit(key, quote_id)
            if answer.status_code == 202:
                return str(answer.json()["orderId"])
            assert answer.status_code in {409, 503}, answer.text
            await asyncio.sleep(0.2)


async def test_a_restart_of_postgresql_in_the_middle_of_orders_loses_none(
    process_settings: ProcessSettings, issuer: RunningProcess, tmp_path: Path
) -> None:
    with PostgresEngine(tmp_path / "postgres", durable=False) as postgres, running_system() as server:
        async with running_plant(process_settings, postgres, issuer, server, tmp_path) as plant:
            worker = await plant.start_worker()
            quotes = [mixed_quote() for _ in range(ORDERS)]
            server.system.more_quotes = quotes
            submissions = asyncio.gather(*(submit_stubbornly(plant, quote.quote_id) for quote in quotes))
            await until(lambda: server.system.calls.count("create_order") >= 2)
            await asyncio.to_thread(postgres.restart)

            order_ids = await submissions
            assert len(set(order_ids)) == ORDERS
            await plant.all_booked(order_ids)
            assert worker.is_running
            plant.assert_exactly_once(order_ids)
            await plant.assert_told_once(order_ids)


@asynccontextmanager
async def commit_answers_are_lost(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The transaction that takes an order in commits, and whoever committed it is told that the connection broke."""
    transaction, take_in = Store.transaction, OrderIntake._take_in

    @asynccontextmanager
    async def committed_and_lost(store: Store, tenant: str) -> AsyncIterator[AsyncConnection]:
        async with transaction(store, tenant) as connection:
            yield connection
        raise Unavailable("the database does not answer", vendor="postgresql")

    async def taken_in_and_lost(intake: OrderIntake, *arguments: Any) -> Accepted | None:
        with monkeypatch.context() as patch:
            patch.setattr(Store, "transaction", committed_and_lost)
            return await take_in(intake, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(OrderIntake, "_take_in", taken_in_and_lost)
        yield


async def lose_the_commits_answer(process: Process, monkeypatch: pytest.MonkeyPatch) -> tuple[httpx.Response, ...]:
    """One submission whose commit is not answered, and the same one again."""
    key = uuid.uuid4().hex
    async with commit_answers_are_lost(monkeypatch):
        lost = await process.submit(key)
    return lost, await process.submit(key)


async def test_a_commit_whose_answer_is_lost_is_read_again_by_its_key(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, again = await lose_the_commits_answer(process, monkeypatch)
    assert lost.status_code == 503
    assert lost.headers.get("content-type", "").startswith("application/problem+json")
    assert again.status_code == 202
    assert again.json()["replayed"] is True
    await process.ended(again.json()["orderId"])
    assert len(process.system.orders) == 1


async def test_redis_stopped_and_flushed_in_the_middle_of_orders_changes_nothing(
    process_settings: ProcessSettings, postgres: PostgresEngine, issuer: RunningProcess, tmp_path: Path
) -> None:
    with RedisEngine(tmp_path / "redis") as redis, running_system() as server:
        settings = msgspec.structs.replace(process_settings, redis_url=redis.url)
        async with running_plant(settings, postgres, issuer, server, tmp_path) as plant:
            await plant.start_worker()
            before = await plant.submitted(2)
            await asyncio.to_thread(redis.flush)
            await asyncio.to_thread(redis.stop)
            without = await plant.submitted(3)
            await plant.all_booked(before + without)
            await asyncio.to_thread(redis.start)
            after = await plant.submitted(1)
            await plant.all_booked(after)
            plant.assert_exactly_once(before + without + after)
            await plant.assert_told_once(before + without + after)
