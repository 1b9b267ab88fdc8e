"""Checks a request body before any of it is decoded into types.

The decoder alone is not enough: it would answer invalid UTF-8 and deep nesting with 500, and it silently takes the last
of duplicate keys.
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
# Up to here a number with a point is exactly the whole number that it looks like.
_EXACT_MAX = 2**53
_UNREAD = object()
# Ids are segments of addresses to the tiers behind, where these have a meaning of their own (shared.outbound.paths).
_DOT_SEGMENTS = frozenset({".", ".."})
_MEMBER = re.compile(r"Object (?:missing required|contains unknown) field `(?P<name>[^`]*)`")
# A whole string, an unterminated one, or a bracket. Possessive, so that the time is linear in the body: ordinary
# repetition would take an hour for 1 MB of `\"`.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def check_json_body(body: bytes) -> None:
    """Raise InvalidRequest or PayloadTooLarge unless `body` is JSON within our bounds, without repeated fields."""
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
        raise InvalidRequest("The body is refused.", [fault])


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
    """Marks an object that has this field more than once."""


def _read_object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    return _Repeated(Counter(name for name, _ in pairs).most_common(1)[0][0])


def _find_fault(content: Any, at: str = "") -> Fault | None:
    """Return the first repeated field, too long array or dot-segment id below the JSON pointer (RFC 6901) `at`."""
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
        # Only values that can hold a fault are searched: most are texts and numbers.
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
    """Raise InvalidRequest, with every fault and a pointer to it, unless `body` is exactly of type `kind`.

    The framework decodes leniently (`"1"` is a number to it), contrary to the published contract.
    """
    try:
        msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        content = _read(body)
        if _fits_with_whole_numbers(content, kind):
            return
        detail, _, path = str(error).partition(" - at `$")
        # A fault that is not found by going through the type is still told, as the decoder has it.
        faults = (faults_of(content, kind) if content is not _UNREAD else []) or [shape_fault(path.rstrip("`"), detail)]
        raise InvalidRequest("The request is not valid.", faults) from error
    except msgspec.DecodeError as error:  # an unpaired surrogate, which Python's own parser accepts
        raise _invalid(f"The body is not JSON: {error}.") from error


def _read(body: bytes) -> Any:
    """The body, without a type: 1.0 is the whole number 1, as JSON Schema says. _UNREAD where it is no JSON."""
    try:
        return _with_whole_numbers(msgspec.json.decode(body))
    except msgspec.DecodeError:
        return _UNREAD


def _fits_with_whole_numbers(content: Any, kind: Any) -> bool:
    try:
        msgspec.convert(content, kind)
    except msgspec.ValidationError:
        return False
    return content is not _UNREAD


def _with_whole_numbers(content: Any) -> Any:
    if isinstance(content, float) and content.is_integer() and abs(content) <= _EXACT_MAX:
        return int(content)
    if isinstance(content, list):
        return [_with_whole_numbers(each) for each in content]
    if isinstance(content, dict):
        return {name: _with_whole_numbers(each) for name, each in content.items()}
    return content


def shape_fault(path: str, detail: str) -> Fault:
    """Return msgspec's fault at `path`. The pointer of a missing or unknown field includes the field."""
    pointer = json_pointer(path)
    member = _MEMBER.match(detail)
    return Fault(pointer=f"{pointer}/{member['name']}" if member else pointer, detail=sentence_of(detail))


def json_pointer(path: str) -> str:
    """Return a msgspec path (`lines[0].quantity`) as a JSON pointer (`/lines/0/quantity`).

    The path does not name a map's key (`tags[...]`): the pointer then ends at the map.
    """
    known, _, _ = path.partition("[...]")
    return "".join(f"/{part}" for part in re.split(r"[.\[\]]+", known) if part)
