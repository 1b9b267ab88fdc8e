"""The issuer's HTTP endpoints: metadata (RFC 8414), JWKS, tokens, and the sandbox's own controls."""

import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, get_args

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.issuer.clients import GRANT_TYPES, Client, load_clients
from sandbox.issuer.grants import Grant, GrantError, TokenGrants
from sandbox.issuer.keys import SIGNING_ALGORITHMS, SigningAlgorithm, SigningKeys
from sandbox.issuer.settings import IssuerSettings
from sandbox.vendors.journal import Journal, journal_route

REQUEST_SIZE_MAX_BYTES = 65_536
CLIENTS_STATE = "clients.json"
KEYS_STATE = "keys.json"
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(settings: IssuerSettings) -> Starlette:
    """Return the issuer for `settings`.

    Generates missing secrets and keys. Raises ValueError for a wrong client list.
    """
    clients = load_clients(settings.clients_file, settings.state_dir / CLIENTS_STATE)
    keys = SigningKeys(settings.state_dir / KEYS_STATE)
    token_url = f"{settings.issuer_url}/token"
    grants = TokenGrants(clients, assertion_audiences=(token_url, settings.issuer_url))
    journal = Journal()
    metadata = _json_endpoint(lambda: _metadata(settings.issuer_url, token_url, clients))
    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", metadata),
            Route("/.well-known/oauth-authorization-server", metadata),
            Route("/jwks", _json_endpoint(keys.public_jwks)),
            Route("/token", _token_endpoint(settings, grants, keys, journal), methods=["POST"]),
            Route("/_sandbox/rotate", _rotate_endpoint(keys, journal), methods=["POST"]),
            journal_route(journal),
        ],
        exception_handlers={HTTPException: _answer_http_error},
        max_body_size=REQUEST_SIZE_MAX_BYTES,
    )


def _metadata(issuer_url: str, token_url: str, clients: dict[str, Client]) -> dict[str, object]:
    scopes = {scope for client in clients.values() for allowed in client.audiences.values() for scope in allowed}
    return {
        "issuer": issuer_url,
        "token_endpoint": token_url,
        "jwks_uri": f"{issuer_url}/jwks",
        "grant_types_supported": list(GRANT_TYPES),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
        "scopes_supported": sorted(scopes),
    }


def _json_endpoint(content: Callable[[], dict[str, object]]) -> Endpoint:
    async def answer(_: Request) -> Response:
        return JSONResponse(content())

    return answer


def _token_endpoint(settings: IssuerSettings, grants: TokenGrants, keys: SigningKeys, journal: Journal) -> Endpoint:
    async def issue_token(request: Request) -> Response:
        try:
            grant = grants.decide(await _read_form(request), request.headers.get("authorization"))
        except GrantError as error:
            return _refuse(error)
        claims = _claims(settings, grant)
        journal.record(
            action="issued",
            object_type="access_token",
            object_id=str(claims["jti"]),
            request_id=_request_id(request),
            data=claims,
        )
        scope = " ".join(grant.scopes)
        answer = {
            "access_token": keys.sign(claims),
            "token_type": "Bearer",
            "expires_in": settings.ttl_s,
            "scope": scope,
        }
        return JSONResponse(answer, headers=_NO_STORE)

    return issue_token


def _claims(settings: IssuerSettings, grant: Grant) -> dict[str, Any]:
    """Return the claims of RFC 9068, section 2.2, and two private ones.

    `salesforce_user` is in tokens for a Salesforce user, `legal_entities` in those of clients that are limited to some
    of the tenant's.
    """
    now = int(time.time())
    private: dict[str, Any] = {} if grant.user is None else {"salesforce_user": grant.user}
    if grant.legal_entities is not None:
        private["legal_entities"] = list(grant.legal_entities)
    return {
        "iss": settings.issuer_url,
        "sub": grant.subject,
        "aud": grant.audience,
        "client_id": grant.client_id,
        "scope": " ".join(grant.scopes),
        "tenant": grant.tenant,
        "iat": now,
        "exp": now + settings.ttl_s,
        "jti": str(uuid.uuid4()),
        **private,
    }


async def _read_form(request: Request) -> dict[str, str]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise GrantError("invalid_request", "send the parameters as application/x-www-form-urlencoded")
    async with request.form() as form:
        parameters = {name: value for name, value in form.multi_items() if isinstance(value, str)}
        if len(parameters) != len(form.multi_items()):
            raise GrantError("invalid_request", "a parameter is sent twice; each may appear once")
    return parameters


def _refuse(error: GrantError) -> Response:
    headers = dict(_NO_STORE)
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="sandbox issuer"'
    content = {"error": error.error, "error_description": error.description}
    return JSONResponse(content, status_code=error.status, headers=headers)


def _rotate_endpoint(keys: SigningKeys, journal: Journal) -> Endpoint:
    async def rotate(request: Request) -> Response:
        asked = request.query_params.get("alg")
        algorithm: SigningAlgorithm | None = next((name for name in SIGNING_ALGORITHMS if name == asked), None)
        if asked is not None and algorithm is None:
            raise HTTPException(400, f"alg must be one of: {', '.join(get_args(SigningAlgorithm))}")
        kid = keys.rotate(algorithm)
        data = {"kid": kid, "alg": keys.current_algorithm}
        journal.record(
            action="rotated", object_type="signing_key", object_id=kid, request_id=_request_id(request), data=data
        )
        return JSONResponse(data)

    return rotate


def _request_id(request: Request) -> str:
    return request.headers.get("x-request-id") or str(uuid.uuid4())


async def _answer_http_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):  # Starlette's type is for handlers of any exception
        raise error
    content = {"error": "invalid_request", "error_description": error.detail}
    return JSONResponse(content, status_code=error.status_code, headers=error.headers)
