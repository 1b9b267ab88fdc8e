"""The log in PostgreSQL. It is written through one function, which hashes and chains; nobody may change an entry.

Every tier writes with a login of its own, which may call that function and nothing else (docs/decisions/0041): no tier
can read, let alone rewrite, what it has written.
"""

import asyncio
from collections.abc import Mapping, Sequence

import psycopg
from psycopg import AsyncConnection

from shared.problem import Unavailable

SCHEMA = "quoteway_audit"
WRITER_ROLE = "quoteway_audit_writer"
READER_ROLE = "quoteway_audit_reader"
CUTTER_ROLE = "quoteway_audit_cutter"
APPEND_TIMEOUT_S = 3.0
# Binary: in text form psycopg escapes every quote of every entry, which costs more than the rest of the statement.
_APPEND = f"SELECT {SCHEMA}.append(%s, %b::text[])"


class AuditLog:
    """One connection to the log, opened at first use and again after it was lost."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._connection: AsyncConnection | None = None

    async def append(self, entries: Mapping[str, Sequence[str]]) -> None:
        """Append entries (texts by tenant) in one transaction. When it returns, they are durable.

        Raises Unavailable if the log cannot be written. If only the answer was lost, the entries are there all the
        same: trying again can write an entry twice, but never loses one.
        """
        fresh = self._connection is None
        try:
            await self._append(entries)
        except Unavailable:
            if fresh:
                raise
            # A connection from before a restart of the database fails at its first use.
            await self._append(entries)

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _append(self, entries: Mapping[str, Sequence[str]]) -> None:
        try:
            async with asyncio.timeout(APPEND_TIMEOUT_S):
                connection = self._connection or await self._connect()
                # In the same order in every process, against deadlocks: each tenant's log is locked until the
                # transaction ends.
                async with connection.transaction(), connection.pipeline():
                    for tenant in sorted(entries):
                        await connection.execute(_APPEND, (tenant, list(entries[tenant])))
        except (psycopg.Error, OSError, TimeoutError) as error:
            await self._drop()
            raise Unavailable(
                "the audit log cannot be written", reason_code="audit_unavailable", vendor="postgresql"
            ) from error

    async def _connect(self) -> AsyncConnection:
        # Whatever else the login may do, this connection may only append.
        self._connection = await AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=3, options=f"-c role={WRITER_ROLE}", application_name="audit"
        )
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                async with asyncio.timeout(1.0):
                    await connection.close()
            except (psycopg.Error, OSError, TimeoutError):
                connection.pgconn.finish()
