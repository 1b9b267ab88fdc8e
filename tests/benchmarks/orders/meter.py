"""CPU of processes, transactions and rows of a database: read before and after, and subtracted."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
_SETTLED_S = 1.5  # PostgreSQL's backends tell their counters once a second at most
_TABLES = """
SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
WHERE table_schema IN ('quoteway', 'quoteway_audit', 'dbos') AND table_type = 'BASE TABLE' ORDER BY 1
"""


@dataclass(frozen=True)
class Reading:
    """What has been used so far: CPU of the one process and of PostgreSQL in ms, transactions, and when it was read."""

    process_ms: float
    postgres_ms: float
    transactions: int
    at: float

    def since(self, before: "Reading") -> "Reading":
        """What was used between two readings."""
        return Reading(
            self.process_ms - before.process_ms,
            self.postgres_ms - before.postgres_ms,
            self.transactions - before.transactions,
            self.at - before.at,
        )


@dataclass(frozen=True)
class Meter:
    """Reads one process and the PostgreSQL that it works on."""

    pid: int
    database_url: str
    postmaster_pid: int

    def read(self) -> Reading:
        """Read everything now, once the counters have been told."""
        at, process, postgres = time.monotonic(), _of(self.pid), self._postgres_ms()
        time.sleep(_SETTLED_S)
        with psycopg.connect(self.database_url) as connection:
            [(number,)] = connection.execute(
                "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
            ).fetchall()
        return Reading(process, postgres, number, at)

    def _postgres_ms(self) -> float:
        """All of PostgreSQL: a backend that has ended is counted with the postmaster, which has waited for it."""
        tasks = Path(f"/proc/{self.postmaster_pid}/task/{self.postmaster_pid}/children").read_text().split()
        return _of(self.postmaster_pid, ended_children=True) + sum(_of(int(pid)) for pid in tasks)


def rows_and_bytes(database_url: str) -> dict[str, tuple[int, int]]:
    """How many rows each table has, and how many bytes these have without their indexes."""
    with psycopg.connect(database_url) as connection:
        tables = [name for (name,) in connection.execute(_TABLES).fetchall()]
        query = " UNION ALL ".join(
            f"SELECT '{table}', count(*), coalesce(sum(pg_column_size(t.*)), 0) FROM {table} AS t" for table in tables
        )
        return {table: (rows, int(size)) for table, rows, size in connection.execute(query.encode()).fetchall()}


def _of(pid: int, *, ended_children: bool = False) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0  # a backend that has just ended
    counted = fields[11:15] if ended_children else fields[11:13]
    return sum(int(ticks) for ticks in counted) * _TICK_MS
