"""Readiness, and a version's announcement of its end."""

import asyncio
from datetime import date

import httpx
import pytest

from shared.operations.versions import Version
from system_api import app as app_module
from system_api.app import create_app
from system_api.settings import SystemSettings
from tests.app_lifespan import asgi_transport, running_app
from tests.kept_audit_log import KeptAuditLog
from tests.nothing_revoked import nothing_revoked
from tests.system_api.system_tier import System
from tests.system_api.transports import Scripted, html


async def health_of(client: httpx.AsyncClient) -> httpx.Response:
    """Return what the tier says once it has looked at everything."""
    async with asyncio.timeout(60):
        while "yet" in (answer := await client.get("/health/ready")).text:  # noqa: ASYNC110 it is asked over HTTP
            await asyncio.sleep(0.05)
    return answer


async def test_it_is_ready_when_every_vendor_is(system: System) -> None:
    answer = await health_of(system.client)

    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "missing": {}, "degraded": {}})


async def test_vendor_that_is_down_is_reported_without_tenant_and_others_are_served(
    system_settings: SystemSettings,
) -> None:
    away = Scripted().on("GET", "/v1/tax_rates", html(502, "Nobody here"))
    app = create_app(
        system_settings,
        transports={"nordwind/billing/NW-DE": away},
        process_transport=nothing_revoked(),
        audit_log=KeptAuditLog(),
    )
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://system.test") as client,
    ):
        answer = await health_of(client)

    assert answer.status_code == 200
    assert answer.json()["degraded"] == {"billing": "1 of 1 connections cannot be used"}


async def test_a_version_that_will_end_says_so(
    system_settings: SystemSettings, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = Version(app_module.VERSIONS["v1"].handlers, deprecation=date(2027, 1, 1), sunset=date(2028, 1, 1))
    monkeypatch.setitem(app_module.VERSIONS, "v1", ending)
    app = create_app(system_settings, process_transport=nothing_revoked(), audit_log=KeptAuditLog())
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://system.test") as client,
    ):
        found = await client.get("/v1/erp/NW-DE/orders/ord-1", headers=system.headers)
        missing = await client.get("/v1/crm/quotes/0Q0QW0000000099", headers=system.headers)

    for answer in (found, missing):
        assert answer.headers["Deprecation"] == "@1798761600"
        assert answer.headers["Sunset"] == "Sat, 01 Jan 2028 00:00:00 GMT"
    assert "Deprecation" not in (await system.call("GET", "/v1/erp/NW-DE/orders/ord-1")).headers
