"""The answers of an operation besides its result: every problem, and the headers of answers."""

from collections import Counter
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from shared.operations.operation import OperationPolicy
from shared.operations.versions import Retirement
from shared.problem import PROBLEM_MEDIA_TYPE

_DESCRIPTIONS = {
    400: "The request is not valid; a JSON pointer names each fault.",
    401: "No token, or not a valid one; WWW-Authenticate says what is missing.",
    403: "The token lacks a scope; WWW-Authenticate names it.",
    404: "There is no such record, or none you may see.",
    408: "The body did not arrive in time.",
    409: "The record's state does not allow this, or the same key is in flight.",
    413: "The body is larger than 1 MB.",
    422: "A system of ours refused for `reasonCode`, or the idempotency key was used with another body.",
    429: "More requests than the caller's share; Retry-After says when to try again.",
    500: "A defect of ours; quote the correlation id.",
    503: "A system we depend on, or this tier, is not available; Retry-After says when to try again.",
    504: "Sent, and no trustworthy answer came: look the record up before you send again.",
}
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
# What the inbound policies answer for any operation.
_BY_POLICY = frozenset({400, 401, 403, 429, 500, 503})
_BY_BODY = frozenset({408, 413})
# Operations whose audit entry is written before the answer, which may fail: see shared.audit.policy.
_BY_AUDIT = frozenset({504})
_OWN_OF_A_READ = frozenset({404, 422})
_OWN_OF_A_WRITE = frozenset({404, 409, 422, 504})

_TEXT = {"type": "string"}
_SECONDS = {"type": "integer", "minimum": 0}
HEADERS: dict[str, dict[str, Any]] = {
    "X-Correlation-Id": {
        "description": "Names this request in every log, trace and problem. Yours where you sent one.",
        "schema": _TEXT,
    },
    "Retry-After": {
        "description": "Whole seconds to wait before the same request is worth sending again.",
        "schema": _SECONDS,
    },
    "WWW-Authenticate": {
        "description": "What is missing, and where to get it (RFC 6750, RFC 9728).",
        "schema": _TEXT,
    },
    # draft-ietf-httpapi-ratelimit-headers, revision 11
    "RateLimit-Policy": {"description": 'The quotas that apply, such as `"client";q=100;w=60`.', "schema": _TEXT},
    "RateLimit": {"description": 'What is left of them, such as `"client";r=50;t=30`.', "schema": _TEXT},
    "Deprecation": {"description": "Since when this is deprecated (RFC 9745): `@` and a Unix time.", "schema": _TEXT},
    "Sunset": {"description": "When this ends (RFC 8594): an HTTP date.", "schema": _TEXT},
}
_OF_PROBLEM = {
    401: ["WWW-Authenticate"],
    403: ["WWW-Authenticate"],
    409: ["Retry-After"],
    429: ["Retry-After"],
    503: ["Retry-After"],
}
# They are refused before anything is counted, or are our own fault.
_WITHOUT_RATE_LIMIT = frozenset({401, 403, 500})


def problem_statuses(method: str, policy: OperationPolicy | None, own: Sequence[int] | None) -> list[int]:
    """Every status with which an operation can refuse. `own`: what it says of itself (shared.operations.operation)."""
    if policy is None:
        return sorted({500, *(own or ())})
    takes_body = method in _BODY_METHODS
    if own is None:
        own = [*(_OWN_OF_A_WRITE if takes_body else _OWN_OF_A_READ)]
    by_audit = _BY_AUDIT if policy.audit == "financial" else ()
    return sorted({*_BY_POLICY, *(_BY_BODY if takes_body else ()), *by_audit, *own})


def problem_answer(status: int, *, plain: bool) -> dict[str, Any]:
    """Return a problem answer.

    `plain`: see Tier.plain_problems. The media type named first is the default.
    """
    media_types = [PROBLEM_MEDIA_TYPE, "application/json"]
    if plain:
        media_types.reverse()
    content = {media_type: {"schema": {"$ref": "#/components/schemas/Problem"}} for media_type in media_types}
    return {"description": _DESCRIPTIONS[status], "content": content}


def is_problem(answer: dict[str, Any]) -> bool:
    """Return whether an answer of a document is a problem (RFC 9457)."""
    schemas = [media.get("schema", {}).get("$ref", "") for media in answer.get("content", {}).values()]
    return any(reference.endswith("/Problem") for reference in schemas)


def describe_headers(
    answers: dict[str, Any], policy: OperationPolicy | None, retirement: Retirement | None, promised: Iterable[str]
) -> None:
    """Put the headers on an operation's answers. `promised` are those that its result always has."""
    for status, answer in answers.items():
        names = ["X-Correlation-Id"]
        if policy is not None and int(status) not in _WITHOUT_RATE_LIMIT:
            names += ["RateLimit-Policy", "RateLimit"]
        if is_problem(answer):
            names += _OF_PROBLEM.get(int(status), [])
        if retirement is not None:
            names += ["Deprecation", *(["Sunset"] if retirement.sunset is not None else [])]
        own = {
            name: {"description": header["description"], "schema": HEADERS.get(name, {}).get("schema", _TEXT)}
            | ({"required": True} if name in promised else {})
            for name, header in answer.get("headers", {}).items()
        }
        answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names} | own


def share_problems(document: dict[str, Any]) -> None:
    """Move each problem answer that several operations share to `components`."""
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    answers = [
        (operation["responses"], status, answer)
        for operation in operations
        for status, answer in operation["responses"].items()
        if is_problem(answer)
    ]
    same = Counter((status, _text(answer)) for _, status, answer in answers)
    shared: dict[str, Any] = {}
    for (status, text), count in same.most_common():
        name = HTTPStatus(int(status)).phrase.replace(" ", "")
        if count > 1 and name not in shared:
            shared[name] = msgspec.json.decode(text)
    for responses, status, answer in answers:
        name = HTTPStatus(int(status)).phrase.replace(" ", "")
        if shared.get(name) == answer:
            responses[status] = {"$ref": f"#/components/responses/{name}"}
    if shared:
        document["components"]["responses"] = shared


def _text(answer: dict[str, Any]) -> bytes:
    return msgspec.json.encode(answer, order="deterministic")
