"""The inbound policies that only tell of requests: none of them changes one.

They are put into the list only where somebody listens, so that off costs nothing.
"""

import time

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from shared.inbound.chain import Middleware, matched_operation
from shared.telemetry.metrics import REQUEST_SECONDS, metrics_are_served
from shared.telemetry.tracing import Span, request_span, tracing_is_on


def observers(tier: str, *, trust_callers: bool) -> list[Middleware]:
    """Return what traces and measures requests, as far as this process was told to when it started.

    `trust_callers`: whether a caller's word, that its trace is to be recorded, counts; callers from outside could have
    us record everything.
    """
    tracing = [trace_requests(tier, trust_callers=trust_callers)] if tracing_is_on() else []
    return [*tracing, *([measure_requests] if metrics_are_served() else [])]


def trace_requests(tier: str, *, trust_callers: bool) -> Middleware:
    """Each request is a span, named like the function that serves it. A caller's trace is gone on with."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            method = str(scope.get("method", ""))
            about = {"quoteway.tier": tier, "http.request.method": method}
            if scope["path"].startswith("/health/"):  # asked every few seconds, and of interest to nobody later
                await app(scope, receive, send)
                return
            with request_span(method, scope["headers"], about, trust_caller=trust_callers) as position:
                if position.recorded:
                    await _record(position, app, scope, receive, send)
                else:
                    await app(scope, receive, send)

        return middleware

    return wrap


async def _record(position: Span, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    status = 500

    async def send_and_look(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        await send(message)

    try:
        await app(scope, receive, send_and_look)
    finally:
        state = scope["state"]
        position.note({"http.response.status_code": status, "quoteway.correlation_id": state.get("correlation_id", "")})
        _name(position, scope)
        if status >= 500:
            position.fail(str(status))


def _name(position: Span, scope: Scope) -> None:
    operation = matched_operation(scope) if "operation" in scope["state"] else None
    if operation is not None:
        handler = operation.handler.fn
        position.rename(handler.__name__)
        position.note(
            {
                "quoteway.operation": operation.operation_id,
                "http.route": operation.path_format,
                "code.function.name": f"{handler.__module__}.{handler.__qualname__}",
            }
        )
    principal = scope.get("user")
    if principal is not None:
        position.note({"quoteway.tenant": principal.tenant})


def measure_requests(app: ASGIApp) -> ASGIApp:
    """Return how long every request took, by operation and status class."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.perf_counter(), 500

        async def send_and_look(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, send_and_look)
        finally:
            operation = matched_operation(scope) if "operation" in scope["state"] else None
            name = operation.operation_id if operation is not None else "none"
            REQUEST_SECONDS.labels(name, f"{status // 100}xx").observe(time.perf_counter() - began)

    return middleware
