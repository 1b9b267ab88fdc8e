"""Sends statements of the hot path by the driver itself, inside a transaction that SQLAlchemy keeps.

A statement costs 0.1 ms of CPU so, and 0.35 ms by SQLAlchemy, which looks up its text, enters a greenlet and wraps
each row (docs/decisions/0093). So what every step of every flow does is written as SQL; all else stays as it is.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy.ext.asyncio import AsyncConnection


async def run(connection: AsyncConnection, sql: str, **values: Any) -> None:
    """Run a statement whose rows nobody asks for. Raises psycopg.Error, which `Store` turns into Unavailable."""
    await driver_of(connection).execute(sql.encode(), values)


async def fetch(connection: AsyncConnection, sql: str, **values: Any) -> Sequence[Any]:
    """Return the rows of a statement, each with its columns as attributes."""
    async with driver_of(connection).cursor(row_factory=namedtuple_row) as cursor:
        await cursor.execute(sql.encode(), values)
        return await cursor.fetchall()


def driver_of(connection: AsyncConnection) -> psycopg.AsyncConnection[Any]:
    """Return the driver's own connection."""
    sync_connection: Any = connection.sync_connection
    driver: psycopg.AsyncConnection[Any] = sync_connection.connection.driver_connection
    return driver
