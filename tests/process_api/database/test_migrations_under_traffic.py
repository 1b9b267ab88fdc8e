"""A migration while the version before is at work: whoever writes goes on (docs/decisions/0052)."""

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy.exc import OperationalError

from process_api import migrate
from process_api.migrations import online
from sandbox.engines.postgres import PostgresEngine
from tests.patience import HANG_S

pytestmark = pytest.mark.servers
WRITE = (
    "INSERT INTO quoteway.flows (flow_id, tenant, kind, subject, status, correlation_id, requested_by) "
    "VALUES (%s, 't', 'test', 's', 'succeeded', 'c', 'test')"
)
BEFORE_THE_INDEXES, THE_INDEXES, WITH_A_COLUMN_MORE = "0009", "0010", "0012"


class Database:
    """A database that is to be migrated."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def at(self, revision: str) -> None:
        """Bring it there."""
        await asyncio.to_thread(migrate.upgrade, self.url, revision)

    async def connect(self) -> psycopg.AsyncConnection:
        """A connection of the version before."""
        return await psycopg.AsyncConnection.connect(self.url)

    async def write(self, within_s: float) -> None:
        """What a process of the version before does all the time. Raises QueryCanceled where it has to wait."""
        async with await self.connect() as connection:
            await connection.execute(f"SET statement_timeout = '{within_s:g}s'".encode())
            await connection.execute(WRITE, [uuid.uuid4().hex])

    async def waits_for_a_lock(self) -> None:
        """Wait until somebody waits for a lock, or, as a concurrent build does, for a transaction."""
        async with asyncio.timeout(HANG_S), await self.connect() as connection:
            await connection.set_autocommit(True)
            waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            while not await (await connection.execute(waiting)).fetchone():  # noqa: ASYNC110 the database tells nobody
                await asyncio.sleep(0.02)


@pytest_asyncio.fixture
async def database(postgres: PostgresEngine) -> AsyncIterator[Database]:
    name = f"migrated_{uuid.uuid4().hex[:8]}"
    await asyncio.to_thread(postgres.create_database, name)
    yield Database(postgres.url(name))


async def write_while_it_waits(database: Database, revision: str, within_s: float = HANG_S) -> None:
    """Migrate while a long transaction has written to the table, and write to it meanwhile."""
    async with await database.connect() as long:
        await long.execute(WRITE, [uuid.uuid4().hex])
        migrating = asyncio.create_task(database.at(revision))
        try:
            await database.waits_for_a_lock()
            await database.write(within_s)
            assert not migrating.done()
        finally:
            await long.rollback()
            await migrating


async def test_an_index_is_built_while_others_write(database: Database) -> None:
    await database.at(BEFORE_THE_INDEXES)

    await write_while_it_waits(database, THE_INDEXES)

    async with await database.connect() as connection:
        built = await connection.execute(
            "SELECT relname FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid "
            "WHERE relname IN ('ix_flows_unfinished', 'ix_orders_unended') AND indisvalid"
        )
        assert len(await built.fetchall()) == 2


async def test_a_lock_is_waited_for_briefly_and_asked_for_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online, "LOCK_TIMEOUT_S", 0.5)
    monkeypatch.setattr(migrate, "LOCK_PAUSE_S", 0.2)
    monkeypatch.setattr(migrate, "LOCK_ATTEMPTS_MAX", 10_000)  # it must not give up before the test has written
    await database.at(THE_INDEXES)

    await write_while_it_waits(database, WITH_A_COLUMN_MORE)


async def test_without_a_limit_they_would_all_wait_behind_the_migration(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online, "LOCK_TIMEOUT_S", 0)
    await database.at(THE_INDEXES)

    with pytest.raises(psycopg.errors.QueryCanceled):
        await write_while_it_waits(database, WITH_A_COLUMN_MORE, within_s=5)


async def test_a_table_that_is_never_free_ends_the_migration_with_nothing_half_done(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online, "LOCK_TIMEOUT_S", 0.1)
    monkeypatch.setattr(migrate, "LOCK_PAUSE_S", 0.0)
    monkeypatch.setattr(migrate, "LOCK_ATTEMPTS_MAX", 2)
    await database.at(THE_INDEXES)
    async with await database.connect() as long:
        await long.execute(WRITE, [uuid.uuid4().hex])
        with pytest.raises(OperationalError):
            await database.at(WITH_A_COLUMN_MORE)
        await long.rollback()

    await database.at(WITH_A_COLUMN_MORE)


async def test_migrations_beside_each_other_take_turns(database: Database) -> None:
    """As of replicas whose start each runs it first."""
    ends = await asyncio.gather(*(migration_process(database.url) for _ in range(3)))
    assert [code for code, _ in ends] == [0, 0, 0], ends


async def test_a_migration_waits_for_the_one_under_way_and_says_so(
    database: Database, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(migrate, "TURN_PAUSE_S", 0.05)
    async with await database.connect() as under_way:
        await under_way.set_autocommit(True)
        await under_way.execute("SELECT pg_advisory_lock(hashtext('quoteway.migrate'))")
        second = asyncio.create_task(asyncio.to_thread(migrate.migrate, database.url))
        said = ""
        async with asyncio.timeout(HANG_S):
            while "waiting for its end" not in said:
                await asyncio.sleep(0.05)
                said += capfd.readouterr().err
        assert not second.done()
    await second


async def migration_process(database_url: str) -> tuple[int | None, str]:
    """The exit code of one, and what it said to the operator."""
    environment = {**os.environ, "QUOTEWAY_DATABASE_URL": database_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "process_api.migrate", env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, said.decode()
