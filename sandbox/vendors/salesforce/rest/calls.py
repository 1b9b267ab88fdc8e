"""REST calls without HTTP: a call finds its resource by method and path, and becomes an answer.

Composite requests send their subrequests through the same table, so a subrequest behaves like a request of its own.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote

from sandbox.vendors.salesforce.errors import SalesforceError, malformed_json, not_found
from sandbox.vendors.salesforce.org.org import Org
from sandbox.vendors.salesforce.records.store import Actor


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is None for an answer without content."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One request under /services/data/vNN.0. `segments` are the decoded parts of the path behind the version;
    header names are lower-case."""

    org: Org
    method: str
    path: str
    version: str
    segments: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    user_id: str
    request_id: str

    @property
    def actor(self) -> Actor:
        return Actor(self.user_id, self.request_id)

    @property
    def base_path(self) -> str:
        return f"/services/data/v{self.version}"

    def object_body(self) -> dict[str, Any]:
        """Return the body as a JSON object. Raises JSON_PARSER_ERROR when it is something else."""
        if not isinstance(self.body, dict):
            raise malformed_json("The HTTP entity body is required to be a JSON object")
        return self.body


Handler = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Resource:
    """`pattern` is a path behind the version; parts in braces are given to `handle` by name."""

    method: str
    pattern: str
    handle: Handler

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        parts = self.pattern.split("/") if self.pattern else []
        if len(parts) != len(segments):
            return None
        arguments: dict[str, str] = {}
        for part, segment in zip(parts, segments, strict=True):
            if part.startswith("{"):
                arguments[part[1:-1]] = segment
            elif part != segment:
                return None
        return arguments


class RestApi:
    """The table of resources. Earlier ones win, so fixed parts go before those in braces."""

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self._resources = list(resources)

    def add(self, resources: Iterable[Resource]) -> None:
        self._resources.extend(resources)

    def answer(self, call: Call) -> Answer:
        """Errors become Salesforce's error array here."""
        try:
            call.org.versions.require(int(call.version.partition(".")[0]))
            call.org.refusals.check(call.method, call.path)
            resource, arguments = self._find(call)
            return resource.handle(call, **arguments)
        except SalesforceError as error:
            return Answer(error.status, error.as_items())
        except RecursionError:
            return Answer(400, malformed_json("the body is nested too deeply").as_items())

    def _find(self, call: Call) -> tuple[Resource, dict[str, str]]:
        other_methods = []
        for resource in self._resources:
            arguments = resource.match(call.segments)
            if arguments is None:
                continue
            if resource.method == call.method:
                return resource, arguments
            other_methods.append(resource.method)
        if not other_methods:
            raise not_found()
        allowed = ",".join(dict.fromkeys(other_methods))
        message = f"HTTP Method '{call.method}' not allowed. Allowed are {allowed}"
        raise SalesforceError("METHOD_NOT_ALLOWED", message, status=405)


@dataclass(frozen=True, slots=True)
class Address:
    """An address under /services/data taken apart."""

    version: str
    segments: tuple[str, ...]
    query: Mapping[str, str]


def read_address(raw_path: str, raw_query: str) -> Address:
    """Return path and query, still percent-encoded, so that an external id may contain a slash. Raises NOT_FOUND."""
    segments = [unquote(part) for part in raw_path.removeprefix("/services/data/").split("/")]
    if segments[-1] == "":
        segments.pop()
    if not segments or "" in segments:
        raise not_found()
    version = segments[0].removeprefix("v")
    number, _, minor = version.partition(".")
    if not segments[0].startswith("v") or minor != "0" or not (number.isascii() and number.isdigit()):
        raise not_found()
    return Address(version, tuple(segments[1:]), dict(parse_qsl(raw_query, keep_blank_values=True)))


def read_json(body: bytes) -> Any:
    """Return the body's value, decimals exact; None for an empty body. Raises JSON_PARSER_ERROR."""
    if not body.strip():
        return None
    try:
        return json.loads(body.decode(), parse_float=Decimal, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise malformed_json(f"{error.msg} at [line:{error.lineno}, column:{error.colno}]") from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise malformed_json("the body is not JSON that can be read") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
