"""What the experience tier serves of its contract: the profile for External Services, and the interactive page."""

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from experience_api.app import create_app
from experience_api.settings import ExperienceSettings
from tests.app_lifespan import asgi_transport
from tests.kept_audit_log import KeptAuditLog

COMMITTED = Path(__file__).resolve().parents[2] / "openapi"


async def served(settings: ExperienceSettings, path: str, base_url: str = "http://10.0.0.7:8001") -> httpx.Response:
    """What anybody is answered who asks at that address."""
    transport = httpx.MockTransport(lambda _: httpx.Response(503))
    app = create_app(settings, process_transport=transport, audit_log=KeptAuditLog())
    async with httpx.AsyncClient(transport=asgi_transport(app), base_url=base_url) as client:
        return await client.get(path)


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_external_services_profile_names_the_requested_address(
    settings: ExperienceSettings, version: str
) -> None:
    answer = await served(settings, f"/openapi/{version}.salesforce.json")
    document: dict[str, Any] = answer.json()

    assert answer.status_code == 200
    assert [server["url"] for server in document["servers"]] == ["http://10.0.0.7:8001"]
    committed = json.loads((COMMITTED / f"experience-{version}.salesforce.json").read_bytes())
    assert {**document, "servers": None} == {**committed, "servers": None}


async def test_a_public_address_goes_before_what_the_caller_says(settings: ExperienceSettings) -> None:
    public = msgspec.structs.replace(settings, public_url="https://api.example.com")
    document = (await served(public, "/openapi/v1.salesforce.json")).json()

    assert [server["url"] for server in document["servers"]] == ["https://api.example.com"]


async def test_two_addresses_are_told_apart(settings: ExperienceSettings) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(503))
    app = create_app(settings, process_transport=transport, audit_log=KeptAuditLog())
    for address in ("http://one.test", "http://two.test:8443"):
        async with httpx.AsyncClient(transport=asgi_transport(app), base_url=address) as client:
            document = (await client.get("/openapi/v1.salesforce.json")).json()
        assert [server["url"] for server in document["servers"]] == [address]


async def test_the_page_lists_what_is_deprecated_until_when_and_what_to_call_instead(
    settings: ExperienceSettings,
) -> None:
    page = (await served(settings, "/docs")).text

    assert (
        "<li><code>GET /v1/accounts/{accountId}/overview</code> is deprecated since 2026-11-24; answers until "
        "2027-12-01; use GET /v2/accounts/{accountId}/overview.</li>"
    ) in page
    assert page.count("is deprecated since") == 1
    assert "--tier experience" in page
