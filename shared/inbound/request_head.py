"""What the head of a request may look like: its address and its headers, read in one way by everyone on the road.

A proxy, a cache and this service that read one request differently let it past each other's rules. So whatever can be
read in two ways is refused with 400 (docs/operations/proxy has the same rules in front).
"""

import re
from urllib.parse import unquote, unquote_to_bytes

from litestar.types import ASGIApp, Receive, Scope, Send

from shared.problem import Fault, InvalidRequest

# Of what has one value by its definition (RFC 9110, 9111, our own contract) a second one is an attack or a defect.
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
# Segments of plain characters that do not begin with a dot: nearly every address there is.
_PLAIN_PATH = re.compile(rb"(?:/[A-Za-z0-9_~:@!$&'()*+,;=-][A-Za-z0-9._~:@!$&'()*+,;=-]*)+/?|/")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def guard_headers(app: ASGIApp) -> ASGIApp:
    """Refuse a header twice that has one value, and an HTTP/1.1 request that does not name one host."""

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
    """Refuse an address that can be read in two ways: dot segments, empty ones, slashes in disguise, controls.

    No id or cursor of ours has any of these, and vendors' addresses and queries break on them.
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
    """Return what is wrong with a path as it was sent, in a sentence; None where there is one way to read it."""
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
    """Return the path as it was sent. A transport without a server in between may have none but the decoded one."""
    raw = scope.get("raw_path")
    return raw if raw is not None else scope["path"].replace("%", "%25").encode()


def _refused_header(name: bytes, detail: str) -> InvalidRequest:
    shown = "-".join(part.capitalize() for part in name.decode().split("-"))
    return InvalidRequest(f"The {shown} header is not valid.", [Fault(pointer=f"header/{shown}", detail=detail)])
