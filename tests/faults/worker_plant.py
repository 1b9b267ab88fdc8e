"""Workers in processes of their own, in front of the real vendors, which die where a test says."""

import asyncio
import os
import signal
import socket
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec
import psycopg
import uvicorn
from litestar import Litestar
from psycopg.rows import dict_row
from redis.asyncio import Redis

from process_api.outbox.event_delivery import stream_of
from process_api.settings import ProcessSettings
from sandbox.faults.ledger import Findings
from sandbox.landscape.connections_file import TENANT
from sandbox.landscape.landscape import Landscape
from sandbox.processes.ports import bind_free_port
from sandbox.processes.process import RunningProcess, start_process
from shared.settings import load_settings, variable
from tests.faults.doomed_worker import HOLD
from tests.faults.ordering import MONTHLY, SENSOR, Ordering
from tests.patience import HANG_S, until
from tests.running_tiers import ENDED, running_callers, system_app

ROOT = Path(__file__).resolve().parents[2]
# So short that the living soon notice a death. On a busy machine the living may lose it too: where nobody may, a test
# asks for LONG_LEASE_S.
LEASE_S = 2.0


@dataclass
class WorkerPlant:
    """The tiers in this process, the workers in their own. `database_url`: where Quoteway keeps its state."""

    ordering: Ordering
    database_url: str
    settings: ProcessSettings
    folder: Path
    processes: ExitStack = field(default_factory=ExitStack)
    marker: Path = Path()

    async def start_worker(
        self,
        *,
        point: str = "",
        fatal: signal.Signals | None = signal.SIGKILL,
        again: bool = False,
        without: str = "",
        clock_s: float = 0.0,
        **settings: Any,
    ) -> RunningProcess:
        """Start a worker; `settings` differ from the plant's own, the rest is explained in doomed_worker.py.

        `fatal` None: it is held at its point.
        """
        chosen = {**msgspec.to_builtins(self.settings), **settings}
        environment = {variable(name): str(value) for name, value in chosen.items()}
        if point:
            self.marker = self.folder / f"reached-{uuid.uuid4().hex[:6]}"
            environment |= {"QUOTEWAY_TEST_POINT": point, "QUOTEWAY_TEST_SIGNAL": fatal.name if fatal else HOLD}
            environment["QUOTEWAY_TEST_MARKER"] = str(self.marker)
        if again:
            environment["QUOTEWAY_TEST_AGAIN"] = "1"
        if without:
            environment["QUOTEWAY_TEST_WITHOUT"] = without
        if clock_s:
            environment["QUOTEWAY_TEST_CLOCK_S"] = str(clock_s)
        worker = await asyncio.to_thread(
            start_process,
            "worker",
            [sys.executable, "-m", f"tests.faults.{'skewed' if clock_s else 'doomed'}_worker"],
            env={"PATH": os.environ["PATH"], **environment},
            log_path=self.folder / f"worker-{uuid.uuid4().hex[:6]}.log",
            ready="json line",
            timeout_s=HANG_S,
            cwd=ROOT,
        )
        self.processes.callback(worker.kill)
        return worker

    def wake(self, worker: RunningProcess) -> None:
        """Let a paused worker go on, as if no time had passed."""
        os.kill(worker.pid, signal.SIGCONT)

    async def submit(self, count: int = 1, account: str = "acme") -> list[str]:
        """Submit that many new quotes of a one-off and a monthly line."""
        answers = [
            await self.ordering.sales.submit(self.ordering.quote(SENSOR, MONTHLY, account=account))
            for _ in range(count)
        ]
        return [str(answer.json()["orderId"]) for answer in answers]

    async def point_reached(self) -> None:
        """Wait until the last worker has come to its point."""
        await until(self.marker.exists)

    def go_on(self) -> None:
        """Let the worker go on that is held at its point."""
        self.marker.with_suffix(".go").touch()

    async def execution_ended(self) -> None:
        """Wait until the execution of the flow that came to the point has ended, or has been laid aside."""
        await until(self.marker.with_suffix(".left").exists)

    async def beaten(self, worker: RunningProcess, times: int) -> None:
        """Wait until a worker has renewed its lease so often; each time, and once less, it then looks who is dead."""
        seen: set[Any] = set()

        def so() -> bool:
            query = "SELECT expires_at FROM quoteway.executors WHERE executor_id = %s"
            seen.update(row["expires_at"] for row in self.rows(query, worker.ready["executorId"]))
            return len(seen) > times

        await until(so)

    async def end(self, order_ids: list[str], within_s: float = HANG_S) -> list[str]:
        """Wait for the orders' ends, and count them as acknowledged. Raises TimeoutError. Returns their statuses."""

        async def ended() -> bool:
            orders = [await self.ordering.sales.order(order_id) for order_id in order_ids]
            if not all(order["status"] in ENDED for order in orders):
                return False
            for order in orders:
                self.ordering.remember(order, SENSOR, MONTHLY)
            return True

        await until(ended, within_s)
        return [order.status for order in self.ordering.acknowledged]

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What Quoteway's database says."""
        with psycopg.connect(self.database_url, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def findings(self) -> Findings:
        """What is wrong with the acknowledged orders, by what the vendors hold and the events say."""
        events: dict[str, list[str]] = {}
        for row in self.rows("SELECT subject, type FROM quoteway.events ORDER BY subject, sequence"):
            events.setdefault(row["subject"], []).append(row["type"])
        return self.ordering.findings(events)

    def told_twice(self, order_id: str) -> list[str]:
        """The steps that are on an order's timeline more than once."""
        query = (
            "SELECT step FROM quoteway.order_timeline WHERE order_id = %s"
            " AND message NOT LIKE 'Now %%' AND message NOT LIKE 'Delayed.%%'"
        )
        steps = [row["step"] for row in self.rows(query, order_id)]
        return sorted({step for step in steps if steps.count(step) > 1})

    async def published(self, order_id: str) -> list[str]:
        """The ids of an order's events, as a consumer of the tenant's stream reads them."""
        redis = Redis.from_url(self.settings.redis_url)
        try:
            entries: Any = await redis.xrange(stream_of(TENANT))
        finally:
            await redis.aclose()
        found = [msgspec.json.decode(fields[b"event"]) for _id, fields in entries]
        return [event["id"] for event in found if event["subject"] == order_id]

    def committed(self, order_id: str) -> list[str]:
        """The ids of an order's events in the database."""
        return [
            str(row["event_id"])
            for row in self.rows("SELECT event_id FROM quoteway.events WHERE subject = %s", order_id)
        ]


@asynccontextmanager
async def running_plant(
    vendors: Landscape, folder: Path, url: str, *, way_url: str | None = None
) -> AsyncIterator[WorkerPlant]:
    """A plant without workers, on that database. `way_url`: how the process API comes to it, if otherwise."""
    with _served(system_app(vendors)) as system_url:
        environment = {**vendors.settings("process"), "QUOTEWAY_SYSTEM_URL": system_url}
        settings = replace_settings(
            load_settings(ProcessSettings, environment), database_url=url, lease_s=LEASE_S, event_poll_s=0.1
        )
        callers = replace_settings(settings, database_url=way_url or url)
        async with running_callers(vendors, callers) as sales:
            plant = WorkerPlant(Ordering(sales), url, settings, folder)
            try:
                yield plant
            finally:
                await asyncio.to_thread(plant.processes.close)


def replace_settings(settings: ProcessSettings, **changes: Any) -> ProcessSettings:
    """The settings with these changes."""
    return msgspec.structs.replace(settings, **changes)


@contextmanager
def _served(app: Litestar) -> Iterator[str]:
    """The app on a free port of the loopback interface, in a thread of this process, so that a test can change it."""
    with socket.socket() as listener:
        bind_free_port(listener)
        config = uvicorn.Config(cast("Any", app), log_config=None, access_log=False, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
