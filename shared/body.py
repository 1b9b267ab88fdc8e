"""What a request body may be, checked before any of it is decoded into types.

The decoder alone is not enough: invalid UTF-8 and deep nesting make it fail in ways that would answer 500, and of
duplicate keys it silently takes the last.
"""

import json
import re
from typing import Any

from shared.problem import Fault, InvalidRequest, PayloadTooLarge

BODY_BYTES_MAX = 1_000_000
DEPTH_MAX = 32
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def check_json_body(body: bytes) -> None:
    """Raise InvalidRequest or PayloadTooLarge unless `body` is JSON text within our bounds, without duplicate keys."""
    if len(body) > BODY_BYTES_MAX:
        raise PayloadTooLarge(f"The body has {len(body)} bytes; at most {BODY_BYTES_MAX} are taken.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid(f"The body is not valid UTF-8 (byte {error.start}).") from error
    _check_depth(text)
    try:
        json.loads(text, object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant)
    except InvalidRequest:
        raise
    except ValueError as error:
        raise _invalid(f"The body is not JSON: {error}.") from error


def _check_depth(text: str) -> None:
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if bracket.group() in "[{" else -1
        if depth > DEPTH_MAX:
            raise _invalid(f"The body is nested deeper than {DEPTH_MAX} levels.")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise InvalidRequest(
                    "A field is given twice.", [Fault(pointer=f"/{name}", detail="This field is given more than once.")]
                )
            seen.add(name)
    return found


def _refuse_constant(name: str) -> Any:
    raise _invalid(f"{name} is not JSON.")


def _invalid(detail: str) -> InvalidRequest:
    return InvalidRequest(detail, [Fault(pointer="", detail=detail)])
