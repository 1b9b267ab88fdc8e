"""A running issuer process, and the same application inside the test for what needs no socket."""

import json
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from sandbox.issuer.app import create_app
from sandbox.issuer.settings import IssuerSettings
from sandbox.processes.process import RunningProcess, start_process

CLIENTS_FILE = Path("sandbox/data/clients.toml")


@dataclass(frozen=True)
class IssuerProcess:
    process: RunningProcess
    state_dir: Path

    @property
    def url(self) -> str:
        return self.process.url

    @property
    def credentials(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.state_dir / "clients.json").read_text())
        return content


def start_issuer(state_dir: Path) -> IssuerProcess:
    command = [sys.executable, "-m", "sandbox.issuer", "--state", str(state_dir), "--clients", str(CLIENTS_FILE)]
    log_path = state_dir.parent / "issuer.log"
    return IssuerProcess(start_process("issuer", command, log_path=log_path, ready="json line"), state_dir)


@pytest.fixture(scope="session")
def issuer_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IssuerProcess]:
    issuer = start_issuer(tmp_path_factory.mktemp("issuer") / "state")
    with issuer.process:
        yield issuer


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> IssuerSettings:
    return IssuerSettings(
        issuer_url="http://issuer.test",
        state_dir=tmp_path_factory.mktemp("issuer-state"),
        clients_file=CLIENTS_FILE,
        ttl_s=300,
    )


@pytest_asyncio.fixture(scope="session")
async def issuer(settings: IssuerSettings) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url=settings.issuer_url) as client:
        yield client


@pytest.fixture(scope="session")
def credentials(settings: IssuerSettings, issuer: httpx.AsyncClient) -> dict[str, Any]:
    assert issuer.base_url  # the application writes the file when it is created
    content: dict[str, Any] = json.loads((settings.state_dir / "clients.json").read_text())
    return content
