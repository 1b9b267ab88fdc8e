"""What of the system API's health the process API tells, and that it waits for none of it."""

from pathlib import Path

import httpx
import pytest

from process_api.app import create_app
from process_api.settings import ProcessSettings
from process_api.system_client import SystemClient
from shared.identity.service_token import ServiceTokens
from shared.outbound.http_client import OutboundClient


@pytest.mark.parametrize(
    ("answer", "ready"),
    [
        (httpx.Response(200, json={"status": "ready"}), True),
        # It waits for us.
        (httpx.Response(503, json={"status": "not ready", "missing": {"revocations": "not known yet"}}), True),
        (httpx.Response(503, json={"status": "not ready", "missing": {"revocations": "no", "issuer": "no"}}), False),
        (httpx.Response(503, json={"status": "not ready", "missing": {}}), False),
        (httpx.Response(503, text="<p>no upstream</p>"), False),
    ],
    ids=["ready", "waits for us", "waits for more", "does not say", "is a proxy"],
)
async def test_a_system_api_that_waits_for_the_process_api_is_not_said_to_be_away(
    answer: httpx.Response, ready: bool
) -> None:
    async def answered(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/health/ready"
        return answer

    client = OutboundClient("system API", "http://system.test", transport=httpx.MockTransport(answered))
    tokens = ServiceTokens("http://issuer.test", "process-api", "secret", "quoteway-system")
    found = await SystemClient(client, tokens).ready()

    assert (found is None) is ready
    await tokens.close()
    await client.close()


def test_the_process_api_is_ready_without_the_system_api_which_waits_for_it(tmp_path: Path) -> None:
    # A load balancer sends nothing to a system API that is not ready, and it is not until it has heard from us.
    secret = tmp_path / "secret"
    secret.write_text("not used")
    nowhere = "http://127.0.0.1:1"
    settings = ProcessSettings(
        issuer_metadata_url=nowhere,
        database_url="postgresql://nobody@127.0.0.1:1/nothing",
        redis_url="redis://127.0.0.1:1",
        system_url=nowhere,
        process_client_secret_file=str(secret),
    )
    tier = create_app(settings).state.tier

    assert (set(tier.checks.ready), set(tier.checks.vendors)) == ({"database"}, {"system"})
