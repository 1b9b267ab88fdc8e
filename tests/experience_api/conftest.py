"""The experience tier with real tokens; the process API is replaced at the HTTP boundary by recorded answers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from litestar import Litestar

from experience_api.app import create_app
from experience_api.settings import ExperienceSettings
from sandbox.processes.process import RunningProcess
from shared.identity.revocation import FEED_PATH
from tests.app_lifespan import asgi_transport, running_app
from tests.experience_api.recorded_answers import ACCOUNT_ID, ORDER_ID, QUOTE_ID
from tests.issuer_process import bearer, client_secret_file, signing_keys_file, start_issuer
from tests.kept_audit_log import KeptAuditLog

Answer = httpx.Response | Exception | Callable[[httpx.Request], Awaitable[httpx.Response]]
SUBMISSION = {"quoteId": QUOTE_ID, "quoteRevision": 1}
# Every operation, as a caller sends it: method, path and body.
OPERATIONS = [
    ("POST", "/v1/orders", SUBMISSION),
    ("GET", f"/v1/orders/{ORDER_ID}", None),
    ("GET", f"/v1/accounts/{ACCOUNT_ID}/overview", None),
    ("GET", f"/v1/accounts/{ACCOUNT_ID}/credit-status", None),
    ("GET", f"/v1/accounts/{ACCOUNT_ID}/invoices", None),
    ("POST", f"/v1/quotes/{QUOTE_ID}/pricing-preview", None),
    ("POST", f"/v1/quotes/{QUOTE_ID}/readiness", {}),
]


@dataclass
class RecordedProcess:
    """Answers as the process API did, the last answer again and again, and keeps what it was asked."""

    answers: list[Answer] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)

    def will_answer(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Add an answer of JSON."""
        self.answers.append(httpx.Response(status, json=body, headers=headers))

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """The next answer."""
        if request.url.path == FEED_PATH:
            return httpx.Response(200, json={"revoked": [], "position": 0})
        self.requests.append(request)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        if isinstance(found, httpx.Response):
            return httpx.Response(found.status_code, content=found.content, headers=found.headers)
        return await found(request)


@dataclass
class Experience:
    """The experience tier, as a Salesforce developer meets it."""

    app: Litestar
    client: httpx.AsyncClient
    process: RecordedProcess
    headers: dict[str, str]

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """GET with a token."""
        return await self.client.get(path, headers={**self.headers, **headers})

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """POST with a token, and a body unless it is None."""
        sent = {**self.headers, **headers}
        return await self.client.post(path, headers=sent, **({} if body is None else {"json": body}))

    async def submit(self, body: Any = None, *, key: str = "key-1", **headers: str) -> httpx.Response:
        """Submit an order."""
        return await self.post(
            "/v1/orders", SUBMISSION if body is None else body, **{"Idempotency-Key": key, **headers}
        )

    async def call(self, method: str, path: str, body: Any, **headers: str) -> httpx.Response:
        """Any of OPERATIONS."""
        if method == "GET":
            return await self.get(path, **headers)
        return await self.post(path, body, **{"Idempotency-Key": "key-1", **headers})


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProcess]:
    with start_issuer(tmp_path_factory.mktemp("experience-issuer")) as process:
        yield process


@pytest.fixture(scope="session")
def settings(issuer: RunningProcess) -> ExperienceSettings:
    return ExperienceSettings(
        issuer_metadata_url=f"{issuer.url}/.well-known/oauth-authorization-server",
        process_url="http://process.test",
        redis_url="redis://127.0.0.1:1",
        audit_database_url="postgresql://nobody@127.0.0.1:1/nothing",
        experience_client_secret_file=str(client_secret_file(issuer, "experience-api")),
        experience_signing_keys_file=str(signing_keys_file(issuer)),
    )


@pytest.fixture(scope="session")
async def caller_headers(issuer: RunningProcess) -> dict[str, str]:
    return await bearer(issuer, "salesforce-lightning", "quoteway-experience")


@pytest.fixture
async def experience(settings: ExperienceSettings, caller_headers: dict[str, str]) -> AsyncIterator[Experience]:
    process = RecordedProcess()
    app = create_app(settings, process_transport=httpx.MockTransport(process.answer), audit_log=KeptAuditLog())
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://experience.test") as client,
    ):
        yield Experience(app, client, process, caller_headers)
