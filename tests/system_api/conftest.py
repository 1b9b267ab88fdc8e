"""The vendors of the system tier: simulators as processes, and a server that never answers."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from sandbox.engines.postgres import RedisEngine
from sandbox.processes.ports import LOOPBACK, free_port
from sandbox.processes.process import RunningProcess, start_process
from sandbox.vendors.tryton.server import TrytonServer
from system_api.app import create_app
from system_api.connections import SalesforceConnection, Secret, StripeConnection
from system_api.settings import SystemSettings
from tests.app_lifespan import asgi_transport, running_app
from tests.issuer_process import bearer, start_issuer
from tests.kept_audit_log import KeptAuditLog
from tests.nothing_revoked import nothing_revoked
from tests.system_api.system_tier import System

# Their assertions say what differed, as a test module's do.
pytest.register_assert_rewrite(*(f"tests.system_api.{capability}.contract" for capability in ("erp", "billing", "tax")))

SEARCH_LAG_S = 2.0


@dataclass(frozen=True)
class Simulator:
    """A running simulator, its controls, and its journal."""

    process: RunningProcess
    credentials: dict[str, str]

    @property
    def url(self) -> str:
        return self.process.url

    def journal(self, object_type: str) -> list[dict[str, Any]]:
        """Accepted writes, oldest first: what the vendor really did."""
        answer = httpx.get(f"{self.url}/_sandbox/journal", params={"object_type": object_type})
        found: list[dict[str, Any]] = answer.raise_for_status().json()["entries"]
        return found

    def control(self, method: str, path: str, /, **content: Any) -> None:
        httpx.request(method, f"{self.url}/_sandbox/{path}", json=content or None).raise_for_status()


@pytest.fixture(scope="session")
def salesforce_org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    folder = tmp_path_factory.mktemp("salesforce")
    command = [sys.executable, "-m", "sandbox.vendors.salesforce", "--credentials", str(folder / "credentials.json")]
    with start_process("salesforce", command, log_path=folder / "log", ready="json line") as process:
        yield Simulator(process, json.loads((folder / "credentials.json").read_text()))


@pytest.fixture(scope="session")
def stripe_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A Stripe simulator whose search lags, which shows code that searches for what it has just written."""
    folder = tmp_path_factory.mktemp("stripe")
    command = [sys.executable, "-m", "sandbox.vendors.stripe", "--seed", "sandbox/data"]
    command += ["--secret-key-file", str(folder / "key"), "--external-id-key", "quoteway_external_id"]
    command += ["--search-lag-s", str(SEARCH_LAG_S)]
    for limit in ("--rate-limit", "--endpoint-rate-limit", "--search-rate-limit"):
        command += [limit, "10000/second"]
    with start_process("stripe", command, log_path=folder / "log", ready="json line") as process:
        yield Simulator(process, {"key": (folder / "key").read_text().strip()})


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProcess]:
    with start_issuer(tmp_path_factory.mktemp("issuer")) as process:
        yield process


def salesforce_connection(url: str, credentials: dict[str, str] | None = None) -> SalesforceConnection:
    known = credentials or {"client_id": "client", "client_secret": "secret"}
    return SalesforceConnection(
        tenant="nordwind",
        capability="crm",
        legal_entity="*",
        adapter="salesforce",
        url=url,
        client_id=known["client_id"],
        client_secret=Secret(known["client_secret"]),
    )


def stripe_connection(url: str, key: str = "sk_test_0123456789") -> StripeConnection:
    return StripeConnection(
        tenant="nordwind", capability="billing", legal_entity="NW-DE", adapter="stripe", url=url, key=Secret(key)
    )


@pytest.fixture
def dead_url() -> str:
    """An address at which nobody listens."""
    return f"http://{LOOPBACK}:{free_port()}"


@dataclass
class Mute:
    """A server that accepts connections and reads requests; `manner` is what it does then."""

    url: str = ""
    manner: str = "never answer"
    received: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.received += 1
        if self.manner == "never answer":
            await reader.read()  # until the client gives up
        elif self.manner == "cut off":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{")
        writer.close()


@pytest_asyncio.fixture
async def mute() -> AsyncIterator[Mute]:
    server = Mute()
    listening = await asyncio.start_server(server.serve, LOOPBACK, 0)
    server.url = f"http://{LOOPBACK}:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        yield server


@pytest.fixture(params=["never answer", "close", "cut off"])
def manner(request: pytest.FixtureRequest, mute: Mute) -> str:
    """The ways in which an answer is lost after the request was sent."""
    mute.manner = request.param
    return mute.manner


@pytest.fixture
def write_file(tmp_path: Path) -> Any:
    """Write a file below the test's folder, and give its path."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def system_settings(
    redis_engine: RedisEngine,
    tmp_path_factory: pytest.TempPathFactory,
    issuer: RunningProcess,
    tryton: TrytonServer,
    stripe_account: Simulator,
    salesforce_org: Simulator,
) -> SystemSettings:
    folder = tmp_path_factory.mktemp("system")
    access = tryton.credentials.tenants["nordwind"]
    secrets = {
        "tryton.key": access.rest_key,
        "stripe.key": stripe_account.credentials["key"],
        "org": salesforce_org.credentials["client_secret"],
    }
    for name, secret in secrets.items():
        (folder / name).write_text(secret)
    (folder / "connections.toml").write_text(
        f"""
        [[connection]]
        tenant = "nordwind"
        capability = "crm"
        legal_entity = "*"
        adapter = "salesforce"
        url = "{salesforce_org.url}"
        client_id = "{salesforce_org.credentials["client_id"]}"
        client_secret = "file:org"
        [[connection]]
        tenant = "nordwind"
        capability = "erp"
        legal_entity = "NW-DE"
        adapter = "tryton"
        url = "{tryton.url}"
        database = "{tryton.database}"
        company = {access.companies["NW-DE"]}
        currency = "EUR"
        key = "file:tryton.key"
        [[connection]]
        tenant = "nordwind"
        capability = "billing"
        legal_entity = "NW-DE"
        adapter = "stripe"
        url = "{stripe_account.url}"
        key = "file:stripe.key"
        [[connection]]
        tenant = "nordwind"
        capability = "tax"
        legal_entity = "*"
        adapter = "jurisdictions"
        table = "{Path("sandbox/data/taxes.toml").resolve()}"
        sellers = {{ NW-DE = "DE" }}
        """
    )
    return SystemSettings(
        issuer_metadata_url=f"{issuer.url}/.well-known/openid-configuration",
        system_connections=str(folder / "connections.toml"),
        redis_url=redis_engine.url,
        audit_database_url="postgresql://nobody@127.0.0.1:1/nothing",
        revocations_url="http://process.test",
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def system(system_settings: SystemSettings, issuer: RunningProcess) -> AsyncIterator[System]:
    app = create_app(system_settings, process_transport=nothing_revoked(), audit_log=KeptAuditLog())
    headers = await bearer(issuer, "process-api", "quoteway-system", tenant="nordwind")
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://system.test") as client,
    ):
        yield System(client, issuer, headers)
