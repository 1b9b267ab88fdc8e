"""A refused client learns the needed scopes and the accepted issuers (RFC 9728)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from litestar import get

from shared.identity.auth import Authenticator
from shared.identity.resource_metadata import METADATA_PATH
from shared.inbound.service import create_service
from shared.inbound.tier import Published, Tier
from shared.operations.operation import operation
from tests.app_lifespan import asgi_transport, running_app
from tests.shared.tokens import AUDIENCE, ISSUER, METADATA_URL, StandInIssuer, claims, rsa_key, sign

KEY = rsa_key()
BOTH = operation(owner="tests", capability="things", scopes=["things:read", "orders:read"])


@get("/v1/things", operation_id="getThings", opt=BOTH, sync_to_thread=False)
def get_things() -> list[str]:
    """Nothing."""
    return []


@asynccontextmanager
async def service(issuer: StandInIssuer, public_url: str = "") -> AsyncIterator[httpx.AsyncClient]:
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=issuer.transport())
    tier = Tier(
        name="tests",
        published=Published(
            title="Tests",
            version="1.0.0",
            description="A service for tests.",
            public_url=public_url,
        ),
        authenticator=authenticator,
    )
    app = create_service(tier, [get_things], state={})
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://service.test:8001") as client,
    ):
        yield client


async def test_refusal_leads_a_client_to_the_issuer() -> None:
    async with service(StandInIssuer(KEY)) as client:
        refused = await client.get("/v1/things")
        challenge = refused.headers["www-authenticate"]
        where = challenge.partition('resource_metadata="')[2].rstrip('"')
        metadata = (await client.get(where)).json()

    assert refused.status_code == 401
    assert 'scope="things:read orders:read"' in challenge
    assert metadata == {
        "resource": "http://service.test:8001",
        "authorization_servers": [ISSUER],
        "scopes_supported": ["orders:read", "things:read"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Tests",
    }


async def test_public_url_overrides_the_host_header() -> None:
    async with service(StandInIssuer(KEY), "https://api.example.com") as client:
        metadata = (await client.get(METADATA_PATH, headers={"Host": "evil.test"})).json()
        refused = await client.get("/v1/things", headers={"Host": "evil.test"})

    assert metadata["resource"] == "https://api.example.com"
    assert f'resource_metadata="https://api.example.com{METADATA_PATH}"' in refused.headers["www-authenticate"]


@pytest.mark.parametrize("host", ['a"b', "a b", "a/b", "ä", "", "a@b", "a:b"])
async def test_invalid_host_is_not_echoed(host: str) -> None:
    async with service(StandInIssuer(KEY)) as client:
        refused = await client.get("/v1/things", headers={b"Host": host.encode()})

    assert refused.status_code == 400
    assert refused.json()["errors"][0]["pointer"] == "header/Host"
    assert not host or host not in str(refused.headers.multi_items())


async def test_each_refusal_says_what_is_wrong() -> None:
    async with service(StandInIssuer(KEY)) as client:
        bad = await client.get("/v1/things", headers={"Authorization": "Bearer x"})
        poor = await client.get(
            "/v1/things", headers={"Authorization": f"Bearer {sign(KEY, claims(scope='things:read'))}"}
        )
        nothing = await client.get("/v1/nothing")

    assert bad.headers["www-authenticate"].startswith('Bearer error="invalid_token", error_description="')
    assert 'scope="things:read orders:read", resource_metadata=' in bad.headers["www-authenticate"]
    assert poor.status_code == 403
    assert poor.headers["www-authenticate"].startswith('Bearer error="insufficient_scope", scope="things:read orders')
    assert nothing.status_code == 404
    assert "www-authenticate" not in nothing.headers


async def test_metadata_is_unavailable_while_the_issuer_is_down() -> None:
    issuer = StandInIssuer(KEY)
    issuer.away = httpx.ConnectError("refused")
    async with service(issuer) as client:
        assert (await client.get(METADATA_PATH)).status_code == 503
