"""Turns every exception into a problem answer (RFC 9457) without internal details."""

import logging
import re
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.params import ParameterKwarg

from shared.identity.resource_metadata import complete_challenge
from shared.inbound.body import BODY_BYTES_MAX, shape_fault
from shared.inbound.body_faults import parameter_sentence
from shared.problem import (
    PROBLEM_MEDIA_TYPE,
    Fault,
    InvalidRequest,
    MethodNotAllowed,
    NoSuchAddress,
    PayloadTooLarge,
    Problem,
    QuotewayError,
    VendorError,
)
from shared.seller_words import put_plainly
from shared.telemetry.process_telemetry import set_correlation_id

_log = logging.getLogger(__name__)
# The framework's sentences; only these parts say where the fault is.
_MISSING_PARAMETER = re.compile(r"Missing required (?P<source>\w+) parameter '(?P<name>[^']+)' for path")


def answer_problem(
    *,
    plain: bool,
    public_url: str = "",
    redact: Callable[[str], str] | None = None,
    complete: Callable[[VendorError], None] | None = None,
) -> Callable[[Request[Any, Any, Any], Exception], Response[Problem]]:
    """Return the handler that turns every exception into a problem answer. For its arguments see Tier."""

    def handler(request: Request[Any, Any, Any], exception: Exception) -> Response[Problem]:
        error = _as_quoteway_error(exception, request)
        if complete is not None and isinstance(error, VendorError):
            complete(error)
        # Without one, no route matched, so the policy list did not run.
        correlation_id = request.scope["state"].get("correlation_id") or set_correlation_id(
            request.headers.get("x-correlation-id")
        )
        headers = {**error.headers, "X-Correlation-Id": correlation_id}
        challenge = headers.get("WWW-Authenticate")
        if challenge is not None:
            headers["WWW-Authenticate"] = complete_challenge(challenge, request.scope, public_url)
        if plain and isinstance(error, VendorError):
            detail = error.detail
            put_plainly(error)
            if error.detail != detail:
                _log.warning("%s %s: %s", request.method, request.url.path, error.for_operators)
        problem = error.problem(correlation_id)
        if isinstance(error, VendorError):
            problem = _told(problem, redact)
        request.scope["state"]["problem"] = problem  # for the audit policy, which sees only bytes
        if problem.status >= 500 and not isinstance(exception, QuotewayError):
            _log.error("unexpected error in %s %s", request.method, request.url.path, exc_info=exception)
        asked = request.headers.get("accept", "")
        media_type = "application/json" if plain and PROBLEM_MEDIA_TYPE not in asked else PROBLEM_MEDIA_TYPE
        return Response(problem, status_code=problem.status, media_type=media_type, headers=headers)

    return handler


def _told(problem: Problem, redact: Callable[[str], str] | None) -> Problem:
    """What is told of a vendor's error: its own words only by a tier that takes persons out of them first."""
    if redact is None:
        return msgspec.structs.replace(problem, vendor_said="", what_to_do="", attempts_max=0, vendor="")
    candidates = [Fault(pointer=fault.pointer, detail=redact(fault.detail)) for fault in problem.errors]
    return msgspec.structs.replace(
        problem, detail=redact(problem.detail), vendor_said=redact(problem.vendor_said), errors=candidates
    )


def _as_quoteway_error(exception: Exception, request: Request[Any, Any, Any]) -> QuotewayError:
    if isinstance(exception, QuotewayError):
        return exception
    if isinstance(exception, HTTPException):
        return _from_litestar(exception, request)
    return QuotewayError("An unexpected error happened. Quote the correlation id when you report it.")


def _from_litestar(exception: HTTPException, request: Request[Any, Any, Any]) -> QuotewayError:
    if exception.status_code == 404:
        return NoSuchAddress("Check the address and the version in it.")
    if exception.status_code == 413:
        return PayloadTooLarge(f"The body is larger than {BODY_BYTES_MAX} bytes.")
    if exception.status_code == 405:
        return MethodNotAllowed("This address does not take that method.", headers=dict(exception.headers or {}))
    if 400 <= exception.status_code < 500:
        return InvalidRequest("The request is not valid.", _faults(exception, request))
    return QuotewayError("An unexpected error happened. Quote the correlation id when you report it.")


def _faults(exception: HTTPException, request: Request[Any, Any, Any]) -> list[Fault]:
    if isinstance(exception.extra, list):
        items = [item for item in exception.extra if isinstance(item, dict)]
        return [
            _body_fault(item) if item.get("source") == "body" else _parameter_fault(item, request) for item in items
        ]
    missing = _MISSING_PARAMETER.match(exception.detail)
    if missing:
        return [Fault(pointer=f"{missing['source']}/{missing['name']}", detail="This parameter is required.")]
    return [Fault(pointer="", detail=exception.detail)]


def _body_fault(item: dict[str, Any]) -> Fault:
    key = str(item.get("key", ""))
    return shape_fault("" if key == "data" else key, str(item.get("message", "This is not valid.")))


def _parameter_fault(item: dict[str, Any], request: Request[Any, Any, Any]) -> Fault:
    """Return the fault under the name that the caller knows, which may differ from the handler's argument."""
    argument = str(item.get("key", ""))
    field = request.route_handler.parsed_fn_signature.parameters.get(argument)
    definition = field.kwarg_definition if field is not None else None
    name, source, description = argument, "query", ""
    if isinstance(definition, ParameterKwarg):
        name, source, description = (
            definition.name or argument,
            definition.param_type.value,
            definition.description or "",
        )
    if name in request.path_params:
        source = "path"
    message, kind = str(item.get("message", "This is not valid.")), field.annotation if field is not None else object
    return Fault(pointer=f"{source}/{name}", detail=parameter_sentence(message, kind, description))
