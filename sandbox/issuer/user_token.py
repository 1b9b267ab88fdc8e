"""Gets a token for a user as Salesforce does: by a JWT bearer assertion (RFC 7523) signed with the client's key."""

import json
import time
import uuid
from pathlib import Path

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey

from sandbox.issuer.clients import JWT_BEARER

_ASSERTION_LIFE_S = 120


def user_token(issuer_url: str, state_dir: Path, user_id: str, client_id: str = "salesforce-lightning") -> str:
    """Return an access token for the client's default audience and a Salesforce user (005…).

    `state_dir` is the issuer's own, which has the clients' keys. Raises httpx.HTTPStatusError if the issuer refuses.
    """
    clients = json.loads((state_dir / "clients.json").read_text())
    now = int(time.time())
    claims = {
        "iss": client_id,
        "sub": user_id,
        "aud": f"{issuer_url}/token",
        "iat": now,
        "exp": now + _ASSERTION_LIFE_S,
        "jti": uuid.uuid4().hex,
    }
    assertion = jwt.encode({"alg": "RS256"}, claims, RSAKey.import_key(clients[client_id]["private_key_pem"]))
    answer = httpx.post(
        f"{issuer_url}/token", data={"grant_type": JWT_BEARER, "assertion": assertion}, timeout=10
    ).raise_for_status()
    return str(answer.json()["access_token"])
