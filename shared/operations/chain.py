"""The chain of policies that every request passes before the framework sees it.

A policy is a plain ASGI middleware. Their list is in shared/inbound/service.py, in the order in which a request meets
them. They run before routing, since the framework's own middleware runs after it: a request that a policy refuses or
answers from a cache costs only the policies.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from litestar import Litestar, Request, Response
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Receive, Scope, Send
from litestar.utils.path import normalize_path

from shared.operations.operation import OperationPolicy, policy_of
from shared.problem import NoSuchAddress, Problem

Middleware = Callable[[ASGIApp], ASGIApp]
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ProblemAnswer = Callable[[Request[Any, Any, Any], Exception], Response[Problem]]


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """An operation as the policies see it. `policy` is None for a public one; `handler` is the framework's."""

    operation_id: str
    method: str
    path_format: str
    policy: OperationPolicy | None
    handler: BaseRouteHandler


def matched_operation(scope: Scope) -> Operation | None:
    """Return the operation of a request; None if there is none, and for OPTIONS, which is open to everyone."""
    operation: Operation | None = scope["state"]["operation"]
    return operation


def add_headers(scope: Scope, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Add headers to the answer to this request, whichever policy or handler sends it: `correlate` adds them."""
    scope["state"]["answer_headers"].extend(headers)


def in_order(policies: Iterable[Middleware], app: ASGIApp) -> ASGIApp:
    """Return `app` behind the policies; a request meets the first one first.

    Only HTTP has policies: nothing else is served.
    """
    inside = app
    for policy in reversed(list(policies)):
        inside = policy(inside)

    async def chain(scope: Scope, receive: Receive, send: Send) -> None:
        await (inside if scope["type"] == ScopeType.HTTP else app)(scope, receive, send)

    return chain


def match_operation(service: Litestar) -> Middleware:
    """Inbound policy: find the requested operation with the framework's own router, so that both always agree."""
    operations = _operations(service)
    routing = service.asgi_router.handle_routing

    def wrap(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            state = scope["state"]
            state["operation"] = None
            method: Any = scope["method"]  # type: ignore[typeddict-item] # HTTP only, see in_order
            try:
                _, handler, _, params, _ = routing(path=normalize_path(scope["path"]), method=method)
            except HTTPException:
                pass  # the framework fails in the same way, and answers
            else:
                state["operation"] = operations.get((id(handler), method))
                state["path_params"] = params
            await app(scope, receive, send)

        return middleware

    return wrap


def answer_options(service: Litestar) -> Middleware:
    """Inbound policy: answer OPTIONS with all methods of an address; the framework would list one handler's only."""
    routing = service.asgi_router.handle_routing

    def takes(path: str, method: Any) -> bool:
        try:
            routing(path=path, method=method)
        except HTTPException:
            return False
        return True

    def wrap(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            if not _is_options(scope):
                await app(scope, receive, send)
                return
            path = normalize_path(scope["path"])
            methods = [method for method in _METHODS if takes(path, method)]
            if not methods:
                await app(scope, receive, send)
                return
            allow = ", ".join([*methods, "OPTIONS"]).encode()
            headers = [(b"allow", allow), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        return middleware

    return wrap


async def routed_as_matched(request: Request[Any, Any, Any]) -> None:
    """Raise NoSuchAddress unless the framework runs the operation that the policies checked.

    If the two ever read an address differently, nothing is served instead of something unguarded. OPTIONS only lists
    the methods of an address, which are public. (This is no guard of Litestar's: those copy the handler for each
    request, and run in a thread if they await nothing.)
    """
    scope: Any = request.scope
    if _is_options(scope):
        return
    matched = matched_operation(scope)
    if matched is None or matched.handler is not scope["route_handler"]:
        raise NoSuchAddress("Check the address and the version in it.")


def answer_refusals(answer: ProblemAnswer) -> Middleware:
    """Inbound policy: turn exceptions of policies into the problem answers that handlers' exceptions get."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            except Exception as error:  # noqa: BLE001 the answer to it is a problem, whatever it is
                request: Request[Any, Any, Any] = Request(scope, receive, send)
                await send_answer(answer(request, error), request, send)

        return middleware

    return wrap


async def send_answer(response: Response[Any], request: Request[Any, Any, Any], send: Send) -> None:
    """Send a response object of the framework's from a policy."""
    answer: Callable[[Scope, Receive, Send], Awaitable[None]] = response.to_asgi_response(None, request)
    await answer(request.scope, request.receive, send)


def _is_options(scope: Any) -> bool:
    return bool(scope["method"] == "OPTIONS")


def _operations(service: Litestar) -> dict[tuple[int, str], Operation]:
    """Return every operation of the service, by its handler and method."""
    found: dict[tuple[int, str], Operation] = {}
    for route in service.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if method != "OPTIONS":  # the framework's own OPTIONS handler, which only lists methods
                    name = str(handler.operation_id or handler.handler_name)
                    found[id(handler), method] = Operation(
                        name, method, route.path_format or "/", policy_of(handler.opt), handler
                    )
    return found
