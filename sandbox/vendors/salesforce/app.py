"""The org over HTTP."""

import uuid
from collections.abc import Awaitable, Callable

from slowapi import Limiter
from slowapi.errors import RateLimitExceeded
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.vendors.salesforce.controls import Controls
from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.org.limits import concurrent_requests_exceeded
from sandbox.vendors.salesforce.org.org import Org, build_org
from sandbox.vendors.salesforce.rest import collections, composite_tree, query, replication, sobjects, tooling
from sandbox.vendors.salesforce.rest.calls import Answer, Call, RestApi, read_address, read_json
from sandbox.vendors.salesforce.rest.composite import Composite
from sandbox.vendors.salesforce.rest.json_answers import json_response
from sandbox.vendors.salesforce.sessions.oauth import OAuthEndpoints
from sandbox.vendors.salesforce.sessions.soap_login import SoapLogin
from sandbox.vendors.salesforce.settings import SalesforceSandboxSettings

REQUEST_SIZE_MAX_BYTES = 20_000_000
REST_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

Endpoint = Callable[[Request], Awaitable[Response]]
ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]


def create_app(settings: SalesforceSandboxSettings) -> Starlette:
    """Return an org filled from the seed. Raises OSError or ValueError when seed or credentials cannot be read."""
    org = build_org(settings)
    oauth = OAuthEndpoints(org)
    return Starlette(
        routes=[
            Route("/services/oauth2/token", oauth.token, methods=["POST"]),
            Route("/services/oauth2/userinfo", oauth.user_info, methods=["GET", "POST"]),
            Route("/id/{organization_id}/{user_id}", oauth.user_info, methods=["GET"]),
            Route("/services/Soap/u/{version}", SoapLogin(org).log_in, methods=["POST"]),
            Route("/services/data", _list_versions(org), methods=["GET"]),
            Route("/services/data/", _list_versions(org), methods=["GET"]),
            Route("/services/data/{rest:path}", _rest_endpoint(org, _build_api()), methods=list(REST_METHODS)),
            *Controls(org).routes(),
        ],
        exception_handlers={
            SalesforceError: _answer_refusal,
            RateLimitExceeded: _rate_limit_handler(org),
            HTTPException: _answer_http_error,
        },
        max_body_size=REQUEST_SIZE_MAX_BYTES,
    )


def _build_api() -> RestApi:
    api = RestApi()
    api.add(query.RESOURCES)
    api.add(replication.RESOURCES)
    api.add(sobjects.RESOURCES)
    api.add(collections.RESOURCES)
    api.add(tooling.RESOURCES)
    api.add(composite_tree.RESOURCES)
    api.add(Composite(api).resources())
    return api


def _list_versions(org: Org) -> Endpoint:
    """Needs no login, as in Salesforce."""

    async def answer(_: Request) -> Response:
        versions = [
            {"label": f"Version {number}", "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
            for number in org.versions.numbers()
        ]
        return json_response(versions)

    return answer


def _rest_endpoint(org: Org, api: RestApi) -> Endpoint:
    # One limit for the whole API: an org does not count its resources apart. It stands for the limit on concurrent
    # requests, which a simulator that answers in a millisecond would never reach.
    limiter = Limiter(key_func=lambda: org.settings.instance_url, storage_uri="memory://")
    per_second = limiter.shared_limit(f"{org.settings.requests_per_second_max}/second", scope="rest-api")

    async def answer(request: Request) -> Response:
        try:
            user_id = org.sessions.user_of(request.headers.get("authorization"))
        except SalesforceError as error:
            return json_response(error.as_items(), error.status)
        try:
            org.quota.count()
            result = api.answer(await _read_call(org, request, user_id))
        except SalesforceError as error:
            result = Answer(error.status, error.as_items())
        headers = {**result.headers, **org.quota.header}
        if result.body is None:
            return Response(status_code=result.status, headers=headers)
        return json_response(result.body, result.status, headers)

    limited: Endpoint = per_second(answer)
    return limited


async def _read_call(org: Org, request: Request, user_id: str) -> Call:
    raw_path = request.scope["raw_path"].decode("ascii", "replace")
    address = read_address(raw_path, request.scope["query_string"].decode("ascii", "replace"))
    return Call(
        org=org,
        # Clients that cannot send PATCH ask for it in the address.
        method=address.query.get("_HttpMethod", request.method) if request.method == "POST" else request.method,
        path=request.url.path,
        version=address.version,
        segments=address.segments,
        query=address.query,
        headers=dict(request.headers),
        body=read_json(await request.body()),
        user_id=user_id,
        request_id=request.headers.get("x-request-id") or str(uuid.uuid4()),
    )


async def _answer_refusal(_: Request, error: Exception) -> Response:
    if not isinstance(error, SalesforceError):  # Starlette types handlers for any exception
        raise error
    return json_response(error.as_items(), error.status)


def _rate_limit_handler(org: Org) -> ErrorHandler:
    async def answer(_: Request, __: Exception) -> Response:
        error = concurrent_requests_exceeded()
        return json_response(error.as_items(), error.status, org.quota.header)

    return answer


async def _answer_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(error.status_code, "INVALID_REQUEST")
    return await _answer_refusal(request, SalesforceError(code, error.detail, status=error.status_code))
