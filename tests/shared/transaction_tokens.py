"""The requesters in tests of transaction tokens, and the tokens' signing keys."""

from pathlib import Path

import httpx

from shared.identity.auth import Principal
from shared.identity.principal import ActingClient, ActingUser, OwnToken
from shared.identity.signing_keys import SigningKeys, rotate_keys
from shared.identity.transaction_token import JWKS_PATH

OWN_TOKEN = OwnToken("ada@example.com", 1_700_000_000.0, "jti-1")
ADA = ActingUser(
    "005QW0000000001YAA", "nordwind", "txn-1", "salesforce-lightning", OWN_TOKEN, frozenset({"orders:read"})
)
EXPERIENCE = Principal("experience-api", "experience-api", "nordwind", frozenset({"orders:read", "orders:write"}))
DESK = ActingClient(
    "us-desk",
    "nordwind",
    "txn-2",
    "us-desk",
    OwnToken("us-desk", 1_700_000_000.0),
    frozenset({"orders:read", "orders:write"}),
    frozenset({"NW-US"}),
)


class Publisher:
    """The experience API's published keys, at the HTTP boundary."""

    def __init__(self, path: Path) -> None:
        rotate_keys(path)
        self.keys = SigningKeys(str(path), "experience_signing_keys_file")
        self.away = False

    async def answer(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("refused")
        assert request.url.path == JWKS_PATH
        return httpx.Response(200, json=self.keys.published())
