"""A tier's OpenAPI documents: Litestar's output, with our policies, problems, headers and examples.

There is one document for each version; operations without a version, such as health, are in all of them.
"""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from shared.contract.answers import HEADERS, describe_headers, problem_answer, problem_statuses, share_problems
from shared.contract.examples import add_examples, load_examples
from shared.operations.cache_policy import CachePolicy
from shared.operations.operation import OperationPolicy, policy_of, problems_of, raw_body_of
from shared.operations.versions import Version, version_of
from shared.problem import Problem

_VERSION = re.compile(r"/(v[1-9][0-9]*)/")
_POOLS = ("schemas", "headers")
_REFERENCE = re.compile(r'"#/components/(schemas|headers)/([^"]+)"')
_FIRST_SENTENCE = re.compile(r"(.+?)[.:](?:\s|$)", re.DOTALL)
_FIELD = re.compile(r"`([a-z]+(?:_[a-z]+)+)`")
_HEALTH_TAG = "Whether the tier runs, and whether it and everything it depends on can serve. Needs no token."
_NUMBER_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_INT32_END = 2**31
UNKNOWN_QUERY = (
    "A query parameter that the operation does not know is refused with 400, so that a typing error is seen."
)


Document = dict[str, Any]


class ContractError(Exception):
    """An operation lacks something that its contract needs; the message says what and where."""


def resolved(document: Document, value: Document) -> Document:
    """What a reference refers to; the value itself where it is none. Raises KeyError where there is nothing."""
    while "$ref" in value:
        reference = value["$ref"]
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        value = found
    return value


def versions_of(app: Litestar) -> list[str]:
    """Return the published versions, oldest first: `v1`, `v2`."""
    found = {match[1] for path in app.openapi_schema.to_schema()["paths"] if (match := _VERSION.match(path))}
    return sorted(found, key=lambda version: int(version[1:]))


def build_document(app: Litestar, version: str | None = None) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a version of `app`; of all versions if none is named. Keys are sorted.

    Raises ContractError if an operation's tag has no description.
    """
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(app.openapi_schema.to_schema()))
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    _, problem_schemas = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    schemas.update(problem_schemas)
    components["securitySchemes"] = {
        "accessToken": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An RFC 9068 access token of the configured issuer, for this tier's audience. See RFC8725.",
        }
    }
    document["info"]["description"] += f" {UNKNOWN_QUERY}"
    document["servers"] = [{"url": "/", "x-internal": app.state.tier.published.internal}]
    _describe_schemas(schemas, app)
    for path, method, handler in _handlers(app):
        described = document["paths"].get(path, {}).get(method.lower())
        if described is not None:
            _describe(described, handler, method, plain=app.state.tier.refusals.plain)
            if app.state.tier.published.answer_within_s is not None:
                described["x-quoteway-answer-within-seconds"] = app.state.tier.published.answer_within_s
    _name_fields_as_sent(schemas)
    if version is not None:
        _keep_version(document, version, _number_of(app, version))
        if app.state.tier.refusals.plain and version == "v1":
            _forget_moments(schemas)
    add_examples(document, load_examples(app.state.tier.published.examples))
    share_problems(document)
    _describe_tags(document, app.state.tier.published.tags)
    components["headers"] = HEADERS
    _drop_unused(document)
    sorted_document: dict[str, Any] = _plain_integers(
        msgspec.json.decode(msgspec.json.encode(document, order="deterministic"))
    )
    return sorted_document


def _handlers(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                yield route.path_format or "/", method, handler


def _number_of(app: Litestar, version: str) -> str:
    owners = {
        id(owner): owner
        for path, _, handler in _handlers(app)
        if path.startswith(f"/{version}/") and (owner := version_of(handler.opt)) is not None
    }
    numbers = {owner.number for owner in owners.values()}
    if not numbers:  # handlers that are in no table of versions
        return str(app.state.tier.published.version)
    if len(numbers) != 1:
        raise ContractError(f"{version} is mounted as {sorted(numbers)}: a version has one table and one number.")
    return numbers.pop()


def _keep_version(document: dict[str, Any], version: str, number: str) -> None:
    document["info"]["version"] = number
    document["paths"] = {
        path: methods
        for path, methods in document["paths"].items()
        if (match := _VERSION.match(path)) is None or match[1] == version
    }


def _describe_schemas(schemas: dict[str, Any], app: Litestar) -> None:
    """Give each type its docstring and formats, and close those of requests: Litestar leaves them out for msgspec's."""
    sent, answered = [], [Problem]
    for _, _, handler in _handlers(app):
        signature = handler.parsed_fn_signature
        answered += _structs((signature.return_type, *signature.return_type.inner_types))
        if "data" in signature.parameters:
            sent += _structs([signature.parameters["data"]])
    for kinds in (answered, sent):
        _, described = msgspec.json.schema_components(kinds)
        for name, schema in described.items():
            if name in schemas:
                _bound_at_zero(schemas[name], schema)
            if name in schemas and "description" in schema:
                schemas[name]["description"] = inspect.cleandoc(schema["description"])
            for field, said in schema.get("properties", {}).items():
                if "format" in said and field in schemas.get(name, {}).get("properties", {}):
                    schemas[name]["properties"][field]["format"] = said["format"]
            if name in schemas and kinds is sent and schema.get("additionalProperties") is False:
                schemas[name]["additionalProperties"] = False
                _bound_inner(schemas[name], schema)


def _name_fields_as_sent(schemas: dict[str, Any]) -> None:
    """Call fields in descriptions what they are called on the wire: docstrings have our names."""
    sent = {name for schema in schemas.values() for name in schema.get("properties", {})}

    def as_sent(quoted: re.Match[str]) -> str:
        first, *others = quoted[1].split("_")
        name = first + "".join(each.capitalize() for each in others)
        return f"`{name}`" if name in sent and quoted[1] not in sent else quoted[0]

    for schema in schemas.values():
        for described in (schema, *schema.get("properties", {}).values()):
            if "description" in described:
                described["description"] = _FIELD.sub(as_sent, described["description"])


def _forget_moments(schemas: dict[str, Any]) -> None:
    """Take the format of times away: orgs have registered the first version with texts, which their Apex reads."""
    for schema in schemas.values():
        for described in schema.get("properties", {}).values():
            if described.get("format") == "date-time":
                described.pop("examples", None)
                del described["format"]


def _bound_inner(schema: dict[str, Any], said: dict[str, Any]) -> None:
    """Add the bounds of maps and of elements of lists and maps, which Litestar omits too."""
    for name, described in said["properties"].items():
        here = schema["properties"].get(name, {})
        here.update({word: described[word] for word in ("minProperties", "maxProperties") if word in described})
        for word in ("items", "additionalProperties"):
            inner = described.get(word)
            if isinstance(inner, dict) and "$ref" not in inner and isinstance(here.get(word), dict):
                here[word] = {**here[word], **inner}


def _bound_at_zero(schema: dict[str, Any], said: dict[str, Any]) -> None:
    """Add the bounds of zero of fields that may be null: Litestar takes such a bound for none."""
    for name, described in said.get("properties", {}).items():
        here = schema.get("properties", {}).get(name, {})
        for choice in described.get("anyOf", []):
            here.update({word: 0 for word in _NUMBER_BOUNDS.values() if choice.get(word) == 0 and word not in here})


def _bound_parameters_at_zero(operation: dict[str, Any], handler: HTTPRouteHandler) -> None:
    """Add the bounds of zero of parameters that may be left out, as `_bound_at_zero` does those of fields."""
    schemas = {parameter["name"]: parameter["schema"] for parameter in operation.get("parameters", [])}
    for name, field in handler.parsed_fn_signature.parameters.items():
        declared = field.kwarg_definition
        schema = schemas.get(getattr(declared, "name", None) or name, {})
        for attribute, word in _NUMBER_BOUNDS.items():
            if schema and getattr(declared, attribute, None) == 0:
                schema.setdefault(word, 0)


def _structs(fields: Any) -> list[Any]:
    kinds = [field.annotation for field in fields]
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]


def _describe(operation: dict[str, Any], handler: HTTPRouteHandler, method: str, *, plain: bool) -> None:
    policy = policy_of(handler.opt)
    _bound_parameters_at_zero(operation, handler)
    _describe_raw_body(operation, raw_body_of(handler.opt))
    description = operation.get("description") or ""
    sentence = _FIRST_SENTENCE.match(description)
    operation["summary"] = " ".join((sentence[1] if sentence else description).split())
    if policy is not None:
        _describe_policy(operation, policy, method)
    else:
        operation["security"] = []
    for status in problem_statuses(method, policy, problems_of(handler.opt)):
        # What a handler documents itself, such as health's 503, stays.
        operation["responses"].setdefault(str(status), problem_answer(status, plain=plain))
        if status == 400:  # Litestar's own error shape, which we never send
            operation["responses"]["400"] = problem_answer(status, plain=plain)
    if policy is None and 400 not in (problems_of(handler.opt) or ()):
        operation["responses"].pop("400", None)
    version: Version | None = version_of(handler.opt)
    retirement = version.retirement_of(operation["operationId"]) if version is not None else None
    promised = {header.name for header in handler.resolve_response_headers() if header.required}
    describe_headers(operation["responses"], policy, retirement, promised)
    if retirement is not None:
        operation["deprecated"] = True
        operation["x-quoteway-deprecation"] = retirement.deprecation.isoformat()
        if retirement.sunset is not None:
            operation["x-quoteway-sunset"] = retirement.sunset.isoformat()
        if retirement.successor:
            operation["x-quoteway-successor"] = retirement.successor
    for described in (operation, *operation.get("parameters", [])):
        if described.get("deprecated") is False:
            del described["deprecated"]


def _describe_raw_body(operation: dict[str, Any], said: str) -> None:
    if said:
        content = {"application/json": {"schema": {"type": "object"}}}
        operation["requestBody"] = {"description": said, "required": True, "content": content}


def _describe_policy(operation: dict[str, Any], policy: OperationPolicy, method: str) -> None:
    operation["security"] = [{"accessToken": list(policy.scopes)}]
    operation["x-quoteway-owner"] = policy.owner
    operation["x-quoteway-capability"] = policy.capability
    operation["x-quoteway-scopes"] = list(policy.scopes)
    operation["x-quoteway-rate-class"] = policy.rate
    operation["x-quoteway-rate-cost"] = policy.cost
    operation["x-quoteway-audit-class"] = policy.audit
    if method == "GET":
        _describe_cache(operation, policy.cache)


def _describe_cache(operation: dict[str, Any], cache: CachePolicy | None) -> None:
    """Document a read's cache headers and lifetime (shared/cache/response_cache.py)."""
    etag = {"description": "The answer's strong validator (RFC 9110): send it as If-None-Match.", "schema": {}}
    operation["responses"]["200"].setdefault("headers", {}).setdefault("ETag", etag)
    operation["responses"]["304"] = {
        "description": "You have this answer already: its validator is the one in If-None-Match.",
        "headers": {"ETag": etag},
    }
    if cache is not None:
        operation["x-quoteway-cache"] = {
            "freshSeconds": cache.fresh_s,
            "staleSeconds": cache.stale_s,
            "sharedInTenant": cache.shared,
            "endedBy": list(cache.tags),
        }


def _describe_tags(document: dict[str, Any], tags: dict[str, str]) -> None:
    described = {"health": _HEALTH_TAG, **tags}
    used: set[str] = set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            used.update(operation.get("tags", []))
            if not operation.get("tags") or not set(operation["tags"]) <= set(described):
                raise ContractError(
                    f"{method.upper()} {path} has the tags {operation.get('tags', [])}: give it one that the tier"
                    " describes, or describe it in `Tier.tags` (app.py)."
                )
    document["tags"] = [{"name": name, "description": described[name]} for name in sorted(used)]


def _drop_unused(document: dict[str, Any]) -> None:
    """Remove schemas and headers that nothing refers to: a version's document shows none of the other versions'."""
    components = document["components"]
    rest = {**document, "components": {name: components[name] for name in components if name not in _POOLS}}
    waiting = set(_REFERENCE.findall(msgspec.json.encode(rest).decode()))
    kept: set[tuple[str, str]] = set()
    while waiting:
        pool, name = waiting.pop()
        kept.add((pool, name))
        waiting |= set(_REFERENCE.findall(msgspec.json.encode(components[pool][name]).decode())) - kept
    for pool in _POOLS:
        components[pool] = {name: each for name, each in components[pool].items() if (pool, name) in kept}


def _plain_integers(value: Any) -> Any:
    """Write bounds of integers without msgspec's decimal point, and add the width that clients' types need."""
    if isinstance(value, dict):
        found = {name: _plain_integers(inner) for name, inner in value.items()}
        if found.get("type") == "integer":
            return {"format": "int32" if found.get("maximum", 0) < _INT32_END else "int64", **found}
        return found
    if isinstance(value, list):
        return [_plain_integers(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
