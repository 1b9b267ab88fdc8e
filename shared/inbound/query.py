"""Query parameters: only known ones, each once."""

from collections import Counter
from urllib.parse import parse_qsl

from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Receive, Scope, Send

from shared.operations.chain import Middleware, matched_operation
from shared.problem import Fault, InvalidRequest

_NAMED_MAX = 20


def guard_query(service: Litestar) -> Middleware:
    """Inbound policy: refuse unknown query parameters, and those given twice.

    Otherwise a misspelled filter would return everything, and of two values one would silently win. Public operations
    are exempt: a health probe may add what it likes.
    """
    known = _names_known(service)

    def wrap(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["query_string"]:
                operation = matched_operation(scope)
                if operation is not None and operation.policy is not None:
                    check_query(scope["query_string"].decode("latin-1"), known[id(operation.handler)])
            await app(scope, receive, send)

        return middleware

    return wrap


def check_query(query: str, known: frozenset[str]) -> None:
    """Raise InvalidRequest unless every query parameter is known and given once."""
    given = Counter(name for name, _ in parse_qsl(query, keep_blank_values=True))
    allowed = ", ".join(sorted(known)) or "none"
    faults = [
        Fault(pointer=f"query/{name}", detail=f"This operation takes no such parameter; it takes: {allowed}.")
        for name in given
        if name not in known
    ] + [
        Fault(pointer=f"query/{name}", detail="This parameter is given more than once.")
        for name, count in given.items()
        if count > 1 and name in known
    ]
    if faults:
        raise InvalidRequest("The query parameters are not valid.", faults[:_NAMED_MAX])


def _names_known(service: Litestar) -> dict[int, frozenset[str]]:
    """Return the query parameters of every operation, by its handler."""
    return {
        id(handler): frozenset(parameter.field_alias for parameter in parameters.expected_query_params)
        for route in service.routes
        if isinstance(route, HTTPRoute)
        for handler, parameters in route.route_handler_map.values()
    }
