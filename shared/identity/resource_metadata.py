"""The protected resource metadata of a tier (RFC 9728), and refusals that point to it."""

import re
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import Scope

from shared.identity.auth import Authenticator
from shared.operations.operation import policy_of, public

METADATA_PATH = "/.well-known/oauth-protected-resource"
_HOST = re.compile(rb"[A-Za-z0-9.-]{1,255}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")


def publish_resource(title: str, authenticator: Authenticator, public_url: str) -> HTTPRouteHandler:
    """Return the handler that lists the issuers whose tokens a tier takes, and its scopes.

    `public_url` is where callers reach the tier; if empty, the host and scheme of their request.
    """

    @get(METADATA_PATH, opt=public(problems=(503,)), include_in_schema=False)
    async def protected_resource(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
        """The resource's metadata."""
        metadata: dict[str, Any] = {
            "resource": base_url(request.scope, public_url),
            "authorization_servers": await authenticator.issuer_names(),
            "scopes_supported": scopes_of(request.app),
            "bearer_methods_supported": ["header"],
            "resource_name": title,
        }
        return Response(
            {name: value for name, value in metadata.items() if value}, headers={"Cache-Control": "max-age=300"}
        )

    return protected_resource


def location(request: Request[Any, Any, Any], path: str) -> str:
    """Return the `Location` header for an address of this tier: absolute if its public URL is known.

    Otherwise it is relative to the origin of the request (RFC 9110, section 10.2.2).
    """
    public_url: str = request.app.state.tier.published.public_url
    return f"{public_url}{path}"


def scopes_of(app: Litestar) -> list[str]:
    """Return every scope that some operation of the service needs."""
    handlers = (
        handler
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if method != "OPTIONS"
    )
    policies = (policy_of(handler.opt) for handler in handlers)
    return sorted({scope for policy in policies if policy is not None for scope in policy.scopes})


def complete_challenge(challenge: str, scope: Scope, public_url: str) -> str:
    """Return a `WWW-Authenticate` header with all that a client needs for its next try: the scopes, and where to get a
    token.

    RFC 6750, section 3, and RFC 9728, section 5.1.
    """
    operation = scope["state"].get("operation")
    parts = []
    if operation is not None and operation.policy is not None and "scope=" not in challenge:
        parts.append(f'scope="{" ".join(operation.policy.scopes)}"')
    base = base_url(scope, public_url)
    if base:
        parts.append(f'resource_metadata="{base}{METADATA_PATH}"')
    separator = ", " if "=" in challenge else " "
    return challenge + separator + ", ".join(parts) if parts else challenge


def base_url(scope: Scope, public_url: str) -> str:
    """Where the tier is reached; empty where a caller names no usable host."""
    if public_url:
        return public_url
    for name, value in scope["headers"]:
        if name == b"host" and _HOST.fullmatch(value):
            return f"{scope['scheme']}://{value.decode('ascii')}"
    return ""
