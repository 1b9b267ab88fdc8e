"""A process API in this process, and workers in processes of their own that a test may kill, pause and stop."""

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
from sqlalchemy import text

from process_api.app import create_app
from process_api.database.store import Store
from process_api.migrate import migrate
from process_api.settings import ProcessSettings
from sandbox.engines.postgres import PostgresEngine
from sandbox.processes.process import RunningProcess, start_process
from shared.settings import variable
from tests.app_lifespan import asgi_transport, running_app
from tests.issuer_process import bearer
from tests.patience import HANG_S, until
from tests.process_api.system_server import SystemServer
from tests.process_api.system_stand_in import mixed_quote

ROOT = Path(__file__).resolve().parents[3]
ENDED = {"booked", "rejected", "compensated", "parked"}


@dataclass
class Plant:
    """A database of its own, a system API over a socket, the process API, and as many workers as a test starts."""

    settings: ProcessSettings
    server: SystemServer
    client: httpx.AsyncClient
    store: Store
    folder: Path
    processes: ExitStack = field(default_factory=ExitStack)

    async def start_worker(self, module: str = "process_api.worker", **settings: Any) -> RunningProcess:
        """Start a worker process; `settings` differ from the plant's own."""
        chosen = {**msgspec.to_builtins(self.settings), **settings}
        environment = {variable(name): str(value) for name, value in chosen.items()}
        worker = await asyncio.to_thread(
            start_process,
            "worker",
            [sys.executable, "-m", module],
            env={"PATH": os.environ["PATH"], **environment},
            log_path=self.folder / f"worker-{uuid.uuid4().hex[:6]}.log",
            ready="json line",
            timeout_s=HANG_S,
            cwd=ROOT,
            grace_s=HANG_S,  # on a busy machine one that is asked to stop is not killed for being slow
        )
        self.processes.callback(worker.kill)
        return worker

    async def submit(self, key: str | None = None, quote_id: str | None = None) -> httpx.Response:
        """Submit a fresh quote, or that one."""
        if quote_id is None:
            quote = mixed_quote()
            self.server.system.more_quotes.append(quote)
            quote_id = quote.quote_id
        return await self.client.post(
            "/v1/orders",
            json={"quoteId": quote_id, "quoteRevision": 1},
            headers={"Idempotency-Key": key or uuid.uuid4().hex},
        )

    async def submitted(self, count: int = 1) -> list[str]:
        """The ids of that many fresh orders."""
        return [(await self.submit()).json()["orderId"] for _ in range(count)]

    async def order(self, order_id: str) -> dict[str, Any]:
        """The order as it is now."""
        answer = await self.client.get(f"/v1/orders/{order_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def all_booked(self, order_ids: list[str], within_s: float = HANG_S) -> None:
        """Wait until all of them are booked. Raises TimeoutError."""

        async def booked() -> bool:
            states = {(await self.order(order_id))["status"] for order_id in order_ids}
            assert states & ENDED <= {"booked"}, states
            return states == {"booked"}

        await until(booked, within_s)

    async def held_back(self, count: int = 1) -> None:
        """Wait until the system API holds that many answers back."""
        await until(lambda: self.server.held >= count)

    async def is_alive(self, worker: RunningProcess) -> bool:
        """Whether the worker's lease, as the database has it, holds."""
        alive = "SELECT FROM quoteway.executors WHERE executor_id = :id AND expires_at > now()"
        return bool(await self.rows(alive, id=worker.ready["executorId"]))

    async def rows(self, query: str, **values: Any) -> list[Any]:
        """What the database says."""
        async with self.store.transaction_across_tenants() as connection:
            return list(await connection.execute(text(query), values))

    def pause(self, worker: RunningProcess) -> None:
        """Stop the worker in its tracks, as a machine that swaps or is moved would."""
        os.kill(worker.pid, signal.SIGSTOP)

    def wake(self, worker: RunningProcess) -> None:
        """Let it go on, as if no time had passed."""
        os.kill(worker.pid, signal.SIGCONT)

    def assert_exactly_once(self, order_ids: list[str]) -> None:
        """Every order is with every vendor, and none is twice: what the vendors' own journal says."""
        made = sorted(entry for entry in self.server.system.journal if entry[0] != "report")
        assert made == sorted(
            entry
            for order_id in order_ids
            for entry in [
                ("order.create", order_id),
                ("order.confirmed", order_id),
                ("subscription.create", f"{order_id}-month"),
                ("subscription.create", f"{order_id}-year"),
            ]
        )

    async def assert_told_once(self, order_ids: list[str]) -> None:
        """Each order's steps are on its timeline once, and its end is one event."""
        steps = "SELECT order_id, step FROM quoteway.order_timeline WHERE message NOT LIKE ALL('{Now %,Delayed.%}')"
        told = [tuple(row) for row in await self.rows(steps) if row.order_id in order_ids]
        assert len(told) == len(set(told)), sorted(told)
        events = "SELECT subject, type FROM quoteway.events"
        assert sorted(tuple(row) for row in await self.rows(events)) == sorted(
            (order_id, "order.booked") for order_id in order_ids
        )


@asynccontextmanager
async def running_plant(
    base: ProcessSettings,
    postgres: PostgresEngine,
    issuer: RunningProcess,
    server: SystemServer,
    folder: Path,
    prepare: Callable[[str], None] = migrate,
) -> AsyncIterator[Plant]:
    """A plant whose workers have a short lease. `prepare` makes its database from an empty one."""
    database = f"plant_{uuid.uuid4().hex[:8]}"
    postgres.create_database(database)
    await asyncio.to_thread(prepare, postgres.url(database))
    settings = msgspec.structs.replace(
        base, database_url=postgres.url(database), system_url=server.url, lease_s=3.0, step_attempts_max=8
    )
    app = create_app(settings)
    headers = await bearer(issuer, "experience-api", "quoteway-process", tenant="nordwind")
    store = Store(settings.database_url)
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://process.test", headers=headers) as client,
    ):
        plant = Plant(settings, server, client, store, folder)
        try:
            yield plant
        finally:
            await asyncio.to_thread(plant.processes.close)
            await store.close()
