"""The connection to PostgreSQL: one asynchronous engine per process, and short transactions.

A transaction sets its tenant, and PostgreSQL hides all other tenants' rows (`process_api.database.row_security`). Work
for all tenants at once uses a method of its own.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from select import POLLIN, poll
from typing import Any, Protocol, TypeVar

import psycopg
from sqlalchemy import text
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from process_api.database.direct import run
from process_api.database.row_security import APPLICATION_ROLE, EVERY_TENANT
from shared.problem import Unavailable

T = TypeVar("T")
EXPECTED_REVISION = "0021"
# Nothing of ours is in a transaction for as long as this, unless the database is away.
_CLOSED_WITHIN_S = 5.0
# The pause while the database is down; DBOS waits in the same way.
_AWAY_POLL_S = 1.0
_IDLE_TOO_LONG = "25P03"
_TENANT = re.compile(r"[a-z0-9-]{1,40}")
# A process that is paused or cut off in a transaction keeps its locks for at most this many seconds. Longer than the
# inbox waits for billing with a webhook locked (webhook_inbox._READ_WITHIN_S).
IDLE_TRANSACTION_S = 60.0
# One statement, so one round trip. The settings end with the transaction: a connection goes back to the pool clean.
_ACT_FOR = (
    f"SELECT set_config('role', '{APPLICATION_ROLE}', true), set_config('quoteway.tenant', %(tenant)s, true),"
    " set_config('idle_in_transaction_session_timeout', %(idle_ms)s, true)"
)
_MAY_ACT = text(
    f"SELECT pg_has_role('{APPLICATION_ROLE}',"
    " CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)"
)


def _refuse_closed(connection: Any, _record: Any, _borrowed: Any) -> None:
    """Have the pool replace a connection that the server has closed: nothing else comes on one that is not at work.

    The system knows that without asking the server, which would cost a round trip for each transaction.
    """
    driver, news = connection.driver_connection, poll()
    if not driver.closed:
        news.register(driver.fileno(), POLLIN)
    if driver.closed or news.poll(0):
        raise DisconnectionError("the server has closed this connection")


def sqlalchemy_url(database_url: str) -> str:
    """Return a `postgresql://` URL with this project's driver."""
    return database_url.replace("postgresql://", "postgresql+psycopg://", 1)


class Store:
    """The business state's database."""

    def __init__(
        self, database_url: str, *, connections_max: int = 20, idle_transaction_s: float = IDLE_TRANSACTION_S
    ) -> None:
        self._idle_ms = f"{round(idle_transaction_s * 1000)}ms"
        self.engine: AsyncEngine = create_async_engine(
            sqlalchemy_url(database_url),
            pool_size=connections_max,
            max_overflow=0,
            pool_use_lifo=True,  # few connections at work, and what these have prepared is used again
            hide_parameters=True,
            pool_timeout=5,
        )
        listen(self.engine.sync_engine, "checkout", _refuse_closed)

    @asynccontextmanager
    async def transaction(self, tenant: str) -> AsyncIterator[AsyncConnection]:
        """Open a transaction for one tenant, committed at the end of the block; other tenants' rows are hidden and
        cannot be written.

        Raises Unavailable if the database does not answer, ValueError for an invalid tenant name.
        """
        if not _TENANT.fullmatch(tenant):
            raise ValueError(f"{tenant!r} is no tenant's name")
        async with self._transaction(tenant) as connection:
            yield connection

    @asynccontextmanager
    async def transaction_across_tenants(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction for all tenants' rows: leases, relay, inbox, housekeeping. Never for a request."""
        async with self._transaction(EVERY_TENANT) as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, tenant: str) -> AsyncIterator[AsyncConnection]:
        try:
            async with self.engine.begin() as connection:
                await run(connection, _ACT_FOR, tenant=tenant, idle_ms=self._idle_ms)
                yield connection
        except (OperationalError, InterfaceError, PoolTimeoutError, TimeoutError) as error:
            raise Unavailable("the database does not answer", vendor="postgresql") from error
        except (DBAPIError, psycopg.Error) as error:
            said = error.orig if isinstance(error, DBAPIError) else error
            if getattr(said, "sqlstate", "") == _IDLE_TOO_LONG:
                raise Unavailable("the transaction was idle for too long", vendor="postgresql") from error
            if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
                raise Unavailable("the database does not answer", vendor="postgresql") from error
            raise

    async def ready(self) -> str | None:
        """Return None if the database answers and is migrated, else what is missing."""
        try:
            async with self.engine.connect() as connection:
                found: Any = await connection.scalar(text("SELECT version_num FROM quoteway.alembic_version"))
                may_act = await connection.scalar(_MAY_ACT)
        except DBAPIError as error:
            if "alembic_version" in str(error):
                return "the database is not migrated: run `python -m process_api.migrate`"
            return "the database does not answer"
        if found < EXPECTED_REVISION:
            return f"the database is at revision {found}, not {EXPECTED_REVISION}: run `python -m process_api.migrate`"
        if not may_act:
            return f"the database login may not act as {APPLICATION_ROLE}: GRANT {APPLICATION_ROLE} TO it"
        # A newer one means a deploy in progress: migrations only add, until every older process is gone.
        return None

    async def close(self) -> None:
        """Close the connections, busy ones once they are returned; that is waited for, but not forever."""
        pool: Any = self.engine.pool
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSED_WITHIN_S):
                while pool.checkedout():  # noqa: ASYNC110 the pool tells nobody
                    await asyncio.sleep(0.01)
        await self.engine.dispose()


class _Transactions(Protocol):
    def transaction(self, tenant: str) -> AbstractAsyncContextManager[AsyncConnection]: ...


async def when_available(store: _Transactions, tenant: str, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Run `work` in a transaction of the tenant and return its result; retry while the database is down.

    `work` may run more than once, also after a commit whose answer was lost: repeating it must change nothing.
    """
    while True:
        try:
            async with store.transaction(tenant) as connection:
                return await work(connection)
        except Unavailable:
            await asyncio.sleep(_AWAY_POLL_S)
