"""Measures orders that wait for a worker, the same number of bare workflows, and a worker with nothing to do.

Flows are submitted while the worker is stopped by a signal, so that only its own work is measured, and not the intake.
"""

import asyncio
import os
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from sandbox.engines.postgres import PostgresEngine
from sandbox.faults.customers import Customers
from sandbox.faults.quotes import make_accounts, make_quotes
from sandbox.landscape.landscape import Landscape
from sandbox.processes.process import ProcessError, RunningProcess, start_process
from sandbox.processes.progress import Progress
from tests.benchmarks.orders.meter import Meter, Reading, rows_and_bytes
from tests.benchmarks.peer_programs import PEERS, ROOT

# A worker that is stopped for as long as orders are submitted must not be taken for dead.
SETTINGS = {"QUOTEWAY_LOG_LEVEL": "ERROR", "QUOTEWAY_LEASE_S": "300", "QUOTEWAY_STEP_BACKOFF_S": "0.2"}
_WITHIN_S = 600.0
_POLL_S = 0.25
_ENQUEUE = """
SELECT dbos.enqueue_workflow(
    workflow_name => 'bare_flow', queue_name => 'bare', workflow_id => 'bare-' || gen_random_uuid(),
    app_version => '1', application_name => 'bare',
    positional_args => ARRAY[to_json('bare'::text)])
FROM generate_series(1, %s)
"""
_BARE_LEFT = "SELECT count(*) FROM dbos.workflow_status WHERE status IN ('ENQUEUED', 'PENDING')"
_ORDERS_LEFT = "SELECT count(*) FROM quoteway.flows WHERE finished_at IS NULL AND status <> 'parked'"


@dataclass(frozen=True)
class Drained:
    """One batch that was worked on: each flow's CPU and transactions, and how many ended in a second."""

    worker_ms: float
    postgres_ms: float
    transactions: float
    per_s: float

    @property
    def cpu_ms(self) -> float:
        """Worker and PostgreSQL together."""
        return self.worker_ms + self.postgres_ms


@dataclass(frozen=True)
class Idle:
    """A worker with nothing to do: its share of a core, PostgreSQL's for it, and transactions a second."""

    worker_percent: float
    postgres_percent: float
    transactions_per_s: float


@dataclass
class Side:
    """One of the two that take turns: how to submit a batch to it, and how many of it are left."""

    name: str
    process: RunningProcess
    meter: Meter
    left: str
    batches: list[Drained] = field(default_factory=list)

    def drain(self, submit: Iterator[None], count: int) -> Drained:
        """Have a batch submitted while the process is stopped, let it go on, and measure until nothing is left."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            next(submit)
            before = self.meter.read()
        finally:
            os.kill(self.process.pid, signal.SIGCONT)
        began = time.monotonic()
        with psycopg.connect(self.meter.database_url, autocommit=True) as connection:
            while _number(connection, self.left):
                if time.monotonic() - began > _WITHIN_S:
                    raise ProcessError(f"{self.name} has not ended {count} flows within {_WITHIN_S:g} s")
                time.sleep(_POLL_S)
        took_s = time.monotonic() - began
        used = self.meter.read().since(before)
        drained = Drained(used.process_ms / count, used.postgres_ms / count, used.transactions / count, count / took_s)
        self.batches.append(drained)
        return drained

    def median(self, figure: str) -> float:
        """The median batch's figure; the first batch, which warms everything up, is not counted."""
        return statistics.median(float(getattr(batch, figure)) for batch in self.batches[1:])


@dataclass
class Bench:
    """Both sides, and what an order leaves. `accounts_max`: the accounts that the orders are dealt out to."""

    landscape: Landscape
    ours: Side
    bare: Side
    accounts_max: int
    accounts: list[str] = field(default_factory=list)
    rows: dict[str, tuple[float, float]] = field(default_factory=dict)

    def run(self, orders: int, rounds: int, progress: Progress) -> None:
        """Warm both up, and then measure them in turn."""
        for number in range(rounds + 1):
            count = orders
            with progress.step(f"Round {number} of {rounds}: {count} orders, and as many bare workflows"):
                before = rows_and_bytes(self.ours.meter.database_url)
                self.ours.drain(self._submit_orders(count), count)
                after = rows_and_bytes(self.ours.meter.database_url)
                self.bare.drain(self._submit_bare(count), count)
        self.rows = {
            table: ((after[table][0] - before[table][0]) / count, (after[table][1] - before[table][1]) / count)
            for table in after
            if after[table] != before[table]
        }

    def idle(self, seconds: float) -> Idle:
        """What the worker takes while nothing waits, beside what the landscape takes while the worker is stopped."""
        with _stopped(self.ours.process):
            without = self._over(seconds)
        _ = self._over(seconds / 3)  # let it catch up
        used = self._over(seconds)
        return Idle(
            used.process_ms / used.at / 10,
            max(0.0, used.postgres_ms / used.at - without.postgres_ms / without.at) / 10,
            max(0.0, used.transactions / used.at - without.transactions / without.at),
        )

    def _over(self, seconds: float) -> Reading:
        before = self.ours.meter.read()
        time.sleep(seconds)
        return self.ours.meter.read().since(before)

    def _submit_orders(self, count: int) -> Iterator[None]:
        if len(self.accounts) < min(count, self.accounts_max):
            self.accounts = make_accounts(self.landscape, min(count, self.accounts_max), "Bench")
        asyncio.run(_submit(self.landscape, make_quotes(self.landscape, self.accounts, count)))
        yield

    def _submit_bare(self, count: int) -> Iterator[None]:
        with psycopg.connect(self.bare.meter.database_url) as connection:
            connection.execute(_ENQUEUE, [count])
        yield


async def _submit(landscape: Landscape, quotes: list[str]) -> None:
    places = asyncio.Semaphore(8)

    async def one(customers: Customers, quote_id: str) -> None:
        async with places:
            await customers.submit(quote_id, f"bench-{quote_id}")

    async with Customers(landscape, _WITHIN_S) as customers:
        await asyncio.gather(*(one(customers, quote_id) for quote_id in quotes))


def prepare(landscape: Landscape, stack: ExitStack, folder: Path, accounts: int) -> Bench:
    """Start the bare side beside a landscape that runs."""
    postgres = landscape.postgres
    if not isinstance(postgres, PostgresEngine):
        raise ProcessError("PostgreSQL's own CPU can only be read where it is started here: unset its external address")
    postmaster = int((postgres.data_dir / "postmaster.pid").read_text().split()[0])
    postgres.create_database("bare")
    url = postgres.url("bare")
    bare = start_process(
        "The bare workflows",
        [sys.executable, str(PEERS / "bare_flows.py"), url],
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        log_path=folder / "bare-flows.log",
        ready="json line",
        timeout_s=60,
        cwd=ROOT,
    )
    stack.callback(bare.stop)
    worker = landscape.processes["worker"]
    own_url = postgres.url(landscape.database)
    return Bench(
        landscape,
        Side("Quoteway", worker, Meter(worker.pid, own_url, postmaster), _ORDERS_LEFT),
        Side("bare DBOS", bare, Meter(bare.pid, url, postmaster), _BARE_LEFT),
        accounts,
    )


@contextmanager
def _stopped(process: RunningProcess) -> Iterator[None]:
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def _number(connection: psycopg.Connection[tuple[int]], query: str) -> int:
    [(number,)] = connection.execute(query.encode()).fetchall()
    return number
