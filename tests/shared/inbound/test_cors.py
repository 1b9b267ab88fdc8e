"""CORS: only pages of the listed Lightning origins may call."""

from collections.abc import AsyncIterator

import httpx
import pytest
from litestar import get

from shared.identity.auth import Authenticator
from shared.inbound.cors import parse_origins
from shared.inbound.service import create_service
from shared.inbound.tier import Policies, Published, Tier
from shared.operations.operation import operation
from tests.app_lifespan import asgi_transport, running_app
from tests.shared.tokens import AUDIENCE, METADATA_URL, StandInIssuer, claims, rsa_key, sign

KEY = rsa_key()
LIGHTNING = "https://acme.lightning.force.com"


@get("/v1/things", opt=operation(owner="tests", capability="things", scopes=["things:read"]))
async def list_things() -> dict[str, str]:
    """Reads."""
    return {}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport())
    origins = parse_origins(f"{LIGHTNING}, http://localhost:3333")
    tier = Tier(
        name="tests",
        published=Published(title="Tests", version="1.0.0", description="A service for tests."),
        authenticator=authenticator,
        policies=Policies(origins=origins),
    )
    app = create_service(tier, [list_things], state={})
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://service.test") as found,
    ):
        yield found


def token() -> dict[str, str]:
    return {"Authorization": f"Bearer {sign(KEY, claims(scope='things:read'))}"}


@pytest.mark.parametrize("origin", [LIGHTNING, "http://localhost:3333"])
async def test_a_named_origin_may_read_answers_and_refusals(client: httpx.AsyncClient, origin: str) -> None:
    for headers, status in ((token(), 200), ({}, 401)):
        answer = await client.get("/v1/things", headers={"Origin": origin, **headers})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == origin
        assert "RateLimit" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.lightning.force.com",
        "https://acme.lightning.force.com.evil.example",
        "https://acme.lightning.force.com:8443",
        "http://acme.lightning.force.com",
        "https://ACME.lightning.force.com",
        "null",
        "*",
        "",
    ],
)
async def test_other_origins_may_not_read_answers(client: httpx.AsyncClient, origin: str) -> None:
    preflight = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    answers = [
        await client.get("/v1/things", headers={"Origin": origin, **token()}),
        await client.options("/v1/things", headers=preflight),
    ]
    for answer in answers:
        assert not any(name.startswith("access-control") for name in answer.headers)
        assert answer.headers["vary"] == "Origin", "no cache in between may give one origin's answer to another"


async def test_a_named_origins_preflight_is_answered_without_a_token(client: httpx.AsyncClient) -> None:
    answer = await client.options("/v1/things", headers={"Origin": LIGHTNING, "Access-Control-Request-Method": "POST"})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == LIGHTNING
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "Idempotency-Key" in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("https://*.lightning.force.com", "has a wildcard"),
        ("*", "has a wildcard"),
        (f"{LIGHTNING}, https://*.force.com", "has a wildcard"),
        ("acme.lightning.force.com", "is not an origin"),
        (f"{LIGHTNING}/", "is not an origin"),
        (f"{LIGHTNING}/apex", "is not an origin"),
        ("http://acme.lightning.force.com", "is not an origin"),
        ("null", "is not an origin"),
    ],
)
def test_invalid_origin_prevents_the_start(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        parse_origins(text)


def test_no_origin_is_the_default() -> None:
    assert parse_origins(" ") == frozenset()
