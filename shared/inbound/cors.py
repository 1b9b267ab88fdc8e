"""CORS: which web pages may call us from a browser, exactly the Lightning origins that an operator lists.

Pages of other origins may not read their answers. Credentials are never allowed: callers send tokens, not cookies. An
allowed origin grants no access: the token does.
"""

import re

from litestar.types import ASGIApp, Receive, Scope, Send

from shared.operations.chain import Middleware, add_headers

# A loopback origin may be plain: it is a developer's own machine.
_ORIGIN = re.compile(r"(?:https://[a-z0-9.-]+|http://(?:localhost|127\.0\.0\.1))(?::[1-9][0-9]{0,4})?")
_METHODS = b"GET, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS = (
    b"Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Priority, X-Correlation-Id"
)
_ANSWER_HEADERS = (
    b"Age, Deprecation, ETag, Location, RateLimit, RateLimit-Policy, Retry-After, Sunset, WWW-Authenticate, "
    b"X-Correlation-Id"
)
_PREFLIGHT_KEPT_S = b"600"
_VARY = (b"vary", b"Origin")


def parse_origins(text: str) -> frozenset[bytes]:
    """Return the comma-separated origins of a setting.

    Raises ValueError for anything else, wildcards included: those would admit every Salesforce customer's org.
    """
    origins = [part.strip() for part in text.split(",") if part.strip()]
    for origin in origins:
        if "*" in origin:
            raise ValueError(f"'{origin}' has a wildcard: every Salesforce customer has pages under it")
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f"'{origin}' is not an origin such as https://acme.lightning.force.com, without a path")
    return frozenset(origin.encode() for origin in origins)


def check_origins(text: str) -> None:
    """Raise ValueError unless `text` can be parsed."""
    parse_origins(text)


def allow_origins(origins: frozenset[bytes]) -> Middleware:
    """Inbound policy: let pages of `origins` read every answer, refusals included; answer preflights."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            origin, asks_for_method = b"", False
            for name, value in scope["headers"]:
                if name == b"origin":
                    origin = value
                elif name == b"access-control-request-method":
                    asks_for_method = True
            add_headers(scope, [_VARY])
            if origin in origins:
                add_headers(
                    scope,
                    [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", _ANSWER_HEADERS)],
                )
                if asks_for_method and scope["method"] == "OPTIONS":  # type: ignore[typeddict-item] # HTTP only
                    await _answer_preflight(send)
                    return
            await app(scope, receive, send)

        return middleware

    return wrap


async def _answer_preflight(send: Send) -> None:
    headers = [
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", _REQUEST_HEADERS),
        (b"access-control-max-age", _PREFLIGHT_KEPT_S),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
