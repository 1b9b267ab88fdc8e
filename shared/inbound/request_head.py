"""Checks a request's address and headers, so that every proxy and server reads them in the same way.

If a proxy, a cache and this service read one request differently, it can bypass each other's rules. So anything
ambiguous is refused with 400 (docs/operations/proxy has the same rules for proxies).
"""

import re
from urllib.parse import unquote, unquote_to_bytes

from litestar.types import ASGIApp, Receive, Scope, Send

from shared.problem import Fault, InvalidRequest

# Headers that have one value by definition (RFC 9110, 9111, our own contract): a second one is an attack or a defect.
SINGLE_HEADERS = frozenset(
    {
        b"access-control-request-method",
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"content-type",
        b"date",
        b"dpop",
        b"expect",
        b"host",
        b"idempotency-key",
        b"if-modified-since",
        b"if-range",
        b"if-unmodified-since",
        b"max-forwards",
        b"origin",
        b"proxy-authorization",
        b"range",
        b"referer",
        b"txn-token",
        b"user-agent",
        b"x-correlation-id",
    }
)
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
# Segments of plain characters that do not start with a dot: nearly every address.
_PLAIN_PATH = re.compile(rb"(?:/[A-Za-z0-9_~:@!$&'()*+,;=-][A-Za-z0-9._~:@!$&'()*+,;=-]*)+/?|/")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def guard_headers(app: ASGIApp) -> ASGIApp:
    """Inbound policy: refuse a repeated single-value header, and HTTP/1.1 without exactly one host."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        seen: set[bytes] = set()
        for name, value in scope["headers"]:
            if name in SINGLE_HEADERS:
                if name in seen:
                    raise _refused_header(name, "It is there more than once; send it once.")
                seen.add(name)
                if name == b"host" and not _HOST.fullmatch(value):
                    raise _refused_header(name, "It is no host name or address with a port.")
        if b"host" not in seen and scope["http_version"] == "1.1":
            raise _refused_header(b"host", "It is missing.")
        await app(scope, receive, send)

    return middleware


def guard_address(app: ASGIApp) -> ASGIApp:
    """Inbound policy: refuse an ambiguous address: dot or empty segments, encoded slashes, control characters.

    None of our ids and cursors has any of these, and they break vendors' addresses and queries.
    """

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"]
        fault = path_fault(_raw_path(scope))
        if fault is None and query and _CONTROL_CHARACTER.search(unquote(query.decode("latin-1"))):
            fault = "It holds a control character."
        if fault is not None:
            raise InvalidRequest("The address is not valid.", [Fault(pointer="path", detail=fault)])
        await app(scope, receive, send)

    return middleware


def path_fault(raw_path: bytes) -> str | None:
    """Return what is wrong with a path as it was sent; None if it is unambiguous."""
    if _PLAIN_PATH.fullmatch(raw_path):
        return None
    if not raw_path.startswith(b"/"):
        return None if raw_path == b"*" else "It does not begin with a slash."
    if _BAD_ESCAPE.search(raw_path):
        return "A percent sign in it is not followed by two hexadecimal digits."
    *segments, last = raw_path[1:].split(b"/")
    if b"" in segments:
        return "It holds an empty segment (two slashes in a row)."
    for segment in (*segments, last):
        fault = _segment_fault(unquote_to_bytes(segment))
        if fault is not None:
            return fault
    return None


def _segment_fault(segment: bytes) -> str | None:
    if segment in (b".", b".."):
        return "It holds a dot segment, also as %2e."
    if b"/" in segment or b"\\" in segment:
        return "It holds a backslash, or a slash written as %2f."
    try:
        text = segment.decode()
    except UnicodeDecodeError:
        return "It is not UTF-8."
    return "It holds a control character." if _CONTROL_CHARACTER.search(text) else None


def _raw_path(scope: Scope) -> bytes:
    """Return the path as it was sent; a transport without a server may have only the decoded one."""
    raw = scope.get("raw_path")
    return raw if raw is not None else scope["path"].replace("%", "%25").encode()


def _refused_header(name: bytes, detail: str) -> InvalidRequest:
    shown = "-".join(part.capitalize() for part in name.decode().split("-"))
    return InvalidRequest(f"The {shown} header is not valid.", [Fault(pointer=f"header/{shown}", detail=detail)])
