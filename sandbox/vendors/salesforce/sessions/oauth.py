"""Salesforce's OAuth endpoints: client credentials (Basic and form), JWT bearer, password; userinfo and identity."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import unquote_plus

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from sandbox.vendors.salesforce.catalogue import USER
from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.org.org import Org

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_LIFE_MAX_S = 300
SCOPE = "api"


class OAuthError(Exception):
    """A refused login, in RFC 6749's form with Salesforce's wording; the status is always 400."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


class OAuthEndpoints:
    def __init__(self, org: Org) -> None:
        self._org = org
        self._used_assertions: dict[str, int] = {}

    async def token(self, request: Request) -> Response:
        async with request.form() as form:
            parameters = {name: value for name, value in form.items() if isinstance(value, str)}
        try:
            self._org.refusals.check("POST", request.url.path)
            user_id = self._log_in(parameters, request.headers.get("authorization"))
        except SalesforceError as error:
            return JSONResponse(error.as_items(), status_code=error.status)
        except OAuthError as error:
            content = {"error": error.error, "error_description": error.description}
            return JSONResponse(content, status_code=400, headers={"Cache-Control": "no-store"})
        return JSONResponse(self._token_answer(user_id), headers={"Cache-Control": "no-store"})

    def _log_in(self, form: dict[str, str], authorization: str | None) -> str:
        """Return the id of the user who is now logged in."""
        grant_type = form.get("grant_type")
        if grant_type == JWT_BEARER:
            return self._check_assertion(form.get("assertion", ""))
        if grant_type not in ("client_credentials", "password"):
            raise OAuthError("unsupported_grant_type", "grant type not supported")
        client_id, client_secret = _client_of(form, authorization)
        credentials = self._org.credentials
        if client_id != credentials.client_id:
            raise OAuthError("invalid_client_id", "client identifier invalid")
        if not credentials.is_client(client_id, client_secret):
            raise OAuthError("invalid_client", "invalid client credentials")
        if grant_type == "password":
            right_user = form.get("username", "").casefold() == credentials.username.casefold()
            if not right_user or not credentials.is_password(form.get("password", "")):
                raise OAuthError("invalid_grant", "authentication failure")
        return self._user_named(credentials.username)

    def _check_assertion(self, assertion: str) -> str:
        claims = self._verify(assertion)
        audience = claims.get("aud")
        if audience not in self._audiences():
            raise OAuthError("invalid_grant", "audience is invalid")
        expires_at = _whole_seconds(claims.get("exp"))
        now = int(time.time())
        if expires_at is None or expires_at <= now:
            raise OAuthError("invalid_grant", "expired authorization code")
        if expires_at > now + ASSERTION_LIFE_MAX_S:
            raise OAuthError("invalid_grant", f"exp must be within {ASSERTION_LIFE_MAX_S} seconds")
        self._refuse_replay(claims.get("jti"), expires_at)
        return self._user_named(str(claims.get("sub") or claims.get("prn")))

    def _verify(self, assertion: str) -> dict[str, Any]:
        """Check the signature with the registered key; `iss` must be the client that it is registered for."""
        public_key_pem = self._org.credentials.client_public_key_pem
        try:
            unverified = json.loads(jws.extract_compact(assertion.encode()).payload)
            if not isinstance(unverified, dict) or unverified.get("iss") != self._org.credentials.client_id:
                raise OAuthError("invalid_client_id", "client identifier invalid")
            if public_key_pem is None:
                raise OAuthError("invalid_grant", "this client has no certificate: add client_public_key_pem")
            return jwt.decode(assertion, RSAKey.import_key(public_key_pem), algorithms=["RS256"]).claims
        except (JoseError, ValueError) as error:
            raise OAuthError("invalid_grant", "invalid assertion") from error

    def _refuse_replay(self, jti: object, expires_at: int) -> None:
        """Salesforce does not ask for a jti; one that is given may be used once."""
        if not isinstance(jti, str):
            return
        self._used_assertions = {used: end for used, end in self._used_assertions.items() if end > time.time()}
        if jti in self._used_assertions:
            raise OAuthError("invalid_grant", "JWT has already been used")
        self._used_assertions[jti] = expires_at

    def _audiences(self) -> tuple[str, ...]:
        own = self._org.settings.instance_url
        return ("https://login.salesforce.com", "https://test.salesforce.com", own, f"{own}/services/oauth2/token")

    def _user_named(self, username: str) -> str:
        user_id = self._org.user_id_of(username)
        if user_id is None:
            raise OAuthError("invalid_grant", "user hasn't approved this consumer")
        return user_id

    def _token_answer(self, user_id: str) -> dict[str, str]:
        issued_at = str(time.time_ns() // 1_000_000)
        identity = self._identity_url(user_id)
        key = self._org.credentials.client_secret.encode()
        signature = hmac.new(key, f"{identity}{issued_at}".encode(), hashlib.sha256).digest()
        return {
            "access_token": self._org.sessions.open(user_id),
            "signature": base64.b64encode(signature).decode(),
            "scope": SCOPE,
            "instance_url": self._org.settings.instance_url,
            "id": identity,
            "token_type": "Bearer",
            "issued_at": issued_at,
        }

    def _identity_url(self, user_id: str) -> str:
        return f"{self._org.settings.instance_url}/id/{self._org.profile.organization_id}/{user_id}"

    async def user_info(self, request: Request) -> Response:
        """Userinfo and the identity address: who the access token stands for."""
        try:
            user_id = self._org.sessions.user_of(request.headers.get("authorization"))
        except SalesforceError:
            return PlainTextResponse("Bad_OAuth_Token", status_code=403)
        user = self._org.store.require(USER, user_id)
        data_url = f"{self._org.settings.instance_url}/services/data/v{{version}}/"
        return JSONResponse(
            {
                "sub": self._identity_url(user_id),
                "user_id": user_id,
                "organization_id": self._org.profile.organization_id,
                "preferred_username": user["Username"],
                "name": user["Name"],
                "email": user["Email"],
                "active": user["IsActive"],
                "user_type": "STANDARD",
                "language": "en_US",
                "locale": "en_US",
                "zoneinfo": "GMT",
                "urls": {"rest": data_url, "sobjects": f"{data_url}sobjects/", "query": f"{data_url}query/"},
            }
        )


def _client_of(form: dict[str, str], authorization: str | None) -> tuple[str, str]:
    if authorization is None:
        return form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, encoded = authorization.partition(" ")
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise OAuthError("invalid_client", "invalid client credentials") from error
    client_id, separator, secret = decoded.partition(":")
    if scheme.lower() != "basic" or not separator:
        raise OAuthError("invalid_client", "invalid client credentials")
    return unquote_plus(client_id), unquote_plus(secret)


def _whole_seconds(value: object) -> int | None:
    """simple-salesforce sends exp as text, which Salesforce accepts."""
    if isinstance(value, str) and value.isdigit() and len(value) < 15:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
