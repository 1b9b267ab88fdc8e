"""The inbound policies that only observe requests: tracing and metrics.

They are in the chain only if they are switched on, so that off costs nothing.
"""

import time

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from shared.operations.chain import Middleware, matched_operation
from shared.telemetry.metrics import REQUEST_SECONDS, metrics_are_served
from shared.telemetry.tracing import Span, request_span, tracing_is_on


def observers(tier: str, *, trust_callers: bool) -> list[Middleware]:
    """Return the tracing and metrics policies that this process was started with.

    `trust_callers`: whether a caller may decide that its trace is recorded; callers from outside could have everything
    recorded.
    """
    tracing = [trace_requests(tier, trust_callers=trust_callers)] if tracing_is_on() else []
    return [*tracing, *([measure_requests] if metrics_are_served() else [])]


def trace_requests(tier: str, *, trust_callers: bool) -> Middleware:
    """Inbound policy: make each request a span named like the function that serves it, in the caller's trace."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            method = str(scope.get("method", ""))
            about = {"quoteway.tier": tier, "http.request.method": method}
            if scope["path"].startswith("/health/"):  # polled every few seconds, and of no interest later
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
    """Inbound policy: measure the duration of requests, by operation and status class."""

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
