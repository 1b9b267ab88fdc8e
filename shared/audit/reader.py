"""Reads the log for signing and verifying, in one consistent snapshot while it grows."""

from collections.abc import Iterator
from typing import Self

import psycopg

from shared.audit.chain import Head, Row
from shared.audit.cut import Cut
from shared.audit.log import READER_ROLE, SCHEMA

_AT_A_TIME = 5000


class AuditReader:
    """A read-only transaction on the log, for `with`. Raises psycopg.Error if the database does not answer."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._connection: psycopg.Connection

    def __enter__(self) -> Self:
        self._connection = psycopg.connect(
            self._url, connect_timeout=5, options=f"-c role={READER_ROLE}", application_name="audit reader"
        )
        self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        self._connection.read_only = True
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()

    def heads(self) -> dict[str, Head]:
        """Return the head of every tenant's log."""
        found = self._connection.execute(f"SELECT tenant, size, chain_hash FROM {SCHEMA}.heads")  # noqa: S608 a constant
        return {tenant: Head(size, bytes(chain_hash)) for tenant, size, chain_hash in found}

    def cuts(self) -> dict[str, Cut]:
        """Return where each log that was cut starts."""
        found = self._connection.execute(
            "SELECT DISTINCT ON (tenant) tenant, size, edge, chain_hash, checkpoint"  # noqa: S608 a constant
            f" FROM {SCHEMA}.cuts ORDER BY tenant, size DESC"
        )
        return {
            tenant: Cut(size, tuple(bytes(each) for each in edge), bytes(chain_hash), checkpoint)
            for tenant, size, edge, chain_hash, checkpoint in found
        }

    def last_older_than(self, tenant: str, days: int) -> int:
        """Return the sequence of a log's last entry older than `days`, by the database's clock; 0 if there is none."""
        found = self._connection.execute(
            # Entries of one log are recorded in order: the last old one stands just before the first young one.
            f"SELECT coalesce((SELECT sequence - 1 FROM {SCHEMA}.entries WHERE tenant = %(tenant)s"  # noqa: S608 a constant
            "  AND recorded_at >= now() - make_interval(days => %(days)s) ORDER BY sequence LIMIT 1),"
            f" (SELECT size FROM {SCHEMA}.heads WHERE tenant = %(tenant)s), 0)",
            {"tenant": tenant, "days": days},
        ).fetchone()
        return int(found[0]) if found else 0

    def tenants(self) -> list[str]:
        """Return every tenant that has entries or a head."""
        found = self._connection.execute(
            f"SELECT tenant FROM {SCHEMA}.heads UNION SELECT DISTINCT tenant FROM {SCHEMA}.entries"  # noqa: S608 constants
        )
        return sorted(tenant for (tenant,) in found)

    def rows(self, tenant: str, after: int = 0) -> Iterator[Row]:
        """Yield the entries after a position, in order."""
        with self._connection.cursor(name="audit_rows") as cursor:
            cursor.itersize = _AT_A_TIME
            cursor.execute(
                f"SELECT sequence, recorded_at, entry, leaf_hash, chain_hash FROM {SCHEMA}.entries"  # noqa: S608 a constant
                " WHERE tenant = %s AND sequence > %s ORDER BY sequence",
                (tenant, after),
            )
            for sequence, recorded_at, text, leaf, chain_hash in cursor:
                yield Row(sequence, recorded_at, text, bytes(leaf), bytes(chain_hash))
