"""What a request body may be, checked before any of it is decoded into types.

The decoder alone is not enough: invalid UTF-8 and deep nesting make it fail in ways that would answer 500, and of
duplicate keys it silently takes the last.
"""

import json
import re
from collections import Counter
from typing import Any

import msgspec

from shared.inbound.body_faults import faults_of, sentence_of
from shared.problem import Fault, InvalidRequest, PayloadTooLarge

BODY_BYTES_MAX = 1_000_000
BODY_TIMEOUT_S = 10.0
DEPTH_MAX = 32
# Lines of an order, and items of any other array.
ITEMS_MAX = 1500
# Ids are segments of addresses to the tiers behind, where these have a meaning of their own (shared.outbound.paths).
_DOT_SEGMENTS = frozenset({".", ".."})
_MEMBER = re.compile(r"Object (?:missing required|contains unknown) field `(?P<name>[^`]*)`")
# A whole string, or what there is of one that never ends, or a bracket. Possessive, so that the time is linear in the
# body: with ordinary repetition 1 MB of `\"` would be searched from every one of its quotes to the end, for an hour.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def check_json_body(body: bytes) -> None:
    """Raise InvalidRequest or PayloadTooLarge unless `body` is JSON text within our bounds, without repeated fields."""
    if len(body) > BODY_BYTES_MAX:
        raise PayloadTooLarge(f"The body has {len(body)} bytes; at most {BODY_BYTES_MAX} are taken.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid(f"The body is not valid UTF-8 (byte {error.start}).") from error
    _check_depth(text)
    try:
        content = json.loads(text, object_pairs_hook=_read_object, parse_constant=_refuse_constant)
    except ValueError as error:
        raise _invalid(f"The body is not JSON: {error}.") from error
    fault = _find_fault(content)
    if fault is not None:
        raise InvalidRequest("The body cannot be taken.", [fault])


def _check_depth(text: str) -> None:
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        first = found.group()[0]
        if first == '"':
            continue
        depth += 1 if first in "[{" else -1
        if depth > DEPTH_MAX:
            raise _invalid(f"The body is nested deeper than {DEPTH_MAX} levels.")


class _Repeated(str):
    """Stands for an object that has this field more than once."""


def _read_object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    return _Repeated(Counter(name for name, _ in pairs).most_common(1)[0][0])


def _find_fault(content: Any, at: str = "") -> Fault | None:
    """Return the first repeated field, too long array or id that is a dot segment, below the JSON pointer (RFC 6901)
    `at`.
    """
    if isinstance(content, _Repeated):
        return Fault(pointer=f"{at}/{_escaped(content)}", detail="This field is given more than once.")
    if isinstance(content, list):
        if len(content) > ITEMS_MAX:
            return Fault(pointer=at, detail=f"Expected at most {ITEMS_MAX} items, got {len(content)}.")
        members: Any = enumerate(content)
    elif isinstance(content, dict):
        members = content.items()
    else:
        return None
    for name, value in members:
        # Only what can hold a fault is looked into: most values are texts and numbers.
        if type(value) is str and value in _DOT_SEGMENTS and str(name).endswith("Id"):
            return Fault(pointer=f"{at}/{_escaped(str(name))}", detail="No record has this id.")
        if isinstance(value, (dict, list, _Repeated)):
            fault = _find_fault(value, f"{at}/{_escaped(str(name))}")
            if fault is not None:
                return fault
    return None


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _refuse_constant(name: str) -> Any:
    raise _invalid(f"{name} is not JSON.")


def _invalid(detail: str) -> InvalidRequest:
    return InvalidRequest(detail, [Fault(pointer="", detail=detail)])


def check_shape(body: bytes, kind: Any) -> None:
    """Raise InvalidRequest, with every fault and a pointer to it, unless `body` is exactly of `kind`.

    The framework decodes leniently (`"1"` is a number to it), which the published contract does not say.
    """
    try:
        msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        detail, _, path = str(error).partition(" - at `$")
        # A fault that is not found by going through the type is still told, as the decoder has it.
        faults = _all_faults(body, kind) or [shape_fault(path.rstrip("`"), detail)]
        raise InvalidRequest("The request is not valid.", faults) from error
    except msgspec.DecodeError as error:  # half of a surrogate pair, which Python's own parser lets through
        raise _invalid(f"The body is not JSON: {error}.") from error


def _all_faults(body: bytes, kind: Any) -> list[Fault]:
    """Return None where the body is no JSON behind the first of them."""
    try:
        return faults_of(msgspec.json.decode(body), kind)
    except msgspec.DecodeError:
        return []


def shape_fault(path: str, detail: str) -> Fault:
    """Return what msgspec found at `path`; a missing or unknown field is pointed at itself, not at what holds it."""
    pointer = json_pointer(path)
    member = _MEMBER.match(detail)
    return Fault(pointer=f"{pointer}/{member['name']}" if member else pointer, detail=sentence_of(detail))


def json_pointer(path: str) -> str:
    """Return a msgspec path (`lines[0].quantity`) as a JSON pointer (`/lines/0/quantity`).

    Of a map's value the path does not tell the key (`tags[...]`): the pointer then ends at the map.
    """
    known, _, _ = path.partition("[...]")
    return "".join(f"/{part}" for part in re.split(r"[.\[\]]+", known) if part)
