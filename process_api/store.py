"""The connection to PostgreSQL: one asynchronous engine a process, and transactions that are short."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.problem import Unavailable

EXPECTED_REVISION = "0003"


def sqlalchemy_url(database_url: str) -> str:
    """A `postgresql://` address, for the driver this project uses."""
    return database_url.replace("postgresql://", "postgresql+psycopg://", 1)


class Store:
    """The business state's database."""

    def __init__(self, database_url: str, *, connections_max: int = 20) -> None:
        self.engine: AsyncEngine = create_async_engine(
            sqlalchemy_url(database_url),
            pool_size=connections_max,
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,
            pool_timeout=5,
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that commits at the end of the block. Raises Unavailable where the database does not answer."""
        try:
            async with self.engine.begin() as connection:
                yield connection
        except (OperationalError, InterfaceError, PoolTimeoutError, TimeoutError) as error:
            raise Unavailable("the database does not answer", vendor="postgresql") from error

    async def ready(self) -> str | None:
        """None if the database answers and is migrated, else what is missing."""
        try:
            async with self.engine.connect() as connection:
                found: Any = await connection.scalar(text("SELECT version_num FROM quoteway.alembic_version"))
        except DBAPIError as error:
            if "alembic_version" in str(error):
                return "the database is not migrated: run `python -m process_api.migrate`"
            return "the database does not answer"
        if found < EXPECTED_REVISION:
            return f"the database is at revision {found}, not {EXPECTED_REVISION}: run `python -m process_api.migrate`"
        # A newer one is a deploy under way: migrations only add, until every older process is gone.
        return None

    async def close(self) -> None:
        """Close the connections."""
        await self.engine.dispose()
