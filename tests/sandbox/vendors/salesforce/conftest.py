"""An org as a process for the real clients, and the same application inside the test for what needs no socket."""

import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import RSAKey

from sandbox.processes.process import RunningProcess, start_process
from sandbox.vendors.salesforce.app import create_app
from sandbox.vendors.salesforce.settings import SalesforceSandboxSettings

SEED_DIR = Path("sandbox/data")
INSTANCE_URL = "http://salesforce.test"
API = "/services/data/v67.0"
CLIENT_KEY = RSAKey.generate_key(2048)


@dataclass(frozen=True)
class OrgProcess:
    process: RunningProcess
    credentials_file: Path

    @property
    def url(self) -> str:
        return self.process.url

    @property
    def credentials(self) -> dict[str, str]:
        content: dict[str, str] = json.loads(self.credentials_file.read_text())
        return content


def start_org(folder: Path, *options: str) -> OrgProcess:
    credentials_file = folder / "salesforce.json"
    command = [sys.executable, "-m", "sandbox.vendors.salesforce", "--seed", str(SEED_DIR), *options]
    command += ["--credentials", str(credentials_file)]
    process = start_process("salesforce", command, log_path=folder / "salesforce.log", ready="json line")
    return OrgProcess(process, credentials_file)


@pytest.fixture(scope="session")
def org_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrgProcess]:
    org = start_org(tmp_path_factory.mktemp("salesforce"))
    with org.process:
        yield org


@pytest.fixture(scope="session")
def credentials_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("salesforce-credentials") / "salesforce.json"
    content = {
        "client_id": "the-client",
        "client_secret": "the-secret",
        "username": "integration@nordwind.example",
        "password": "the-password",
        "security_token": "the-token",
        "client_public_key_pem": CLIENT_KEY.as_pem(private=False).decode(),
    }
    path.write_text(json.dumps(content))
    return path


class Org:
    """A client of one application, logged in as the integration user."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """`path` is behind /services/data/v67.0; the body is sent as JSON."""
        return await self.http.request(method, f"{API}{path}", json=body, **options)

    async def query(self, soql: str) -> dict[str, Any]:
        answer = await self.call("GET", "/query", params={"q": soql})
        assert answer.status_code == 200, answer.text
        content: dict[str, Any] = answer.json()
        return content

    async def records(self, soql: str) -> list[dict[str, Any]]:
        content: list[dict[str, Any]] = (await self.query(soql))["records"]
        return content

    async def error(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, str]:
        """Status and code of a refusal, after checking the form of Salesforce's error array."""
        answer = await self.call(method, path, body, **options)
        items = answer.json()
        assert isinstance(items, list), answer.text
        assert set(items[0]) <= {"message", "errorCode", "fields"}
        assert items[0]["message"]
        return answer.status_code, items[0]["errorCode"]

    async def new_order(self, order_id: str, **fields: Any) -> str:
        answer = await self.call("POST", "/sobjects/Quoteway_Order__c", {"Order_Id__c": order_id, **fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def session_of(self, username: str) -> str:
        """An access token of another user, by JWT bearer."""
        audience = "https://login.salesforce.com"
        claims = {"iss": "the-client", "sub": username, "aud": audience, "exp": int(time.time()) + 60}
        assertion = jwt.encode({"alg": "RS256"}, claims, CLIENT_KEY)
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        return str((await self.http.post("/services/oauth2/token", data=form)).json()["access_token"])

    async def journal(self, object_type: str) -> list[dict[str, Any]]:
        answer = await self.http.get("/_sandbox/journal", params={"object_type": object_type})
        entries: list[dict[str, Any]] = answer.json()["entries"]
        return entries


async def _log_in(http: httpx.AsyncClient) -> None:
    form = {"grant_type": "client_credentials"}
    answer = await http.post("/services/oauth2/token", data=form, auth=("the-client", "the-secret"))
    http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


@pytest.fixture
def settings(credentials_file: Path) -> SalesforceSandboxSettings:
    """A test module that needs other settings overrides this fixture."""
    return SalesforceSandboxSettings(INSTANCE_URL, SEED_DIR, credentials_file)


@pytest_asyncio.fixture
async def org(settings: SalesforceSandboxSettings) -> AsyncIterator[Org]:
    """A new org for each test: the seed is read in milliseconds."""
    transport = httpx.ASGITransport(create_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url=INSTANCE_URL) as http:
        await _log_in(http)
        yield Org(http)
