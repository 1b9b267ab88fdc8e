"""One small document, and every kind of change to it, with what it means forwards and backwards.

`forwards`: from the base to the changed one; `backwards`: the same change undone. Each says in which words the gate
has to object; None where a client notices nothing.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
PATH = "/v1/parts/{partId}"


def base() -> Document:
    """A document with a read and a write."""
    parameters = [
        {"name": "partId", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 20}},
        {"name": "lang", "in": "query", "schema": {"type": "string", "enum": ["de", "en"], "default": "en"}},
    ]
    answers = {
        "200": {
            "description": "Fine.",
            "headers": {"ETag": {"required": True, "schema": {"type": "string"}}},
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Part"}},
                "text/plain": {"schema": {"type": "string"}},
            },
        },
        "404": {"description": "None.", "content": {"application/json": {"schema": {"type": "object"}}}},
    }
    read = {
        "operationId": "getPart",
        "security": [{"accessToken": ["parts:read"]}],
        "parameters": parameters,
        "responses": answers,
    }
    write = {
        "operationId": "putPart",
        "security": [{"accessToken": ["parts:write"]}],
        "parameters": [parameters[0]],
        "requestBody": {
            "required": False,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Draft"}}},
        },
        "responses": {"204": {"description": "Done."}},
    }
    part = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "maxLength": 50, "pattern": "^[a-z]+$"},
            "kind": {"type": "string", "enum": ["screw", "nut"]},
            "count": {"type": "integer", "minimum": 0, "maximum": 100},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "labels": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
            "prices": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
    }
    return {
        "openapi": "3.1.0",
        "paths": {PATH: {"get": read, "put": write}},
        "components": {"schemas": {"Part": part, "Draft": {**deepcopy(part), "additionalProperties": False}}},
    }


@dataclass(frozen=True)
class Change:
    """A change to the base document."""

    name: str
    make: Callable[[Document], Any]
    forwards: str | None
    backwards: str | None


def get(document: Document) -> Document:
    found: Document = document["paths"][PATH]["get"]
    return found


def put(document: Document) -> Document:
    found: Document = document["paths"][PATH]["put"]
    return found


def bodies(document: Document) -> Document:
    found: Document = put(document)["requestBody"]["content"]
    return found


def sent(document: Document) -> Document:
    """The properties of what a client sends."""
    found: Document = document["components"]["schemas"]["Draft"]["properties"]
    return found


def answered(document: Document) -> Document:
    """The properties of what a client receives."""
    found: Document = document["components"]["schemas"]["Part"]["properties"]
    return found


def needs(document: Document, schema: str, name: str) -> None:
    document["components"]["schemas"][schema]["required"].append(name)


CHANGES = [
    Change("nothing", lambda d: d, None, None),
    Change("description", lambda d: get(d).update(description="Other words."), None, None),
    # -- operations
    Change("operation removed", lambda d: d["paths"][PATH].pop("put"), "PUT /v1/parts/{partId} is gone", None),
    Change("path removed", lambda d: d["paths"].pop(PATH), "GET /v1/parts/{partId} is gone", None),
    Change("operation renamed", lambda d: get(d).update(operationId="readPart"), "operationId", "operationId"),
    Change(
        "scope added", lambda d: get(d)["security"][0]["accessToken"].append("admin"), "needs the scope admin", None
    ),
    # -- parameters
    Change("parameter removed", lambda d: get(d)["parameters"].pop(), "the parameter lang (query) is gone", None),
    Change(
        "parameter required", lambda d: get(d)["parameters"][1].update(required=True), "lang (query) is required", None
    ),
    Change(
        "required parameter added",
        lambda d: get(d)["parameters"].append({"name": "q", "in": "query", "required": True, "schema": {}}),
        "the parameter q (query) is required",
        "the parameter q (query) is gone",
    ),
    Change(
        "optional parameter added",
        lambda d: get(d)["parameters"].append({"name": "q", "in": "query", "schema": {"type": "string"}}),
        None,
        "the parameter q (query) is gone",
    ),
    Change(
        "parameter's value removed",
        lambda d: get(d)["parameters"][1]["schema"]["enum"].remove("de"),
        "may be 'de', which is not expected",
        None,
    ),
    Change(
        "parameter's bound tightened",
        lambda d: get(d)["parameters"][0]["schema"].update(maxLength=10),
        "maxLength is 20, expected is 10",
        None,
    ),
    Change(
        "parameter's type changed",
        lambda d: get(d)["parameters"][1].update(schema={"type": "integer"}),
        "lang (query) may be string",
        "lang (query) may be integer",
    ),
    Change(
        "parameter's default changed",
        lambda d: get(d)["parameters"][1]["schema"].update(default="de"),
        "another default",
        "another default",
    ),
    Change(
        "parameter moved",
        lambda d: get(d)["parameters"][1].update({"in": "header"}),
        "(query) is gone",
        "(header) is gone",
    ),
    # -- what a client sends
    Change("body required", lambda d: put(d)["requestBody"].update(required=True), "the body is required now", None),
    Change("body removed", lambda d: put(d).pop("requestBody"), "the body is gone", None),
    Change(
        "body's media type changed",
        lambda d: bodies(d).update({"text/csv": bodies(d).pop("application/json")}),
        "as application/json is gone",
        "as text/csv is gone",
    ),
    Change("sent property removed", lambda d: sent(d).pop("kind"), "kind is not known any more", None),
    Change("sent property required", lambda d: needs(d, "Draft", "kind"), "kind may be missing, and is required", None),
    Change(
        "sent property added", lambda d: sent(d).update(size={"type": "string"}), None, "size is not known any more"
    ),
    Change("sent value removed", lambda d: sent(d)["kind"]["enum"].remove("nut"), "may be 'nut'", None),
    Change("sent type changed", lambda d: sent(d)["count"].update(type="string"), "may be integer", "may be string"),
    Change("sent type widened", lambda d: sent(d)["count"].update(type="number"), None, "may be number"),
    Change("sent maximum lowered", lambda d: sent(d)["count"].update(maximum=9), "maximum is 100, expected is 9", None),
    Change("sent maximum gone", lambda d: sent(d)["count"].pop("maximum"), None, "maximum is open, expected is 100"),
    Change("sent minimum raised", lambda d: sent(d)["count"].update(minimum=1), "minimum is 0, expected is 1", None),
    Change(
        "sent length bounded", lambda d: sent(d)["kind"].update(minLength=4), "minLength is open, expected is 4", None
    ),
    Change("sent pattern changed", lambda d: sent(d)["name"].update(pattern="^a$"), "pattern is", "pattern is"),
    Change("sent pattern dropped", lambda d: sent(d)["name"].pop("pattern"), None, "pattern is open"),
    Change(
        "sent format added", lambda d: sent(d)["kind"].update(format="uuid"), "format is open, expected is uuid", None
    ),
    Change("sent null refused", lambda d: sent(d).update(note={"type": "string"}), "note may be null", None),
    Change("sent list shortened", lambda d: sent(d)["labels"].update(maxItems=1), "maxItems is 5, expected is 1", None),
    Change(
        "sent items changed",
        lambda d: sent(d)["labels"].update(items={"type": "integer"}),
        "labels[] may be",
        "labels[] may be",
    ),
    Change(
        "sent members changed",
        lambda d: sent(d)["prices"].update(additionalProperties={"type": "string"}),
        "prices.* may be integer",
        "prices.* may be string",
    ),
    # -- what a client receives
    Change("status removed", lambda d: get(d)["responses"].pop("200"), "the answer 200 is gone", None),
    Change("refusal removed", lambda d: get(d)["responses"].pop("404"), "the answer 404 is gone", None),
    Change(
        "answer's media type removed",
        lambda d: get(d)["responses"]["200"]["content"].pop("text/plain"),
        "the answer 200 as text/plain is gone",
        None,
    ),
    Change("header removed", lambda d: get(d)["responses"]["200"].pop("headers"), "the header ETag is gone", None),
    Change(
        "header not promised",
        lambda d: get(d)["responses"]["200"]["headers"]["ETag"].pop("required"),
        "the header ETag may be missing",
        None,
    ),
    Change("answered property removed", lambda d: answered(d).pop("kind"), "kind is gone", None),
    Change("answered property added", lambda d: answered(d).update(size={"type": "string"}), None, "size is gone"),
    Change(
        "answered property optional",
        lambda d: d["components"]["schemas"]["Part"]["required"].clear(),
        "name may be missing, and is required",
        None,
    ),
    Change("answered value added", lambda d: answered(d)["kind"]["enum"].append("bolt"), "may be 'bolt'", None),
    Change("answered value removed", lambda d: answered(d)["kind"]["enum"].remove("nut"), None, "may be 'nut'"),
    Change(
        "answered type changed", lambda d: answered(d)["count"].update(type="string"), "may be string", "may be integer"
    ),
    Change("answered type widened", lambda d: answered(d)["count"].update(type="number"), "may be number", None),
    Change("answered null", lambda d: answered(d).update(kind={"type": ["string", "null"]}), "kind may be", None),
    Change(
        "answered bound loosened",
        lambda d: answered(d)["count"].update(maximum=200),
        "maximum is 200, expected is 100",
        None,
    ),
    Change("answered pattern dropped", lambda d: answered(d)["name"].pop("pattern"), "pattern is open", None),
    Change(
        "answered list longer", lambda d: answered(d)["labels"].pop("maxItems"), "maxItems is open, expected is 5", None
    ),
]

# Words that the comparison does not know have to fail, wherever they stand and on whichever side.
UNKNOWN_WORDS: list[tuple[str, Any]] = [
    ("not", {"type": "string"}),
    ("patternProperties", {"^x": {"type": "string"}}),
    ("if", {"type": "string"}),
    ("contains", {"type": "string"}),
    ("propertyNames", {"pattern": "^x"}),
    ("dependentRequired", {"name": ["kind"]}),
    ("unevaluatedProperties", False),
    ("madeUp", 1),
]
