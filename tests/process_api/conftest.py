"""The process tier on a real PostgreSQL, with DBOS running its flows, and the system tier at the HTTP boundary."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar
from sqlalchemy import text

from process_api.app import create_app
from process_api.engine import worker_lease
from process_api.engine.saga import Saga
from process_api.migrate import migrate
from process_api.orders.submission import ORDER_SUBMISSION
from process_api.settings import ProcessSettings
from process_api.worker import Worker
from sandbox.engines.postgres import PostgresEngine, RedisEngine
from sandbox.processes.process import RunningProcess
from shared.identity import token_keys
from tests.app_lifespan import asgi_transport, running_app
from tests.issuer_process import bearer, client_secret_file, start_issuer
from tests.patience import HANG_S, LONG_LEASE_S
from tests.process_api.audit.audit_logs import Log
from tests.process_api.inbox.billing_webhooks import Billing
from tests.process_api.outbox.outbox import Outbox
from tests.process_api.system_stand_in import SystemStandIn
from tests.worker_here import start_worker

ENDED = {"booked", "rejected", "compensated", "parked"}
LEGAL_ENTITIES = """
[[legal_entity]]
tenant = "nordwind"
code = "NW-DE"
timezone = "Europe/Berlin"
currency = "EUR"
shipping_sku = "SHIPPING"
rounding_sku = "ROUNDING"
[legal_entity.payment_terms]
"Net 14" = { erp = "14 days net", days = 14 }
"""


class Switch(httpx.AsyncBaseTransport):
    """A way to whichever stand-in the present test has set up: the worker lives longer than a test."""

    def __init__(self) -> None:
        self.system = SystemStandIn()
        self._held: dict[str, asyncio.Event] = {}

    def hold(self, path_part: str) -> asyncio.Event:
        """Hold requests whose path contains this, until the event is set."""
        return self._held.setdefault(path_part, asyncio.Event())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for path_part, gate in list(self._held.items()):
            if path_part in request.url.path:
                await gate.wait()
                self._held.pop(path_part, None)
        return await self.system.transport().handle_async_request(request)


@dataclass
class Process:
    """The process tier, as a caller meets it."""

    app: Litestar
    client: httpx.AsyncClient
    switch: Switch
    settings: ProcessSettings
    worker: Worker
    headers: dict[str, str]
    operator_headers: dict[str, str]

    @property
    def system(self) -> SystemStandIn:
        """The system API behind it."""
        return self.switch.system

    @property
    def saga(self) -> Saga[Any]:
        """How the worker runs orders."""
        return self.worker.engine.sagas[ORDER_SUBMISSION.name]

    async def submit(self, key: str | None = None, **body: Any) -> httpx.Response:
        """Submit the quote; a new key unless one is given."""
        return await self.client.post(
            "/v1/orders",
            json={"quoteId": self.system.quote_id, "quoteRevision": 1, **body},
            headers={**self.headers, "Idempotency-Key": key or uuid.uuid4().hex},
        )

    async def flows_at_work(self) -> bool:
        """Whether any flow has not come to an end, with all that follows the end."""
        running = text("SELECT EXISTS (SELECT FROM dbos.workflow_status WHERE status IN ('ENQUEUED', 'PENDING'))")
        async with self.worker.store.transaction_across_tenants() as connection:
            return bool(await connection.scalar(running))

    async def idle(self) -> None:
        """Wait until every flow has come to its end, with all that follows the end."""
        async with asyncio.timeout(HANG_S):
            while await self.flows_at_work():  # noqa: ASYNC110 the database has no way to wait
                await asyncio.sleep(0.05)

    async def order(self, order_id: str) -> dict[str, Any]:
        """The order as it is now."""
        answer = await self.client.get(f"/v1/orders/{order_id}", headers=self.headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def ended(self, order_id: str, timeout_s: float = HANG_S) -> dict[str, Any]:
        """The order once it has come to an end."""
        async with asyncio.timeout(timeout_s):
            # Polled as a caller would: the process API has no way to wait.
            while (order := await self.order(order_id))["status"] not in ENDED:  # noqa: ASYNC110 see above
                await asyncio.sleep(0.05)
        return order

    async def flow(self, flow_id: str) -> dict[str, Any]:
        """The flow, with its steps and attempts."""
        answer = await self.client.get(f"/v1/flows/{flow_id}", headers=self.operator_headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProcess]:
    """The sandbox's issuer."""
    with start_issuer(tmp_path_factory.mktemp("issuer")) as process:
        yield process


@pytest.fixture(scope="session")
def process_settings(
    postgres: PostgresEngine,
    redis_engine: RedisEngine,
    issuer: RunningProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> ProcessSettings:
    """The process tier's settings, on a database of its own, with little patience."""
    rules = tmp_path_factory.mktemp("rules") / "legal_entities.toml"
    rules.write_text(LEGAL_ENTITIES)
    database = f"process_{uuid.uuid4().hex[:8]}"
    postgres.create_database(database)
    migrate(postgres.url(database))
    return ProcessSettings(
        issuer_metadata_url=f"{issuer.url}/.well-known/openid-configuration",
        database_url=postgres.url(database),
        redis_url=redis_engine.url,
        system_url="http://system.test",
        process_client_secret_file=str(client_secret_file(issuer, "process-api")),
        legal_entities_file=str(rules),
        connection_concurrency=6,
        step_attempts_max=3,
        # One loop runs everything here, the vendors too: that it is late on a busy machine is no overload.
        loop_lag_max_s=3600.0,
        lease_s=LONG_LEASE_S,
        step_backoff_s=0.05,
        step_backoff_max_s=0.2,
        settle_s=0.05,
        log_level="WARNING",
    )


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def running(process_settings: ProcessSettings, issuer: RunningProcess) -> AsyncIterator[Process]:
    """The app and its worker, for this package: a process can have one worker only, and the journeys have theirs."""
    switch = Switch()
    app = create_app(process_settings, system_transport=switch)
    patience = pytest.MonkeyPatch()
    # The first request asks the issuer for its keys, in a process that is busy with starting.
    patience.setattr(token_keys, "KEYS_TIMEOUT_S", HANG_S)
    # What is laid aside goes on with the next beat: as often as under a lease of production's length.
    patience.setattr(worker_lease, "_HEARTBEATS_PER_LEASE", LONG_LEASE_S / 5)
    worker = await start_worker(process_settings, transport=switch)
    try:
        submitter = await bearer(issuer, "experience-api", "quoteway-process", tenant="nordwind")
        operator = await bearer(issuer, "integration-operator", "quoteway-process")
        async with (
            running_app(app),
            httpx.AsyncClient(transport=asgi_transport(app), base_url="http://process.test") as client,
        ):
            await app.state.webhook_connections.refresh()
            yield Process(app, client, switch, process_settings, worker, submitter, operator)
    finally:
        await worker.stop(drain_s=1)
        patience.undo()


@pytest_asyncio.fixture(loop_scope="session")
async def process(running: Process) -> AsyncIterator[Process]:
    """The process tier with fresh vendors. Each test orders a quote of its own, and leaves no flow behind."""
    running.switch.system = SystemStandIn()
    yield running
    await running.idle()


@pytest_asyncio.fixture(loop_scope="session")
async def billing(process: Process) -> AsyncIterator[Billing]:
    """Billing, with an empty inbox before and after."""
    made = Billing(process)
    yield made
    async with process.worker.store.transaction_across_tenants() as connection:
        await connection.execute(text("DELETE FROM quoteway.webhook_inbox"))
        await connection.execute(text("DELETE FROM quoteway.subscription_states"))


@pytest.fixture(scope="module")
def outbox_url(postgres: PostgresEngine) -> str:
    """A database whose outbox no worker relays."""
    database = f"outbox_{uuid.uuid4().hex[:8]}"
    postgres.create_database(database)
    migrate(postgres.url(database))
    return postgres.url(database)


@pytest_asyncio.fixture(loop_scope="session")
async def outbox(outbox_url: str, redis_engine: RedisEngine) -> AsyncIterator[Outbox]:
    """An outbox of a tenant of its own."""
    redis_engine.start()
    made = Outbox(outbox_url, redis_engine)
    yield made
    redis_engine.start()
    # A test that leaves events behind would have them published by the next one.
    async with made.stores[0].transaction_across_tenants() as connection:
        await connection.execute(text("DELETE FROM quoteway.events"))
    await made.streams.close()
    for store in made.stores:
        await store.close()


@pytest.fixture(scope="package")
def migrated_for_logs(postgres: PostgresEngine) -> str:
    """A migrated database to copy."""
    name = f"audit_{uuid.uuid4().hex[:8]}"
    postgres.create_database(name)
    migrate(postgres.url(name))
    return name


@pytest.fixture
def log(postgres: PostgresEngine, migrated_for_logs: str, tmp_path: Path) -> Log:
    """An audit log of its own."""
    name = f"audit_{uuid.uuid4().hex[:8]}"
    postgres.create_database(name, migrated_for_logs)
    return Log(postgres.url(name), tmp_path)
