"""Errors carry the settle time and attempts of their connection."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from sandbox.processes.process import RunningProcess
from system_api.app import create_app
from system_api.connections import StripeConnection, load_connections
from system_api.settings import SystemSettings
from tests.app_lifespan import asgi_transport, running_app
from tests.issuer_process import bearer
from tests.kept_audit_log import KeptAuditLog
from tests.nothing_revoked import nothing_revoked
from tests.system_api.system_tier import subscription_draft
from tests.system_api.transports import Scripted, html

CONNECTIONS = """
[[connection]]
tenant = "nordwind"
capability = "billing"
legal_entity = "{entity}"
adapter = "stripe"
key = "env:KEY"
{more}
"""


@pytest.fixture
def vendor() -> Scripted:
    """A Stripe that is out of order."""
    return Scripted().on("GET", "/v1/subscriptions", html(502)).on("GET", "/v1/customers/search", html(502))


@pytest_asyncio.fixture
async def client(
    vendor: Scripted, issuer: RunningProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setenv("KEY", "sk_test_0123456789")
    file = tmp_path / "connections.toml"
    patient = CONNECTIONS.format(entity="NW-DE", more="settle_s = 90\nattempts_max = 4")
    file.write_text(patient + CONNECTIONS.format(entity="NW-US", more=""))
    settings = SystemSettings(
        issuer_metadata_url=f"{issuer.url}/.well-known/openid-configuration",
        system_connections=str(file),
        redis_url="redis://127.0.0.1:1",
        audit_database_url="postgresql://nobody@127.0.0.1:1/nothing",
        revocations_url="http://process.test",
    )
    transports: dict[str, Any] = {f"nordwind/billing/{entity}": vendor for entity in ("NW-DE", "NW-US")}
    app = create_app(settings, transports=transports, process_transport=nothing_revoked(), audit_log=KeptAuditLog())
    headers = await bearer(issuer, "process-api", "quoteway-system", tenant="nordwind")
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://system.test", headers=headers) as found,
    ):
        yield found


@pytest.mark.parametrize(("entity", "told"), [("NW-DE", 4), ("NW-US", None)])
async def test_an_outage_says_how_often_to_try(client: httpx.AsyncClient, entity: str, told: int | None) -> None:
    answer = await client.get(f"/v1/billing/{entity}/customers/001QW0000000001YAA/subscriptions")

    assert answer.status_code == 503, answer.text
    assert answer.json().get("attemptsMax") == told
    assert answer.json()["detail"] == "Stripe does not answer as it should."
    assert "502" in answer.json()["vendorSaid"]
    assert answer.json()["vendor"] == "Stripe"


@pytest.mark.parametrize(("entity", "told"), [("NW-DE", 90), ("NW-US", None)])
async def test_a_lost_answer_says_when_to_look(
    client: httpx.AsyncClient, vendor: Scripted, entity: str, told: int | None
) -> None:
    price: dict[str, Any] = {"id": "price_1", "currency": "eur", "product": "p", "unit_amount_decimal": "490"}
    price |= {"lookup_key": "MON-STD-EUR-month", "recurring": {"interval": "month", "interval_count": 1}}
    rate = {"id": "txr_1", "percentage": 19, "active": True, "metadata": {"quoteway_tax_code": "DE"}}
    vendor.on("GET", "/v1/subscriptions", httpx.Response(200, json={"data": []}))
    vendor.on("GET", "/v1/prices", httpx.Response(200, json={"data": [price]}))
    vendor.on("GET", "/v1/tax_rates", httpx.Response(200, json={"data": [rate]}))
    vendor.on("POST", "/v1/tax_rates", httpx.Response(200, json=rate))
    vendor.on("POST", "/v1/subscriptions", html(502))

    answer = await client.put(f"/v1/billing/{entity}/subscriptions/ord-1-month", json=subscription_draft("cus_1"))

    assert answer.status_code == 504, answer.text
    assert answer.json().get("retryAfterSeconds") == told


def test_the_windows_of_a_look_up_are_settings_of_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "sk_test_0123456789")
    file = tmp_path / "connections.toml"
    file.write_text(CONNECTIONS.format(entity="NW-DE", more="search_lag_s = 600\nsettle_s = 20"))

    (connection,) = load_connections(file, {"KEY": "sk_test_0123456789"})

    assert isinstance(connection, StripeConnection)
    assert (connection.search_lag_s, connection.settle_s, connection.attempts_max) == (600, 20, None)
    assert msgspec.structs.replace(connection).search_lag_s == 600
