"""Converts the experience API's document to OpenAPI 3.0, which Salesforce External Services can import.

This is a conversion, not a relabelling: what 3.0 lacks is expressed differently, and an unknown construct is refused,
since Salesforce would drop it silently.
"""

import re
from collections.abc import Callable
from typing import Any

from shared.contract.document import Document, resolved

VERSION = "3.0.3"
PLAIN = "application/json"
_ABOUT = (
    "For Salesforce External Services. Authenticate with a Named Credential: External Services ignores what a document"
    " says of security, so this one says nothing."
)
# JSON Schema's keywords that mean the same in both.
_SAME = frozenset(
    """
    type format pattern minLength maxLength minimum maximum multipleOf minItems maxItems enum
    minProperties maxProperties uniqueItems
    default description deprecated title
    """.split()  # noqa: SIM905 a list of words reads better as text
)
# Python's end-of-text pattern: it changes nothing in OpenAPI's dialect, and not every reader knows look-ahead.
_END = re.compile(r"\$\(\?!\\n\)$")
_OPERATION_MEMBERS = frozenset({"operationId", "summary", "description", "tags", "deprecated"})


class ProfileError(Exception):
    """A construct that OpenAPI 3.0 cannot express; the message names it and its place."""


def salesforce_profile(document: Document) -> Document:
    """Return the profile of an experience document: its guarded operations, in plain JSON. Raises ProfileError."""
    paths: Document = {}
    for path, methods in document["paths"].items():
        kept = {
            method: _operation(document, operation, f"{method} {path}")
            for method, operation in methods.items()
            if operation["security"]
        }
        if kept:
            paths[path] = kept
    schemas = {
        name: _schema(schema, f"components/schemas/{name}")
        for name, schema in document["components"]["schemas"].items()
    }
    info = document["info"]
    profile: Document = {
        "openapi": VERSION,
        "info": {
            "title": info["title"],
            "version": info["version"],
            "description": f"{info['description']} {_ABOUT}",
            "license": {"name": info["license"]["name"]},
            "contact": info["contact"],
        },
        "servers": document["servers"],
        "tags": [tag for tag in document["tags"] if tag["name"] in _tags(paths)],
        "paths": paths,
        "components": {"schemas": schemas},
    }
    _drop_unused(profile)
    return profile


def _tags(paths: Document) -> set[str]:
    return {tag for methods in paths.values() for operation in methods.values() for tag in operation["tags"]}


def _operation(document: Document, operation: Document, where: str) -> Document:
    found = {
        name: value for name, value in operation.items() if name in _OPERATION_MEMBERS or name.startswith("x-quoteway-")
    }
    if operation.get("parameters"):
        found["parameters"] = [_parameter(parameter, where) for parameter in operation["parameters"]]
    if "requestBody" in operation:
        body = operation["requestBody"]
        found["requestBody"] = {
            "required": body.get("required", False),
            "content": _content(document, body["content"], where),
        }
    found["responses"] = {
        status: _answer(document, resolved(document, answer), f"{where} {status}")
        for status, answer in operation["responses"].items()
        if status != "304"  # External Services sends no If-None-Match
    }
    return found


def _parameter(parameter: Document, where: str) -> Document:
    place = f"{where} {parameter['name']}"
    found: Document = {name: parameter[name] for name in ("name", "in", "required", "description") if name in parameter}
    found["schema"] = _schema(parameter["schema"], place)
    examples = list(parameter.get("examples", {}).values())
    if examples:
        found["example"] = examples[0]["value"]
    return found


def _answer(document: Document, answer: Document, where: str) -> Document:
    found: Document = {"description": answer["description"]}
    # An ETag that is not the record's own version is a cache's validator, which External Services could not send back.
    headers = {
        name: header
        for name, header in answer.get("headers", {}).items()
        if name != "ETag" or resolved(document, header).get("required")
    }
    if headers:
        found["headers"] = {
            name: {
                "description": resolved(document, header)["description"],
                "schema": _schema(resolved(document, header)["schema"], f"{where} {name}"),
            }
            for name, header in headers.items()
        }
    if "content" in answer:
        found["content"] = _content(document, answer["content"], where)
    return found


def _content(document: Document, content: Document, where: str) -> Document:
    if PLAIN not in content:
        raise ProfileError(f"{where} has no {PLAIN}, only {', '.join(content)}.")
    media = content[PLAIN]
    found: Document = {"schema": _schema(media["schema"], where)}
    examples = list(media.get("examples", {}).values())
    if examples:
        found["example"] = resolved(document, examples[0])["value"]
    return {PLAIN: found}


def _schema(schema: Document, where: str) -> Document:
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    choices = schema.get("oneOf") or schema.get("anyOf")
    if choices is not None:
        return _optional(schema, choices, where)
    found: Document = {}
    for word, value in schema.items():
        convert = _CONVERSIONS.get(word)
        if convert is not None:
            found.update(convert(value, f"{where}/{word}"))
        elif word in _SAME or word.startswith("x-"):
            found[word] = value
        else:
            raise ProfileError(f"{where}: {word} has no counterpart in OpenAPI 3.0.")
    if isinstance(found.get("type"), list):
        found.update(_nullable_type(found["type"], where))
    if "enum" in found:
        found.setdefault("type", "string")
    return found


def _optional(schema: Document, choices: list[Document], where: str) -> Document:
    """Convert "a value or null", a choice in 3.1, to `nullable` of 3.0."""
    values = [choice for choice in choices if choice != {"type": "null"}]
    if len(values) != 1 or len(values) == len(choices):
        raise ProfileError(f"{where}: a choice of types cannot be a property in Apex.")
    inner = _schema(values[0], where)
    rest = {name: value for name, value in schema.items() if name in {"description", "deprecated"}}
    if "$ref" in inner:
        return {"allOf": [inner], "nullable": True, **rest}
    return {**inner, "nullable": True, **rest}


def _nullable_type(kinds: list[str], where: str) -> Document:
    named = [kind for kind in kinds if kind != "null"]
    if len(named) != 1:
        raise ProfileError(f"{where}: one of the types {kinds} cannot be a property in Apex.")
    return {"type": named[0], **({"nullable": True} if "null" in kinds else {})}


def _properties(value: Document, where: str) -> Document:
    return {"properties": {name: _schema(schema, f"{where}/{name}") for name, schema in value.items()}}


def _additional(value: Any, where: str) -> Document:
    # Closed types are checked by the service: External Services builds requests from the properties alone.
    return {} if isinstance(value, bool) else {"additionalProperties": _schema(value, where)}


_CONVERSIONS: dict[str, Callable[[Any, str], Document]] = {
    "properties": _properties,
    "items": lambda value, where: {"items": _schema(value, where)},
    "additionalProperties": _additional,
    "const": lambda value, _: {"enum": [value]},
    "examples": lambda value, _: {"example": value[0]} if value else {},
    "exclusiveMinimum": lambda value, _: {"minimum": value, "exclusiveMinimum": True},
    "exclusiveMaximum": lambda value, _: {"maximum": value, "exclusiveMaximum": True},
    "pattern": lambda value, _: {"pattern": _END.sub("$", value)},
    # OpenAPI 3.0 allows no empty list here.
    "required": lambda value, _: {"required": value} if value else {},
}


def _drop_unused(profile: Document) -> None:
    schemas = profile["components"]["schemas"]
    waiting, kept = _references(profile["paths"]), set()
    while waiting:
        name = waiting.pop()
        kept.add(name)
        waiting |= _references(schemas[name]) - kept
    profile["components"]["schemas"] = {name: schema for name, schema in schemas.items() if name in kept}


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"].rsplit("/", 1)[1]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(_references(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(_references(inner) for inner in value))
    return set()
