"""A transaction in which nothing happens any more, as of a process that is paused, keeps its locks for a while only."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import text

from process_api.database.store import Store
from process_api.settings import ProcessSettings
from shared.problem import Unavailable
from tests.patience import HANG_S

pytestmark = pytest.mark.servers
_LOCK = text("SELECT pg_advisory_xact_lock(4711)")
_IDLE_S = 0.3


@pytest_asyncio.fixture
async def stores(process_settings: ProcessSettings) -> AsyncIterator[tuple[Store, Store]]:
    both = Store(process_settings.database_url, idle_transaction_s=_IDLE_S), Store(process_settings.database_url)
    yield both
    for store in both:
        await store.close()


async def test_a_transaction_that_is_idle_is_ended_and_its_locks_with_it(stores: tuple[Store, Store]) -> None:
    idle, other = stores

    async def pause_with_a_lock() -> None:
        async with idle.transaction("nordwind") as connection:
            await connection.execute(_LOCK)
            async with asyncio.timeout(HANG_S), other.transaction("nordwind") as another:
                await another.execute(_LOCK)
            await connection.execute(_LOCK)

    with pytest.raises(Unavailable, match="idle for too long"):
        await pause_with_a_lock()


async def test_a_connection_goes_back_without_that_limit(stores: tuple[Store, Store]) -> None:
    _, idle = stores
    async with idle.transaction("nordwind"):
        pass
    async with idle.engine.connect() as connection:
        limit = await connection.scalar(text("SHOW idle_in_transaction_session_timeout"))
    assert limit == "0"
