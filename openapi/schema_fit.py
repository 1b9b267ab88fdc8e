"""Checks whether every value of one JSON Schema is a value of another, on which every breaking change depends.

What we receive fits if everything that clients send under the published schema is accepted under the new one; what we
send fits if everything that we send under the new schema is expected under the published one. One comparison serves
both, and events.

A keyword that this cannot compare is a finding: nothing passes unchecked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from openapi.documents import Document
from shared.contract.document import resolved

_ANNOTATIONS = frozenset({"description", "title", "examples", "example", "deprecated", "$schema", "$id", "$comment"})
_COMPARED = frozenset(
    """
    type enum const oneOf anyOf allOf $ref properties required additionalProperties items pattern format
    minLength maxLength minimum maximum exclusiveMinimum exclusiveMaximum minItems maxItems
    minProperties maxProperties uniqueItems nullable default multipleOf
    $defs readOnly writeOnly
    """.split()  # noqa: SIM905 a list of words reads better as text
)
_LOWER = ("minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties")
_UPPER = ("maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties")
# Equal on both sides, or not comparable.
_EQUAL = ("pattern", "format", "multipleOf", "uniqueItems", "exclusiveMinimum", "exclusiveMaximum")
_ANY_TYPE = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})


@dataclass(frozen=True)
class Side:
    """A schema, and the document that its references point into. `old`: it is the published one."""

    document: Document
    schema: Document
    old: bool

    def at(self, schema: Document) -> "Side":
        """Return another schema of the same document."""
        return Side(self.document, schema, self.old)


def misfits(sender: Side, receiver: Side, where: str) -> list[str]:
    """Yield a sentence for each way in which a value of the sender's schema is none of the receiver's."""
    senders = list(_alternatives(sender))
    receivers = list(_alternatives(receiver))
    found: list[str] = []
    for one in senders:
        unknown = _unknown_words(one.schema, where)
        if unknown:
            return unknown
        # Among several alternatives, the nearest explains best what is wrong.
        attempts = sorted((_misfits_of_one(one, other, where) for other in receivers), key=len)
        found += attempts[0]
    for other in receivers:
        found += _unknown_words(other.schema, where)
    return list(dict.fromkeys(found))


def _alternatives(side: Side) -> Iterator[Side]:
    """Yield the schemas of which a value must meet one: choices and type lists are split, references resolved."""
    schema = dict(resolved(side.document, side.schema))
    if "allOf" in schema and len(schema["allOf"]) == 1:
        inner = schema.pop("allOf")[0]
        schema = {**resolved(side.document, inner), **schema}
    nullable = schema.pop("nullable", False)
    choices = schema.pop("oneOf", None) or schema.pop("anyOf", None)
    if choices is not None:
        for choice in choices:
            yield from _alternatives(side.at({**schema, **resolved(side.document, choice)}))
    elif isinstance(schema.get("type"), list):
        for kind in schema["type"]:
            yield side.at({**schema, "type": kind})
    else:
        yield side.at(schema)
    if nullable:
        yield side.at({"type": "null"})


def _unknown_words(schema: Document, where: str) -> list[str]:
    words = [word for word in schema if word not in _COMPARED | _ANNOTATIONS and not word.startswith("x-")]
    if len(schema.get("allOf", [])) > 1:
        words.append("allOf of several")
    return [f"{where}: `{word}` cannot be compared." for word in words]


def _misfits_of_one(sender: Side, receiver: Side, where: str) -> list[str]:
    sent, taken = sender.schema, receiver.schema
    found = _misfit_types(sent, taken, where)
    if found:
        return found
    found = _misfit_values(sent, taken, where) + _misfit_bounds(sent, taken, where)
    if "properties" in sent or "properties" in taken or "additionalProperties" in taken:
        found += _misfit_properties(sender, receiver, where)
    if "items" in taken:
        found += misfits(sender.at(sent.get("items", {})), receiver.at(taken["items"]), f"{where}[]")
    return found


def _types(schema: Document) -> frozenset[str]:
    if "type" in schema:
        return frozenset({schema["type"]})
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if values is not None and all(isinstance(value, str) for value in values):
        return frozenset({"string"})
    return _ANY_TYPE


def _misfit_types(sent: Document, taken: Document, where: str) -> list[str]:
    allowed = _types(taken) | ({"integer"} if "number" in _types(taken) else set())
    other = sorted(_types(sent) - allowed)
    return [f"{where} may be {' or '.join(other)}, expected is {' or '.join(sorted(_types(taken)))}."] if other else []


def _values(schema: Document) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] | None = schema.get("enum")
    return values


def _misfit_values(sent: Document, taken: Document, where: str) -> list[str]:
    sends, takes = _values(sent), _values(taken)
    if takes is None:
        return []
    if sends is None:
        return [f"{where} may be anything, expected is one of {takes}."]
    return [f"{where} may be {value!r}, which is not expected." for value in sends if value not in takes]


def _misfit_bounds(sent: Document, taken: Document, where: str) -> list[str]:
    words = [word for word in _LOWER if _is_number(taken.get(word)) and _below(sent.get(word), taken[word], word)]
    words += [word for word in _UPPER if _is_number(taken.get(word)) and _above(sent.get(word), taken[word])]
    words += [
        word
        for word in _EQUAL
        if word in taken and sent.get(word) != taken[word] and not (word in _LOWER + _UPPER and _is_number(taken[word]))
    ]
    return [f"{where}: {word} is {sent.get(word, 'open')}, expected is {taken[word]}." for word in words]


def _below(sends: Any, takes: float, word: str) -> bool:
    if not _is_number(sends):
        return not (word in {"minLength", "minItems", "minProperties"} and takes == 0)
    return bool(sends < takes)


def _above(sends: Any, takes: float) -> bool:
    return not _is_number(sends) or bool(sends > takes)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _misfit_properties(sender: Side, receiver: Side, where: str) -> list[str]:
    sent, taken = sender.schema.get("properties", {}), receiver.schema.get("properties", {})
    rest = receiver.schema.get("additionalProperties", True)
    always = set(sender.schema.get("required", []))
    found = [
        f"{where}.{name} may be missing, and is required."
        for name in receiver.schema.get("required", [])
        if name not in always
    ]
    for name, schema in sent.items():
        if name in taken:
            found += misfits(sender.at(schema), receiver.at(taken[name]), f"{where}.{name}")
        elif isinstance(rest, dict):
            found += misfits(sender.at(schema), receiver.at(rest), f"{where}.{name}")
        elif rest is False or sender.old:
            found.append(f"{where}.{name} is not known any more." if sender.old else f"{where}.{name} is not expected.")
    if receiver.old:
        found += [f"{where}.{name} is gone." for name in taken if name not in sent]
    others = sender.schema.get("additionalProperties")
    if isinstance(others, dict) and isinstance(rest, dict):
        found += misfits(sender.at(others), receiver.at(rest), f"{where}.*")
    elif isinstance(rest, dict) and not sent:
        found.append(f"{where}: its other members may be anything, expected is a type.")
    return found
