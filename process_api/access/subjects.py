"""The record that an operation is about, which decides who may call it.

Every operation for callers declares it beside its policy; one that does not cannot be served:

    opt=operation(…) | about_account()            /v1/accounts/{accountId}/…
    opt=operation(…) | about_quote_in_body()      its field `quoteId`, which the operation changes
    opt=operation(…) | about_flow()               not for Salesforce users
    opt=operation(…) | for_operators()            neither; nor for clients of some legal entities only
"""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from litestar import Litestar
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute

from shared.operations.operation import policy_of

Kind = Literal["account", "quote", "order", "flow", "dead letter", "none"]
# Kinds of records under an account. All others are for services and operators.
UNDER_ACCOUNTS: frozenset[Kind] = frozenset({"account", "quote", "order"})
_KEY = "quoteway_subject"


@dataclass(frozen=True, slots=True)
class Subject:
    """The record that a request names: `name` is the path's parameter or the body's field.

    `edits`: the operation changes it. `filters`: an operation about no record limits its answer to the client's legal
    entities.
    """

    kind: Kind
    name: str = ""
    in_body: bool = False
    edits: bool = False
    filters: bool = False

    @property
    def pointer(self) -> str:
        """The place of a fault in the id (shared.problem.Fault)."""
        return f"/{self.name}" if self.in_body else f"path/{self.name}"

    def absent(self, named: str) -> str:
        """The answer for a record that does not exist, or that the caller may not see."""
        return f"There is no {self.kind} {named}."


def about_account(parameter: str = "accountId", *, edits: bool = False) -> dict[str, Any]:
    """Declare that the operation shows or changes something of the account in its path."""
    return {_KEY: Subject("account", parameter, edits=edits)}


def about_quote(parameter: str = "quoteId", *, edits: bool = False) -> dict[str, Any]:
    """Declare that the operation is about the quote in its path."""
    return {_KEY: Subject("quote", parameter, edits=edits)}


def about_quote_in_body(field: str = "quoteId", *, edits: bool = True) -> dict[str, Any]:
    """Declare that the operation is about the quote that its body names."""
    return {_KEY: Subject("quote", field, in_body=True, edits=edits)}


def about_order(parameter: str = "orderId", *, edits: bool = False) -> dict[str, Any]:
    """Declare that the operation is about the order in its path."""
    return {_KEY: Subject("order", parameter, edits=edits)}


def about_flow(parameter: str = "flowId") -> dict[str, Any]:
    """Declare that the operation is about the flow in its path: refused for Salesforce users."""
    return {_KEY: Subject("flow", parameter)}


def about_dead_letter(parameter: str = "deadLetterId") -> dict[str, Any]:
    """Declare that the operation is about the dead letter in its path: refused for Salesforce users."""
    return {_KEY: Subject("dead letter", parameter)}


def for_operators(*, filters: bool = False) -> dict[str, Any]:
    """Declare that the operation is about no single record: refused for Salesforce users.

    Also refused for clients limited to some legal entities, unless it `filters` its answer.
    """
    return {_KEY: Subject("none", filters=filters)}


def subject_of(opt: dict[str, Any]) -> Subject:
    """Return the subject in a handler's `opt`. Raises KeyError if it declares none."""
    subject: Subject = opt[_KEY]
    return subject


def refuse_handlers_without_subject(app: Litestar) -> None:
    """Raise ImproperlyConfiguredException unless every operation for callers declares its subject correctly."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if method != "OPTIONS" and policy_of(handler.opt) is not None:
                    fault = _fault(handler, route)
                    if fault:
                        raise ImproperlyConfiguredException(f"{method} {route.path}: {fault}")


def _fault(handler: BaseRouteHandler, route: HTTPRoute) -> str | None:
    try:
        subject = subject_of(handler.opt)
    except KeyError:
        return "it does not say what it is about (process_api.access.subjects), so who may see it cannot be decided"
    if subject.kind == "none":
        return None
    if not subject.in_body:
        return None if subject.name in route.path_parameters else f"its path has no {subject.name}"
    body = handler.parsed_fn_signature.parameters.get("data")
    fields = {each.encode_name for each in msgspec.structs.fields(body.annotation)} if body is not None else set()
    return None if subject.name in fields else f"its body has no {subject.name}"
