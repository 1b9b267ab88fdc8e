"""A client may use the grants it is registered for, and no longer those it was registered for once."""

import json
import time
import uuid
from pathlib import Path

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey

from sandbox.issuer.app import create_app
from sandbox.issuer.settings import IssuerSettings

ISSUER_URL = "http://issuer.test"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def _registration(grant: str) -> str:
    return f'[[client]]\nclient_id = "c"\ntenant = "t"\ngrants = ["{grant}"]\naudience."x" = ["r"]\n'


async def _ask_both_ways(settings: IssuerSettings) -> list[str]:
    """The answers' error codes, or "" for a token: by client credentials, and by an assertion."""
    transport = httpx.ASGITransport(create_app(settings))
    credentials = json.loads((settings.state_dir / "clients.json").read_text())["c"]
    now = int(time.time())
    claims = {"iss": "c", "sub": "005QW0000000001", "aud": ISSUER_URL, "exp": now + 60, "jti": uuid.uuid4().hex}
    forms = [{"grant_type": "client_credentials", "client_id": "c", "client_secret": credentials["client_secret"]}]
    if "private_key_pem" in credentials:
        assertion = jwt.encode({"alg": "RS256"}, claims, RSAKey.import_key(credentials["private_key_pem"]))
        forms.append({"grant_type": JWT_BEARER, "assertion": assertion})
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER_URL) as http:
        answers = [await http.post("/token", data=form) for form in forms]
    assert {answer.status_code for answer in answers} <= {200, 400}
    return [answer.json().get("error", "") for answer in answers]


async def test_grants_follow_the_registration(tmp_path: Path) -> None:
    registration = tmp_path / "clients.toml"
    settings = IssuerSettings(ISSUER_URL, tmp_path / "state", registration)
    registration.write_text(_registration(JWT_BEARER))
    assert await _ask_both_ways(settings) == ["unauthorized_client", ""]
    # Its key is still in the state folder, and its holder may not use it any more.
    registration.write_text(_registration("client_credentials"))
    assert await _ask_both_ways(settings) == ["", "unauthorized_client"]
