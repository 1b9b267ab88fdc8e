"""Walks the parts of a document: its schemas, their properties, and the bodies of answers."""

from collections.abc import Iterator
from typing import Any

from openapi.documents import Document, operations_of
from shared.contract.document import resolved

_SCHEMA_LISTS = ("oneOf", "anyOf", "allOf", "prefixItems")
_SCHEMA_MAPS = ("properties", "patternProperties", "$defs")
_SCHEMAS = ("items", "additionalProperties", "not")


def named_schemas(document: Document) -> dict[str, Document]:
    """Return the types of a document."""
    schemas: dict[str, Document] = document["components"]["schemas"]
    return schemas


def all_schemas(document: Document) -> Iterator[tuple[str, Document]]:
    """Yield every schema with its place: of types, parameters, bodies, answers and headers, and nested ones."""
    for name, schema in named_schemas(document).items():
        yield from _with_inner(name, schema)
    for path, method, operation in operations_of(document):
        where = f"{method.upper()} {path}"
        for parameter in operation.get("parameters", []):
            yield from _with_inner(f"{where} {parameter.get('name')}", parameter.get("schema", {}))
        for media_type, media in operation.get("requestBody", {}).get("content", {}).items():
            yield from _with_inner(f"{where} {media_type}", media["schema"])
        for status, answer in operation["responses"].items():
            for media in answer.get("content", {}).values():
                yield from _with_inner(f"{where} {status}", media["schema"])
            for header, described in answer.get("headers", {}).items():
                yield from _with_inner(f"{where} {status} {header}", resolved(document, described).get("schema", {}))


def _with_inner(where: str, schema: Document) -> Iterator[tuple[str, Document]]:
    yield where, schema
    for word in _SCHEMA_LISTS:
        for place, inner in enumerate(schema.get(word, [])):
            yield from _with_inner(f"{where}/{word}/{place}", inner)
    for word in _SCHEMA_MAPS:
        for name, inner in schema.get(word, {}).items():
            yield from _with_inner(f"{where}.{name}", inner)
    for word in _SCHEMAS:
        if isinstance(schema.get(word), dict):
            yield from _with_inner(f"{where}/{word}", schema[word])


def properties(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield every property of every type: the type's name, its own, and its schema."""
    for name, schema in named_schemas(document).items():
        for property_name, described in schema.get("properties", {}).items():
            yield name, property_name, described


def body_properties(document: Document, answer: Document) -> set[str]:
    """Return the properties in the body of an answer."""
    found: set[str] = set()
    for media in answer.get("content", {}).values():
        found |= set(resolved(document, media["schema"]).get("properties", {}))
    return found


def nodes(value: Any, where: str) -> Iterator[tuple[str, Document]]:
    """Yield every object in a document, with its place."""
    if isinstance(value, dict):
        yield where, value
        for name, inner in value.items():
            yield from nodes(inner, f"{where}/{name}")
    if isinstance(value, list):
        for place, inner in enumerate(value):
            yield from nodes(inner, f"{where}/{place}")


def recursions(document: Document) -> list[str]:
    """Return a sentence for each type that contains itself."""
    inside = {
        name: {
            inner["$ref"].rsplit("/", 1)[1]
            for _, inner in _with_inner(name, schema)
            if inner.get("$ref", "").startswith("#/components/schemas/")
        }
        for name, schema in named_schemas(document).items()
    }
    found = []
    for name, directly in inside.items():
        reached: set[str] = set()
        waiting = set(directly)
        while waiting:
            each = waiting.pop()
            reached.add(each)
            waiting |= inside.get(each, set()) - reached
        if name in reached:
            found.append(f"The type {name} contains itself.")
    return found
