"""Tokens for calls between our own tiers."""

import asyncio
import base64
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from shared.identity.service_token import ServiceTokens
from shared.outbound import http_client
from shared.problem import Unavailable
from tests.shared.tokens import ISSUER, METADATA_URL

METADATA = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks", "token_endpoint": f"{ISSUER}/token"}


class TokenIssuer:
    """Gives numbered tokens, and keeps the requests for them."""

    def __init__(self, expires_in: int = 300) -> None:
        self.expires_in = expires_in
        self.asked: list[httpx.Request] = []
        self.instead: httpx.Response | Exception | None = None

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """As the issuer would."""
        if str(request.url) == METADATA_URL:
            return httpx.Response(200, json=METADATA)
        self.asked.append(request)
        if isinstance(self.instead, Exception):
            raise self.instead
        if self.instead is not None:
            return self.instead
        token = {"access_token": f"token-{len(self.asked)}", "token_type": "Bearer", "expires_in": self.expires_in}
        return httpx.Response(200, json=token)

    def tokens(self) -> ServiceTokens:
        """Tokens from here."""
        return ServiceTokens(
            METADATA_URL, "experience-api", "s3cret:/+", "quoteway-process", transport=httpx.MockTransport(self.answer)
        )


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "_BACKOFF_S", (0.01, 0.01))


async def test_a_token_is_asked_for_by_client_credentials_for_the_audience_and_the_tenant() -> None:
    issuer = TokenIssuer()

    assert await issuer.tokens().bearer("nordwind") == "token-1"

    [request] = issuer.asked
    sent = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
    assert sent == {"grant_type": "client_credentials", "audience": "quoteway-process", "tenant": "nordwind"}
    scheme, _, credentials = request.headers["authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(credentials).decode().startswith("experience-api:")


async def test_each_tenant_has_a_token_of_its_own_which_is_used_again() -> None:
    issuer = TokenIssuer()
    tokens = issuer.tokens()

    first, second = await tokens.bearer("nordwind"), await tokens.bearer("suedwind")

    assert first != second
    assert await tokens.bearer("nordwind") == first
    assert await tokens.bearer("suedwind") == second


async def test_many_callers_at_once_ask_for_one_token() -> None:
    issuer = TokenIssuer()
    tokens = issuer.tokens()

    assert set(await asyncio.gather(*(tokens.bearer("nordwind") for _ in range(20)))) == {"token-1"}
    assert len(issuer.asked) == 1


async def test_token_is_renewed_before_it_expires() -> None:
    issuer = TokenIssuer(expires_in=30)
    tokens = issuer.tokens()

    assert await tokens.bearer("nordwind") == "token-1"
    assert await tokens.bearer("nordwind") == "token-2"


async def test_a_forgotten_token_is_asked_for_anew_and_others_are_not() -> None:
    tokens = TokenIssuer().tokens()
    await tokens.bearer("nordwind")
    other = await tokens.bearer("suedwind")

    tokens.forget("nordwind")
    tokens.forget("unheard-of")

    assert await tokens.bearer("nordwind") == "token-3"
    assert await tokens.bearer("suedwind") == other


@pytest.mark.parametrize(
    "instead",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.Response(400, json={"error": "invalid_target", "error_description": "ask for another audience"}),
        httpx.Response(401, json={"error": "invalid_client"}),
        httpx.Response(404, html="<h1>Not found</h1>"),
        httpx.Response(500, html="<h1>Error</h1>"),
        httpx.Response(503, json={"error": "temporarily_unavailable"}),
        httpx.Response(200, html="<h1>Maintenance</h1>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"token_type": "Bearer"}),
        httpx.Response(200, json={"access_token": None}),
    ],
    ids=str,
)
async def test_an_issuer_that_gives_no_token_is_unavailable_and_asked_again_next_time(instead: Any) -> None:
    issuer = TokenIssuer()
    issuer.instead = instead
    tokens = issuer.tokens()

    with pytest.raises(Unavailable) as refusal:
        await tokens.bearer("nordwind")
    assert "s3cret" not in refusal.value.detail
    issuer.instead = None

    assert (await tokens.bearer("nordwind")).startswith("token-")


async def test_tokens_are_closed_in_order() -> None:
    tokens = TokenIssuer().tokens()
    await tokens.bearer("nordwind")

    await tokens.close()
