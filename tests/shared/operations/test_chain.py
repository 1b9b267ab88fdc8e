"""The chain: no spelling of an address reaches a handler past the policies."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.exceptions import NotFoundException

from shared.identity.auth import Authenticator
from shared.inbound.service import create_service
from shared.operations.chain import match_operation
from tests.app_lifespan import asgi_transport
from tests.shared.inbound.thing_service import KEY, authorization, create_thing, get_public, get_thing, poke, tier
from tests.shared.tokens import AUDIENCE, METADATA_URL, StandInIssuer


def service() -> Litestar:
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport())
    return create_service(tier(authenticator), [get_thing, create_thing, poke, get_public], state={})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=asgi_transport(service()), base_url="http://service.test") as found:
        yield found


@pytest.mark.parametrize(
    "path", ["/v1/things/a/", "//v1//things/a", "/v1/./things/a", "/v1/%74hings/a", "/V1/things/a"]
)
async def test_no_spelling_of_an_address_gets_past_the_token_check(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(httpx.URL(f"http://service.test{path}"))).status_code in {400, 401, 404}


@settings(deadline=None)
@given(st.text(alphabet="/abthings.v1%2F\\;: ", max_size=24))
async def test_no_address_at_all_is_served_without_a_token(path: str) -> None:
    async with httpx.AsyncClient(transport=asgi_transport(service()), base_url="http://service.test") as client:
        raw = httpx.URL("http://service.test").copy_with(raw_path=b"/v1/things/" + path.encode())
        for method in ("GET", "POST", "HEAD", "PUT"):
            answer = await client.request(method, raw)
            assert answer.status_code in {400, 401, 404, 405}, (path, answer.text)


async def test_operation_that_the_policies_did_not_check_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    def sees_nothing(app: Litestar) -> Any:
        def routing(**_: Any) -> Any:
            raise NotFoundException

        monkeypatch.setattr(app.asgi_router, "handle_routing", routing)
        policy = match_operation(app)
        monkeypatch.undo()
        return policy

    monkeypatch.setattr("shared.inbound.service.match_operation", sees_nothing)
    app = service()
    async with httpx.AsyncClient(transport=asgi_transport(app), base_url="http://service.test") as client:
        for path in ("/v1/things/a", "/public", "/health/live"):
            assert (await client.get(path, headers=authorization())).status_code == 404
