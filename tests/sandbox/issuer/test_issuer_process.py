"""The issuer as its users meet it: a process, found by its metadata address, used by a client library."""

import json
import stat
import warnings
from pathlib import Path
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from tests.sandbox.issuer.conftest import IssuerProcess, start_issuer

with warnings.catch_warnings():
    # Authlib asks for httpx2 on import; the project runs on httpx, which Authlib still supports. Importing
    # authlib.deprecate installs a filter of its own, so the ignoring filter comes after it.
    import authlib.deprecate

    warnings.simplefilter("ignore", authlib.deprecate.AuthlibDeprecationWarning)
    from authlib.integrations.httpx_client import AsyncAssertionClient, AsyncOAuth2Client


async def _verify(metadata: dict[str, Any], token: str) -> jwt.Token:
    async with httpx.AsyncClient() as http:
        key_set = KeySet.import_key_set((await http.get(metadata["jwks_uri"])).json())
    verified = jwt.decode(token, key_set, algorithms=["RS256", "ES256"])
    jwt.JWTClaimsRegistry(iss={"essential": True, "value": metadata["issuer"]}).validate(verified.claims)
    return verified


async def _metadata(issuer: IssuerProcess) -> dict[str, Any]:
    async with httpx.AsyncClient() as http:
        content: dict[str, Any] = (await http.get(f"{issuer.url}/.well-known/openid-configuration")).json()
    return content


async def test_client_library_gets_a_verifiable_token_by_both_authentication_methods(
    issuer_process: IssuerProcess,
) -> None:
    metadata = await _metadata(issuer_process)
    secret = issuer_process.credentials["process-api"]["client_secret"]
    for method in metadata["token_endpoint_auth_methods_supported"]:
        async with AsyncOAuth2Client("process-api", secret, token_endpoint_auth_method=method) as client:
            answer = await client.fetch_token(
                metadata["token_endpoint"], grant_type="client_credentials", scope="crm:read", tenant="nordwind"
            )
        token = await _verify(metadata, answer["access_token"])
        assert token.header["typ"] == "at+jwt"
        assert token.claims["aud"] == "quoteway-system"
        assert token.claims["scope"] == "crm:read"
        assert token.claims["tenant"] == "nordwind"
        assert token.claims["sub"] == token.claims["client_id"] == "process-api"


async def test_client_library_exchanges_an_assertion_for_a_user(issuer_process: IssuerProcess) -> None:
    metadata = await _metadata(issuer_process)
    async with AsyncAssertionClient(
        metadata["token_endpoint"],
        issuer="salesforce-lightning",
        subject="005QW0000000001",
        key=RSAKey.import_key(issuer_process.credentials["salesforce-lightning"]["private_key_pem"]),
        header={"alg": "RS256"},
        expires_in=120,
    ) as client:
        await client.refresh_token()
        token = await _verify(metadata, client.token["access_token"])
    assert token.claims["sub"] == "005QW0000000001"
    assert token.claims["client_id"] == "salesforce-lightning"
    assert token.claims["tenant"] == "nordwind"


async def test_rotation_changes_the_signing_key_and_old_tokens_still_verify(issuer_process: IssuerProcess) -> None:
    metadata = await _metadata(issuer_process)
    secret = issuer_process.credentials["integration-operator"]["client_secret"]
    tokens = []
    async with AsyncOAuth2Client("integration-operator", secret) as client, httpx.AsyncClient() as http:
        for algorithm in ("RS256", "ES256", None):
            rotation = await http.post(f"{issuer_process.url}/_sandbox/rotate", params={"alg": algorithm or "RS256"})
            answer = await client.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
            tokens.append(answer["access_token"])
            header = (await _verify(metadata, answer["access_token"])).header
            assert header["kid"] == rotation.json()["kid"]
            assert header["alg"] == rotation.json()["alg"]
    assert len({(await _verify(metadata, token)).header["kid"] for token in tokens}) == 3


def test_secrets_are_private_and_outlive_a_restart(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    first = start_issuer(state_dir)
    first.process.stop()
    assert first.process.exit_code == 0
    for name in ("clients.json", "keys.json"):
        assert stat.S_IMODE((state_dir / name).stat().st_mode) == 0o600
    before = {name: json.loads((state_dir / name).read_text()) for name in ("clients.json", "keys.json")}
    second = start_issuer(state_dir)
    second.process.stop()
    assert before == {name: json.loads((state_dir / name).read_text()) for name in ("clients.json", "keys.json")}
    assert len({entry["client_secret"] for entry in before["clients.json"].values()}) == len(before["clients.json"])
