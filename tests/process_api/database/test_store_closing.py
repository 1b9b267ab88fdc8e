"""A store that is closed while somebody is at work with it."""

import asyncio

import pytest
from sqlalchemy import text

import process_api.database.store
from process_api.database.store import Store
from sandbox.engines.postgres import PostgresEngine
from tests.patience import HANG_S

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def database_url(postgres: PostgresEngine) -> str:
    """A database without tables."""
    postgres.create_database("closed_stores")
    return postgres.url("closed_stores")


async def test_a_transaction_under_way_is_waited_for(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_api.database.store, "_CLOSED_WITHIN_S", HANG_S)
    store, begun, order = Store(database_url), asyncio.Event(), []

    async def work() -> None:
        async with store.engine.begin() as connection:
            begun.set()
            await connection.execute(text("SELECT pg_sleep(0.2)"))
            order.append("worked")

    working = asyncio.create_task(work())
    await begun.wait()
    await store.close()
    order.append("closed")
    await working

    assert order == ["worked", "closed"]
