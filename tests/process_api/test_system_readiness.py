"""What of the system API's health the process API waits for."""

import httpx
import pytest

from process_api.system_client import SystemClient
from shared.http_client import OutboundClient
from shared.service_token import ServiceTokens


@pytest.mark.parametrize(
    ("answer", "ready"),
    [
        (httpx.Response(200, json={"status": "ready"}), True),
        # It waits for us: were we to wait for it, a load balancer would send nothing to either for ever.
        (httpx.Response(503, json={"status": "not ready", "missing": {"revocations": "not known yet"}}), True),
        (httpx.Response(503, json={"status": "not ready", "missing": {"revocations": "no", "issuer": "no"}}), False),
        (httpx.Response(503, json={"status": "not ready", "missing": {}}), False),
        (httpx.Response(503, text="<p>no upstream</p>"), False),
    ],
    ids=["ready", "waits for us", "waits for more", "does not say", "is a proxy"],
)
async def test_the_process_api_does_not_wait_for_a_system_api_that_waits_for_it(
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
