"""Every rule of the token endpoint, and the code it answers when the rule is broken."""

import time
import uuid
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from sandbox.issuer.settings import IssuerSettings

ASSERTION_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
USER_ID = "005QW0000000001"
Credentials = dict[str, Any]


def _form(credentials: Credentials, client_id: str = "integration-operator", **more: str) -> dict[str, str]:
    secret = credentials[client_id]["client_secret"]
    return {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, **more}


def _assertion(credentials: Credentials, *, key: str | None = None, **changed: object) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": "salesforce-lightning",
        "sub": USER_ID,
        "aud": "http://issuer.test/token",
        "iat": now,
        "exp": now + 120,
        "jti": uuid.uuid4().hex,
    }
    claims.update(changed)
    claims = {name: value for name, value in claims.items() if value is not None}
    signing_key = RSAKey.import_key(key or credentials["salesforce-lightning"]["private_key_pem"])
    return jwt.encode({"alg": "RS256"}, claims, signing_key)


async def _claims(issuer: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    key_set = KeySet.import_key_set((await issuer.get("/jwks")).json())
    return jwt.decode(answer.json()["access_token"], key_set, algorithms=["RS256", "ES256"]).claims


async def test_both_metadata_documents_agree(issuer: httpx.AsyncClient) -> None:
    oauth = (await issuer.get("/.well-known/oauth-authorization-server")).json()
    assert oauth == (await issuer.get("/.well-known/openid-configuration")).json()
    assert oauth["issuer"] == "http://issuer.test"
    assert oauth["token_endpoint"] == "http://issuer.test/token"
    assert oauth["jwks_uri"] == "http://issuer.test/jwks"
    assert "flows:write" in oauth["scopes_supported"]


async def test_jwks_holds_both_algorithms_and_nothing_private(issuer: httpx.AsyncClient) -> None:
    keys = (await issuer.get("/jwks")).json()["keys"]
    assert {key["alg"] for key in keys} >= {"RS256", "ES256"}
    assert not {"d", "p", "q", "dp", "dq", "qi"} & {name for key in keys for name in key}


async def test_token_says_what_rfc_9068_requires(
    issuer: httpx.AsyncClient, credentials: Credentials, settings: IssuerSettings
) -> None:
    answer = await issuer.post("/token", data=_form(credentials))
    claims = await _claims(issuer, answer)
    assert set(claims) == {"iss", "sub", "aud", "client_id", "scope", "tenant", "iat", "exp", "jti"}
    assert claims["exp"] - claims["iat"] == settings.ttl_s == answer.json()["expires_in"]
    assert claims["aud"] == "quoteway-process"
    scopes = "orders:read accounts:read quotes:read flows:read flows:write tokens:revoke"
    assert claims["scope"] == answer.json()["scope"] == scopes
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["token_type"] == "Bearer"


@pytest.mark.parametrize("parameter", ["audience", "resource"])
async def test_audience_is_chosen(issuer: httpx.AsyncClient, credentials: Credentials, parameter: str) -> None:
    form = _form(credentials, scope="orders:read", **{parameter: "quoteway-experience"})
    claims = await _claims(issuer, await issuer.post("/token", data=form))
    assert (claims["aud"], claims["scope"]) == ("quoteway-experience", "orders:read")


@pytest.mark.parametrize(
    ("client_id", "more", "code"),
    [
        ("integration-operator", {"audience": "quoteway-system"}, "invalid_target"),
        ("integration-operator", {"audience": "quoteway-process", "resource": "quoteway-experience"}, "invalid_target"),
        ("integration-operator", {"scope": "erp:write"}, "invalid_scope"),
        ("integration-operator", {"scope": "flows:read", "audience": "quoteway-experience"}, "invalid_scope"),
        ("integration-operator", {"grant_type": "password"}, "unsupported_grant_type"),
        ("integration-operator", {"grant_type": ""}, "invalid_request"),
        ("integration-operator", {"tenant": "other"}, "invalid_request"),
        ("process-api", {}, "invalid_request"),
        ("process-api", {"tenant": "*"}, "invalid_request"),
        ("process-api", {"tenant": "x" * 41}, "invalid_request"),
        ("process-api", {"grant_type": ASSERTION_GRANT}, "invalid_request"),
    ],
)
async def test_a_wrong_request_is_refused_with_its_code(
    issuer: httpx.AsyncClient, credentials: Credentials, client_id: str, more: dict[str, str], code: str
) -> None:
    answer = await issuer.post("/token", data=_form(credentials, client_id, **more))
    assert (answer.status_code, answer.json()["error"]) == (400, code)
    assert answer.json()["error_description"]
    assert answer.headers["cache-control"] == "no-store"


async def test_any_tenant_client_names_the_tenant(issuer: httpx.AsyncClient, credentials: Credentials) -> None:
    answer = await issuer.post("/token", data=_form(credentials, "experience-api", tenant="some-tenant-2"))
    assert (await _claims(issuer, answer))["tenant"] == "some-tenant-2"


async def test_client_authentication_failures_are_401(issuer: httpx.AsyncClient, credentials: Credentials) -> None:
    form = {"grant_type": "client_credentials"}
    secret = credentials["process-api"]["client_secret"]
    refused = [
        await issuer.post("/token", data=form),
        await issuer.post("/token", data=form, auth=("process-api", "wrong")),
        await issuer.post("/token", data=form, auth=("nobody", secret)),
        await issuer.post("/token", data=form, headers={"Authorization": "Basic %%%"}),
        await issuer.post("/token", data=form, headers={"Authorization": "Basic bm8tY29sb24="}),
        await issuer.post("/token", data=form, headers={"Authorization": f"Bearer {secret}"}),
        await issuer.post("/token", data={**_form(credentials), "client_secret": "wrong"}),
    ]
    for answer in refused:
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic")


async def test_two_authentication_methods_at_once_are_refused(
    issuer: httpx.AsyncClient, credentials: Credentials
) -> None:
    form = _form(credentials)
    answer = await issuer.post("/token", data=form, auth=(form["client_id"], form["client_secret"]))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_transport_faults_are_refused(issuer: httpx.AsyncClient, credentials: Credentials) -> None:
    as_json = await issuer.post("/token", json=_form(credentials))
    assert (as_json.status_code, as_json.json()["error"]) == (400, "invalid_request")
    twice = await issuer.post("/token", data={"scope": ["orders:read", "orders:read"], **_form(credentials)})
    assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")
    by_get = await issuer.get("/token")
    assert (by_get.status_code, by_get.json()["error"]) == (405, "invalid_request")
    assert (await issuer.post("/token", data=_form(credentials, scope="x" * 70_000))).status_code == 413
    assert (await issuer.post("/_sandbox/rotate", params={"alg": "HS256"})).status_code == 400


async def test_assertion_grants_the_users_token(issuer: httpx.AsyncClient, credentials: Credentials) -> None:
    for audience in ("http://issuer.test/token", "http://issuer.test", ["elsewhere", "http://issuer.test"]):
        form = {"grant_type": ASSERTION_GRANT, "assertion": _assertion(credentials, aud=audience)}
        claims = await _claims(issuer, await issuer.post("/token", data=form))
        assert (claims["sub"], claims["client_id"]) == (USER_ID, "salesforce-lightning")
        assert claims["aud"] == "quoteway-experience"
        assert claims["salesforce_user"] == "005QW0000000001YAA"


async def test_a_services_token_names_no_user(issuer: httpx.AsyncClient, credentials: Credentials) -> None:
    claims = await _claims(issuer, await issuer.post("/token", data=_form(credentials)))
    assert "salesforce_user" not in claims


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "process-api"},
        {"iss": "nobody"},
        {"iss": None},
        {"sub": None},
        {"sub": "ada.sales@nordwind.example"},
        {"sub": "001QW0000000001"},
        {"sub": "005QW0000000001ZAA"},
        {"aud": "http://elsewhere.test/token"},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 2**40},
        {"iat": 2**40},
        {"nbf": 2**40},
        {"jti": None},
        {"jti": "x" * 201},
    ],
    ids=lambda changed: "-".join(f"{name}={value}"[:24] for name, value in changed.items()),
)
async def test_a_wrong_assertion_is_refused(
    issuer: httpx.AsyncClient, credentials: Credentials, changed: dict[str, Any]
) -> None:
    form = {"grant_type": ASSERTION_GRANT, "assertion": _assertion(credentials, **changed)}
    answer = await issuer.post("/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_an_assertion_may_live_five_minutes_and_no_longer(
    issuer: httpx.AsyncClient, credentials: Credentials
) -> None:
    now = int(time.time())
    within = {"grant_type": ASSERTION_GRANT, "assertion": _assertion(credentials, exp=now + 299)}
    beyond = {"grant_type": ASSERTION_GRANT, "assertion": _assertion(credentials, exp=now + 310)}
    assert (await issuer.post("/token", data=within)).status_code == 200
    assert (await issuer.post("/token", data=beyond)).json()["error"] == "invalid_grant"


async def test_an_assertion_works_once(issuer: httpx.AsyncClient, credentials: Credentials) -> None:
    form = {"grant_type": ASSERTION_GRANT, "assertion": _assertion(credentials)}
    assert (await issuer.post("/token", data=form)).status_code == 200
    again = await issuer.post("/token", data=form)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert "used before" in again.json()["error_description"]


async def test_an_assertion_must_be_signed_with_the_registered_key(
    issuer: httpx.AsyncClient, credentials: Credentials
) -> None:
    stranger = RSAKey.generate_key(2048).as_pem(private=True).decode()
    good = _assertion(credentials)
    header, payload, signature = good.split(".")
    unsigned = "eyJhbGciOiJub25lIn0." + payload + "."
    for assertion in (
        _assertion(credentials, key=stranger),
        f"{header}.{payload}.{signature[:-8]}AAAAAAAA",
        unsigned,
        "not-a-jwt",
        "e30.W10.AA",
        "x" * 9000,
    ):
        answer = await issuer.post("/token", data={"grant_type": ASSERTION_GRANT, "assertion": assertion})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_an_assertion_with_client_authentication_needs_the_same_client(
    issuer: httpx.AsyncClient, credentials: Credentials
) -> None:
    form = {"grant_type": ASSERTION_GRANT, "assertion": _assertion(credentials)}
    other = await issuer.post("/token", data=form, auth=("process-api", credentials["process-api"]["client_secret"]))
    assert other.json()["error"] == "invalid_grant"
    own = ("salesforce-lightning", credentials["salesforce-lightning"]["client_secret"])
    assert (await issuer.post("/token", data=form, auth=own)).status_code == 200


async def test_issued_tokens_are_in_the_journal_and_refused_ones_are_not(
    issuer: httpx.AsyncClient, credentials: Credentials
) -> None:
    path = "/_sandbox/journal?object_type=access_token"
    before = (await issuer.get(path)).json()["entries"]
    await issuer.post("/token", data=_form(credentials, scope="nonsense"))
    answer = await issuer.post("/token", data=_form(credentials), headers={"X-Request-Id": "request-7"})
    added = (await issuer.get(path)).json()["entries"][len(before) :]
    assert [entry["request_id"] for entry in added] == ["request-7"]
    assert added[0]["object_id"] == (await _claims(issuer, answer))["jti"]
    assert "access_token" not in added[0]["data"]
