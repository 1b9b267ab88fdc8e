"""The list of connections: complete for the platform's token, its own for a tenant's, and without secrets."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from shared.identity.auth import Authenticator, Principal
from system_api.app import create_app
from system_api.connections import ConnectionsError
from system_api.settings import SystemSettings
from tests.app_lifespan import asgi_transport
from tests.kept_audit_log import KeptAuditLog

STRIPE = """
[[connection]]
tenant = "{tenant}"
capability = "billing"
legal_entity = "{entity}"
adapter = "stripe"
key = "file:key"
"""


def settings(folder: Path, *connections: tuple[str, str, bool]) -> SystemSettings:
    """Return a tier with a Stripe account for each (tenant, legal entity, whether it has a webhook secret)."""
    (folder / "key").write_text("sk_test_secret")
    text = ""
    for tenant, entity, webhooks in connections:
        text += STRIPE.format(tenant=tenant, entity=entity) + ('webhook_secret = "file:key"\n' if webhooks else "")
    (folder / "connections.toml").write_text(text)
    return SystemSettings(
        issuer_metadata_url="http://issuer.test",
        system_connections=str(folder / "connections.toml"),
        revocations_url="http://process.test",
        redis_url="redis://127.0.0.1:1",
        audit_database_url="postgresql://nobody@127.0.0.1:1/nothing",
    )


@pytest_asyncio.fixture
async def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """The tier; its callers say in the Authorization header whose token theirs is."""

    async def authenticate(_: Authenticator, authorization: str | None) -> Principal:
        return Principal("process-api", "process-api", str(authorization), frozenset({"billing:read"}))

    monkeypatch.setattr(Authenticator, "authenticate", authenticate)
    tier = settings(tmp_path, ("nordwind", "NW-DE", True), ("nordwind", "*", False), ("bluefin", "BF-1", True))
    app = create_app(tier, audit_log=KeptAuditLog())
    async with httpx.AsyncClient(transport=asgi_transport(app), base_url="http://system.test") as found:
        yield found


async def listed(client: httpx.AsyncClient, tenant: str) -> list[tuple[str, str, bool]]:
    answer = await client.get("/v1/connections", headers={"Authorization": tenant})
    assert answer.status_code == 200, answer.text
    assert "secret" not in answer.text
    return [(each["tenant"], each["legalEntity"], each["takesWebhooks"]) for each in answer.json()["connections"]]


async def test_the_platforms_token_sees_every_tenants_connections(client: httpx.AsyncClient) -> None:
    assert await listed(client, "quoteway") == [
        ("nordwind", "NW-DE", True),
        ("nordwind", "*", False),
        ("bluefin", "BF-1", True),
    ]


async def test_a_tenants_token_sees_its_own(client: httpx.AsyncClient) -> None:
    assert await listed(client, "bluefin") == [("bluefin", "BF-1", True)]
    assert await listed(client, "nobody") == []


def test_no_tenant_is_called_as_the_platform_is(tmp_path: Path) -> None:
    with pytest.raises(ConnectionsError, match="No tenant may be called quoteway"):
        create_app(settings(tmp_path, ("quoteway", "NW-DE", True)), audit_log=KeptAuditLog())
