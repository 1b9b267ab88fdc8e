"""Every exception becomes a problem answer (RFC 9457); none shows a caller our insides."""

import logging
import re
from collections.abc import Callable
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException

from shared.body import BODY_BYTES_MAX
from shared.problem import (
    PROBLEM_MEDIA_TYPE,
    Fault,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Problem,
    QuotewayError,
)
from shared.telemetry import current_correlation_id, set_correlation_id

_log = logging.getLogger(__name__)
_AT = re.compile(r" - at `\$(?P<path>[^`]*)`")


def answer_problem(*, plain: bool) -> Callable[[Request[Any, Any, Any], Exception], Response[Problem]]:
    """The handler that turns every exception into a problem answer. `plain`: see Tier.plain_problems."""

    def handler(request: Request[Any, Any, Any], exception: Exception) -> Response[Problem]:
        error = _as_quoteway_error(exception)
        headers = dict(error.headers)
        if "correlation_id" not in request.scope["state"]:  # no route matched, so the policy list did not run
            headers["X-Correlation-Id"] = set_correlation_id(request.headers.get("x-correlation-id"))
        problem = error.problem(current_correlation_id())
        if problem.status >= 500 and not isinstance(exception, QuotewayError):
            _log.error("unexpected error in %s %s", request.method, request.url.path, exc_info=exception)
        asked = request.headers.get("accept", "")
        media_type = "application/json" if plain and PROBLEM_MEDIA_TYPE not in asked else PROBLEM_MEDIA_TYPE
        return Response(problem, status_code=problem.status, media_type=media_type, headers=headers)

    return handler


def _as_quoteway_error(exception: Exception) -> QuotewayError:
    if isinstance(exception, QuotewayError):
        return exception
    if isinstance(exception, HTTPException):
        return _from_litestar(exception)
    return QuotewayError("An unexpected error happened. Quote the correlation id when you report it.")


def _from_litestar(exception: HTTPException) -> QuotewayError:
    if exception.status_code == 404:
        return NotFound("There is nothing at this address.")
    if exception.status_code == 413:
        return PayloadTooLarge(f"The body is larger than {BODY_BYTES_MAX} bytes.")
    if exception.status_code == 405:
        return MethodNotAllowed("This address does not take that method.", headers=dict(exception.headers or {}))
    if 400 <= exception.status_code < 500:
        return InvalidRequest("The request is not valid.", _faults(exception))
    return QuotewayError("An unexpected error happened. Quote the correlation id when you report it.")


def _faults(exception: HTTPException) -> list[Fault]:
    if isinstance(exception.extra, list):
        return [
            Fault(pointer=_parameter(item), detail=str(item.get("message", "is not valid")))
            for item in exception.extra
            if isinstance(item, dict)
        ]
    found = _AT.search(exception.detail)
    pointer = json_pointer(found["path"]) if found else ""
    return [Fault(pointer=pointer, detail=_AT.sub("", exception.detail))]


def _parameter(item: dict[str, Any]) -> str:
    if item.get("source") == "body":
        key = str(item.get("key", ""))
        return "" if key == "data" else json_pointer("." + key)
    source = str(getattr(item.get("source", ""), "value", item.get("source", "")))
    return "/".join(part for part in (source, str(item.get("key", ""))) if part)


def json_pointer(path: str) -> str:
    """A msgspec path (`.lines[0].quantity`) as a JSON pointer (`/lines/0/quantity`)."""
    return re.sub(r"\[(\d+|\.\.\.)\]", r"/\1", path).replace(".", "/").replace("///", "...")
