"""The token endpoint's rules: client (RFC 6749, RFC 7523), audience (RFC 8707), scopes and tenant."""

import base64
import binascii
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from joserfc import jws, jwt
from joserfc.errors import JoseError

from sandbox.issuer.clients import ANY_TENANT, CLIENT_CREDENTIALS, JWT_BEARER, Client
from sandbox.vendors.salesforce.records.ids import normalize

ASSERTION_LIFE_MAX_S = 300
ASSERTION_SIZE_MAX_BYTES = 8192
# A client whose clock is fast may date its assertion a little into our future.
CLOCK_SKEW_MAX_S = 60
_TENANT = re.compile(r"[a-z0-9-]{1,40}")


class GrantError(Exception):
    """A refused token request: `error` is RFC 6749's (or RFC 8707's) code, the text says what to change."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True, slots=True)
class Grant:
    """The content of a token: its subject, audience and rights.

    `user` is the Salesforce user that it is issued for, in the 18-character spelling; None for a service.
    """

    client_id: str
    subject: str
    audience: str
    scopes: tuple[str, ...]
    tenant: str
    user: str | None = None
    legal_entities: tuple[str, ...] | None = None


class TokenGrants:
    """Decides token requests for `clients`; remembers used assertions (in this process) until they expire."""

    def __init__(self, clients: Mapping[str, Client], assertion_audiences: tuple[str, ...]) -> None:
        self._clients = clients
        self._assertion_audiences = assertion_audiences
        self._used_assertions: dict[tuple[str, str], int] = {}

    def decide(self, form: Mapping[str, str], authorization: str | None) -> Grant:
        """Return the grant. Raises GrantError with the code and status to answer."""
        grant_type = _required(form, "grant_type")
        user: str | None = None
        if grant_type == CLIENT_CREDENTIALS:
            client = self._authenticate(form, authorization)
            _require_grant(client, grant_type)
            subject = client.client_id
        elif grant_type == JWT_BEARER:
            client, subject = self._accept_assertion(form, authorization)
            user = normalize(subject)
        else:
            raise GrantError("unsupported_grant_type", f"use {CLIENT_CREDENTIALS} or {JWT_BEARER}")
        audience = _choose_audience(client, form)
        return Grant(
            client_id=client.client_id,
            subject=subject,
            audience=audience,
            scopes=_choose_scopes(client, audience, form.get("scope", "")),
            tenant=_choose_tenant(client, form.get("tenant")),
            user=user,
            legal_entities=client.legal_entities,
        )

    def _authenticate(self, form: Mapping[str, str], authorization: str | None) -> Client:
        if authorization is not None:
            client_id, secret = _basic_credentials(authorization)
            if "client_secret" in form or form.get("client_id", client_id) != client_id:
                raise GrantError("invalid_request", "authenticate in the Authorization header or in the form, not both")
        elif "client_id" in form and "client_secret" in form:
            client_id, secret = form["client_id"], form["client_secret"]
        else:
            raise GrantError("invalid_client", "send client_id and client_secret, by HTTP Basic or form", status=401)
        client = self._clients.get(client_id)
        if client is None or not client.has_secret(secret):
            raise GrantError("invalid_client", "unknown client or wrong secret", status=401)
        return client

    def _accept_assertion(self, form: Mapping[str, str], authorization: str | None) -> tuple[Client, str]:
        """Check an assertion (RFC 7523, section 3). Client authentication is optional there: the signature
        identifies the client.
        """
        assertion = _required(form, "assertion")
        if len(assertion) > ASSERTION_SIZE_MAX_BYTES:
            raise GrantError("invalid_grant", f"the assertion is larger than {ASSERTION_SIZE_MAX_BYTES} bytes")
        claims, client = self._verify_signature(assertion)
        if authorization is not None or "client_secret" in form:
            authenticated = self._authenticate(form, authorization)
            if authenticated.client_id != client.client_id:
                raise GrantError(
                    "invalid_grant", "the assertion was issued by another client than the authenticated one"
                )
        _require_grant(client, JWT_BEARER)
        expires_at = _check_times(claims)
        self._check_audience(claims.get("aud"))
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject.startswith("005") or normalize(subject) is None:
            raise GrantError("invalid_grant", "sub must be a Salesforce user id (005..., 15 or 18 characters)")
        self._refuse_replay(client.client_id, claims.get("jti"), expires_at)
        return client, subject

    def _verify_signature(self, assertion: str) -> tuple[dict[str, Any], Client]:
        try:
            unverified = json.loads(jws.extract_compact(assertion.encode()).payload)
            client = self._clients.get(str(unverified.get("iss"))) if isinstance(unverified, dict) else None
            if client is None or client.assertion_key is None:
                raise GrantError("invalid_grant", "iss must be the client_id of a client registered for JWT bearer")
            return jwt.decode(assertion, client.assertion_key, algorithms=["RS256"]).claims, client
        except (JoseError, ValueError) as error:
            raise GrantError("invalid_grant", f"the assertion is not a JWT of the client's key: {error}") from error

    def _check_audience(self, audience: object) -> None:
        named = audience if isinstance(audience, list) else [audience]
        if not set(map(str, named)) & set(self._assertion_audiences):
            raise GrantError("invalid_grant", f"aud must be one of: {', '.join(self._assertion_audiences)}")

    def _refuse_replay(self, client_id: str, jti: object, expires_at: int) -> None:
        if not isinstance(jti, str) or not 1 <= len(jti) <= 200:
            raise GrantError("invalid_grant", "jti must be a string of 1 to 200 characters, new for each assertion")
        now = int(time.time())
        self._used_assertions = {used: exp for used, exp in self._used_assertions.items() if exp > now}
        if (client_id, jti) in self._used_assertions:
            raise GrantError("invalid_grant", "this assertion was used before: sign a new one with a new jti")
        self._used_assertions[client_id, jti] = expires_at


def _required(form: Mapping[str, str], name: str) -> str:
    value = form.get(name)
    if not value:
        raise GrantError("invalid_request", f"the form parameter {name} is missing")
    return value


def _basic_credentials(authorization: str) -> tuple[str, str]:
    """Return the HTTP Basic credentials; both halves are form-urlencoded (RFC 6749, section 2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise GrantError("invalid_client", "the Authorization header must be HTTP Basic here", status=401)
    try:
        client_id, separator, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise GrantError("invalid_client", "the HTTP Basic credentials are not valid base64", status=401) from error
    if not separator:
        raise GrantError("invalid_client", "the HTTP Basic credentials have no colon", status=401)
    return unquote_plus(client_id), unquote_plus(secret)


def _require_grant(client: Client, grant_type: str) -> None:
    if grant_type not in client.grants:
        raise GrantError("unauthorized_client", f"this client may use: {', '.join(client.grants)}")


def _check_times(claims: Mapping[str, Any]) -> int:
    """Return `exp` after checking it. The life is capped so that a stolen assertion is soon worthless."""
    now = int(time.time())
    expires_at = claims.get("exp")
    if not isinstance(expires_at, int) or isinstance(expires_at, bool):
        raise GrantError("invalid_grant", "exp must be a number of seconds since 1970")
    if expires_at <= now:
        raise GrantError("invalid_grant", "the assertion has expired")
    if expires_at > now + ASSERTION_LIFE_MAX_S:
        raise GrantError("invalid_grant", f"exp must be at most {ASSERTION_LIFE_MAX_S} s from now")
    for name in ("nbf", "iat"):
        begin = claims.get(name, now)
        if not isinstance(begin, int) or isinstance(begin, bool) or begin > now + CLOCK_SKEW_MAX_S:
            raise GrantError(
                "invalid_grant", f"{name} must be a number of seconds since 1970 that is not in the future"
            )
    return expires_at


def _choose_audience(client: Client, form: Mapping[str, str]) -> str:
    asked = {form[name] for name in ("audience", "resource") if form.get(name)}
    if not asked:
        return next(iter(client.audiences))
    audience = asked.pop()
    if asked or audience not in client.audiences:
        raise GrantError("invalid_target", f"ask for one audience of: {', '.join(client.audiences)}")
    return audience


def _choose_scopes(client: Client, audience: str, asked: str) -> tuple[str, ...]:
    allowed = client.audiences[audience]
    wanted = tuple(dict.fromkeys(asked.split()))
    if not set(wanted) <= set(allowed):
        raise GrantError("invalid_scope", f"this client's scopes at {audience} are: {' '.join(allowed)}")
    return wanted or allowed


def _choose_tenant(client: Client, asked: str | None) -> str:
    if client.tenant == ANY_TENANT:
        if asked is None or not _TENANT.fullmatch(asked):
            raise GrantError(
                "invalid_request", "this client acts for many tenants: name one in the form parameter tenant"
            )
        return asked
    if asked not in (None, client.tenant):
        raise GrantError("invalid_request", f"this client acts for the tenant {client.tenant} only")
    return client.tenant
