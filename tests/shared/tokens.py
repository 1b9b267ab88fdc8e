"""An issuer at the HTTP boundary, and access tokens with all kinds of faults."""

import base64
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

ISSUER = "http://issuer.test"
METADATA_URL = f"{ISSUER}/.well-known/oauth-authorization-server"
AUDIENCE = "quoteway-test"
Key = RSAKey | ECKey | OKPKey | OctKey
ABSENT = object()


@dataclass(frozen=True)
class FromNow:
    """A time claim, counted from when the token is made: a test may run long after it was collected."""

    seconds: int


def claim_values(stated: dict[str, Any], now: int) -> dict[str, Any]:
    """Return the claims as they are signed: what is ABSENT left out, times filled in."""
    return {
        name: now + value.seconds if isinstance(value, FromNow) else value
        for name, value in stated.items()
        if value is not ABSENT
    }


def rsa_key(bits: int = 2048) -> RSAKey:
    return RSAKey.generate_key(bits, {"use": "sig"}, auto_kid=True)


def public(*keys: Key) -> dict[str, Any]:
    """Return a JWK set."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a good token, changed; ABSENT leaves a claim out."""
    now = int(time.time())
    found = {
        "iss": ISSUER,
        "sub": "005QW0000000001AAA",
        "aud": AUDIENCE,
        "client_id": "salesforce-lightning",
        "scope": "orders:read orders:write",
        "tenant": "nordwind",
        "iat": now,
        # Tokens are made when tests are collected, and used many minutes later.
        "exp": now + 3600,
        **changes,
    }
    return claim_values(found, now)


def sign(key: Key, content: dict[str, Any] | None = None, *, alg: str = "RS256", **header: Any) -> str:
    """Return an access token."""
    full_header = {"typ": "at+jwt", "alg": alg, "kid": key.kid, **header}
    return jwt.encode(full_header, content if content is not None else claims(), key, algorithms=[alg])


def unsigned(header: Any, content: Any, signature: bytes = b"") -> str:
    """Return a token put together by hand."""

    def part(value: Any) -> str:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    return f"{part(header)}.{part(content)}.{part(signature)}"


class StandInIssuer:
    """Publishes metadata and keys, counts the requests for them, and can be down."""

    def __init__(self, *keys: Key) -> None:
        self.key_set: Any = public(*keys)
        self.metadata: Any = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks", "token_endpoint": f"{ISSUER}/token"}
        self.fetches = 0
        self.away: Exception | None = None

    def transport(self) -> httpx.MockTransport:
        """Return the way to it."""
        return httpx.MockTransport(self._answer)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.away is not None:
            raise self.away
        if str(request.url) == METADATA_URL:
            return self._json(self.metadata)
        self.fetches += 1
        return self._json(self.key_set)

    def _json(self, content: Any) -> httpx.Response:
        if isinstance(content, httpx.Response):
            return httpx.Response(content.status_code, content=content.content)
        return httpx.Response(200, json=content)
