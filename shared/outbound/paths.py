"""Paths of requests to our own tiers: ids are escaped, whatever they contain."""

from urllib.parse import quote

from shared.problem import Rejected

_DOT_SEGMENTS = frozenset({".", ".."})


def is_path_segment(value: str) -> bool:
    """Return whether an id can be a path segment: segments of dots have a meaning, however they are escaped."""
    return bool(value) and value not in _DOT_SEGMENTS


def path_of(template: str, *ids: str) -> str:
    """Return the path, with a percent-encoded id in place of each `{}`.

    Raises Rejected if an id cannot be in any path: a retry would not change that.
    """
    for each in ids:
        if not is_path_segment(each):
            raise Rejected(f"{each!r} is no id that a record can have.", reason_code="invalid_id")
    return template.format(*(quote(each, safe="") for each in ids))
