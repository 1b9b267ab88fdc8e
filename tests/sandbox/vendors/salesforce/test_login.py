"""OAuth and SOAP logins, sessions, and the credentials file."""

import base64
import hashlib
import hmac
import json
import stat
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from sandbox.vendors.salesforce.app import create_app
from sandbox.vendors.salesforce.org.credentials import load_credentials
from sandbox.vendors.salesforce.settings import SalesforceSandboxSettings
from tests.sandbox.vendors.salesforce.conftest import API, CLIENT_KEY, INSTANCE_URL, Org

TOKEN = "/services/oauth2/token"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
BASIC = ("the-client", "the-secret")
CLIENT = {"client_id": "the-client", "client_secret": "the-secret"}
USER = {"username": "integration@nordwind.example", "password": "the-password"}


def _assertion(key: RSAKey = CLIENT_KEY, **changed: Any) -> str:
    claims = {
        "iss": "the-client",
        "sub": "bo.west@nordwind.example",
        "aud": "https://login.salesforce.com",
        "exp": int(time.time()) + 120,
    }
    # What is a type changes how the claim is written; its moment is reckoned now, not when the tests were collected.
    written = {name: change(claims[name]) if isinstance(change, type) else change for name, change in changed.items()}
    return jwt.encode({"alg": "RS256"}, {**claims, **written}, key)


async def _log_in(org: Org, form: dict[str, str], auth: tuple[str, str] | None = None) -> httpx.Response:
    org.http.headers.pop("Authorization", None)
    return await org.http.post(TOKEN, data=form, auth=auth or httpx.USE_CLIENT_DEFAULT)


async def _can_call(org: Org, token: str, scheme: str = "Bearer") -> bool:
    answer = await org.http.get(f"{API}/limits", headers={"Authorization": f"{scheme} {token}"})
    return answer.status_code == 200


@pytest.mark.parametrize(
    ("form", "auth"),
    [
        ({"grant_type": "client_credentials"}, BASIC),
        ({"grant_type": "client_credentials", **CLIENT}, None),
        ({"grant_type": "password", **CLIENT, **USER}, None),
        ({"grant_type": "password", **CLIENT, **USER, "password": "the-passwordthe-token"}, None),
        ({"grant_type": "password", **USER}, BASIC),
    ],
)
async def test_oauth_logins(org: Org, form: dict[str, str], auth: tuple[str, str] | None) -> None:
    answer = await _log_in(org, form, auth)
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert content["instance_url"] == INSTANCE_URL
    assert content["id"] == f"{INSTANCE_URL}/id/00DQW00000000012AA/005QW0000000009YAA"
    assert (content["token_type"], content["scope"]) == ("Bearer", "api")
    assert content["access_token"].startswith("00DQW0000000001!")
    digest = hmac.new(b"the-secret", f"{content['id']}{content['issued_at']}".encode(), hashlib.sha256).digest()
    assert content["signature"] == base64.b64encode(digest).decode()
    assert await _can_call(org, content["access_token"])
    assert await _can_call(org, content["access_token"], "OAuth")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "invalid_client_id"),
        ({"grant_type": "client_credentials", **CLIENT, "client_id": "other"}, "invalid_client_id"),
        ({"grant_type": "client_credentials", **CLIENT, "client_secret": "other"}, "invalid_client"),
        ({"grant_type": "password", **CLIENT, **USER, "password": "the-token"}, "invalid_grant"),
        ({"grant_type": "password", **CLIENT, **USER, "username": "bo.west@nordwind.example"}, "invalid_grant"),
        ({"grant_type": JWT_BEARER}, "invalid_grant"),
        ({"grant_type": JWT_BEARER, "assertion": "a.b.c"}, "invalid_grant"),
    ],
)
async def test_refused_oauth_logins(org: Org, form: dict[str, str], error: str) -> None:
    answer = await _log_in(org, form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["error_description"]


@pytest.mark.parametrize("header", ["Basic %%%", "Basic bm8tY29sb24=", "Bearer token"])
async def test_a_wrong_basic_header_is_refused(org: Org, header: str) -> None:
    form = {"grant_type": "client_credentials", **CLIENT}
    answer = await org.http.post(TOKEN, data=form, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"aud": "https://test.salesforce.com"},
        {"aud": INSTANCE_URL},
        {"aud": f"{INSTANCE_URL}{TOKEN}"},
        {"exp": str},  # a string, as some clients send it
        {"sub": None, "prn": "bo.west@nordwind.example"},
    ],
)
async def test_jwt_bearer_logs_in_the_named_user(org: Org, changed: dict[str, Any]) -> None:
    answer = await _log_in(org, {"grant_type": JWT_BEARER, "assertion": _assertion(**changed)})
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"].endswith("/005QW0000000002YAA")
    assert await _can_call(org, answer.json()["access_token"])


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"iss": "other"}, "invalid_client_id"),
        ({"aud": "https://elsewhere.test"}, "invalid_grant"),
        ({"aud": None}, "invalid_grant"),
        ({"exp": 1}, "invalid_grant"),
        ({"exp": None}, "invalid_grant"),
        ({"exp": 2**40}, "invalid_grant"),
        ({"sub": "nobody@nordwind.example"}, "invalid_grant"),
        ({"key": RSAKey.generate_key(2048)}, "invalid_grant"),
    ],
)
async def test_a_wrong_assertion_is_refused(org: Org, changed: dict[str, Any], error: str) -> None:
    answer = await _log_in(org, {"grant_type": JWT_BEARER, "assertion": _assertion(**changed)})
    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_an_assertion_with_a_jti_works_once(org: Org) -> None:
    form = {"grant_type": JWT_BEARER, "assertion": _assertion(jti=uuid.uuid4().hex)}
    assert (await _log_in(org, form)).status_code == 200
    assert (await _log_in(org, form)).json()["error"] == "invalid_grant"


async def test_user_info(org: Org) -> None:
    for path in ("/services/oauth2/userinfo", "/id/00DQW00000000012AA/005QW0000000009YAA"):
        info = (await org.http.get(path)).json()
        assert info["user_id"] == "005QW0000000009YAA"
        assert info["preferred_username"] == USER["username"]
        refused = await org.http.get(path, headers={"Authorization": "Bearer x"})
        assert (refused.status_code, refused.text) == (403, "Bad_OAuth_Token")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "INVALID_SESSION_ID"),
        ("Bearer", "INVALID_SESSION_ID"),
        ("Bearer 00DQW0000000001!nothing", "INVALID_SESSION_ID"),
        ("Basic dGhlLWNsaWVudDp0aGUtc2VjcmV0", "INVALID_AUTH_HEADER"),
    ],
)
async def test_a_call_needs_a_session(org: Org, header: str, code: str) -> None:
    for path in ("/limits", "/sobjects/Account/001QW0000000001", "/nothing"):
        assert await org.error("GET", path, headers={"Authorization": header}) == (401, code)


async def test_closed_sessions_stop_working(org: Org) -> None:
    assert (await org.http.delete("/_sandbox/sessions")).json() == {"closed": 1}
    assert await org.error("GET", "/limits") == (401, "INVALID_SESSION_ID")


async def test_sessions_expire(settings: SalesforceSandboxSettings) -> None:
    transport = httpx.ASGITransport(create_app(replace(settings, session_life_s=0)))
    async with httpx.AsyncClient(transport=transport, base_url=INSTANCE_URL) as http:
        org = Org(http)
        answer = await _log_in(org, {"grant_type": "client_credentials", **CLIENT})
        assert not await _can_call(org, answer.json()["access_token"])


class TestSoap:
    @staticmethod
    async def _log_in(org: Org, version: str = "59.0", password: str = "", body: str = "") -> httpx.Response:
        password = password or "the-passwordthe-token"
        envelope = body or (
            '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
            '<n:login xmlns:n="urn:partner.soap.sforce.com">'
            f"<n:username>{USER['username']}</n:username><n:password>{password}</n:password></n:login></e:Body></e:Envelope>"
        )
        return await org.http.post(f"/services/Soap/u/{version}", content=envelope, headers={"SOAPAction": "login"})

    async def test_login(self, org: Org) -> None:
        answer = await self._log_in(org)
        assert answer.status_code == 200
        values = {one.tag.rpartition("}")[2]: one.text for one in ET.fromstring(answer.text).iter()}  # noqa: S314 - our own answer
        assert str(values["serverUrl"]).startswith(f"{INSTANCE_URL}/services/Soap/u/59.0/00D")
        assert values["sessionSecondsValid"] == "7200"
        assert values["userId"] == "005QW0000000009YAA"
        assert await _can_call(org, str(values["sessionId"]))

    @pytest.mark.parametrize(
        ("changed", "code"),
        [
            ({"password": "wrong"}, "INVALID_LOGIN"),
            ({"version": "30.0"}, "UNSUPPORTED_API_VERSION"),
            ({"version": "x"}, "UNSUPPORTED_API_VERSION"),
            ({"version": "65.0"}, "INVALID_OPERATION"),
            ({"body": "<a>"}, "INVALID_SOAP_HEADER"),
            ({"body": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}, "INVALID_SOAP_HEADER"),
            ({"body": "<a/>"}, "INVALID_OPERATION"),
        ],
    )
    async def test_faults(self, org: Org, changed: dict[str, str], code: str) -> None:
        answer = await self._log_in(org, **changed)
        assert answer.status_code == 500
        assert f"<sf:exceptionCode>{code}</sf:exceptionCode>" in answer.text
        assert answer.headers["content-type"].startswith("text/xml")


class TestCredentialsFile:
    def test_a_missing_file_is_generated_for_its_owner_only(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "salesforce.json"
        first = load_credentials(path, "user@nordwind.example")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert first == load_credentials(path, "another@nordwind.example")
        assert first.username == "user@nordwind.example"
        private = RSAKey.import_key(json.loads(path.read_text())["client_private_key_pem"])
        assert private.as_pem(private=False).decode() == first.client_public_key_pem

    @pytest.mark.parametrize(
        ("content", "says"),
        [("{", "is not JSON"), ("{}", "lacks client_id"), (json.dumps({**CLIENT, **USER}), "lacks security_token")],
    )
    def test_a_wrong_file_is_refused(self, tmp_path: Path, content: str, says: str) -> None:
        path = tmp_path / "salesforce.json"
        path.write_text(content)
        with pytest.raises(ValueError, match=says):
            load_credentials(path, "user@nordwind.example")

    def test_the_user_must_be_in_the_seed(self, settings: SalesforceSandboxSettings, tmp_path: Path) -> None:
        path = tmp_path / "salesforce.json"
        path.write_text(json.dumps({**CLIENT, **USER, "username": "nobody", "security_token": "x"}))
        with pytest.raises(ValueError, match="no user nobody"):
            create_app(replace(settings, credentials_file=path))
