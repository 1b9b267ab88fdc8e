"""Where callers reach the tier, as its answers say it."""

import httpx
import msgspec
import pytest

from experience_api.app import create_app
from experience_api.settings import ExperienceSettings
from shared.settings import SettingsError, load_settings
from tests.app_lifespan import asgi_transport, running_app
from tests.experience_api.conftest import SUBMISSION, RecordedProcess
from tests.experience_api.recorded_answers import ORDER_ID, accepted
from tests.kept_audit_log import KeptAuditLog

WRONG = ["api.example.com", "https://api.example.com/", "https://a@b", "https://a b", "https://", "https://a\n"]


async def test_behind_a_proxy_that_ends_tls_addresses_begin_as_callers_know_them(
    settings: ExperienceSettings, caller_headers: dict[str, str]
) -> None:
    """What a proxy or a caller says of the scheme and the host is not believed: only the setting is."""
    process = RecordedProcess()
    public = msgspec.structs.replace(settings, public_url="https://api.example.com")
    app = create_app(public, process_transport=httpx.MockTransport(process.answer), audit_log=KeptAuditLog())
    lies = {"Host": "evil.test", "X-Forwarded-Proto": "ftp", "Forwarded": "proto=ftp;host=evil.test"}
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://10.0.0.7:8001", headers=lies) as client,
    ):
        process.will_answer(accepted(), 202)
        headers = {**caller_headers, "Idempotency-Key": "key-1"}
        submitted = await client.post("/v1/orders", json=SUBMISSION, headers=headers)
        metadata = await client.get("/.well-known/oauth-protected-resource")
        refused = await client.get(f"/v1/orders/{ORDER_ID}")

    assert submitted.headers["location"] == f"https://api.example.com/v1/orders/{ORDER_ID}"
    assert submitted.json()["statusUrl"] == f"/v1/orders/{ORDER_ID}"
    assert metadata.json()["resource"] == "https://api.example.com"
    where = 'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"'
    assert where in refused.headers["www-authenticate"]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_public_address_that_is_no_origin_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(SettingsError, match="QUOTEWAY_PUBLIC_URL is wrong"):
        load_settings(ExperienceSettings, {"QUOTEWAY_PUBLIC_URL": wrong})
