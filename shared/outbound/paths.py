"""The paths of requests to our own tiers: ids are data in them, whatever they hold."""

from urllib.parse import quote

from shared.problem import Rejected

_DOT_SEGMENTS = frozenset({".", ".."})


def is_path_segment(value: str) -> bool:
    """Return whether an id can be a segment of a path: dots have a meaning of their own there, however they are
    written.
    """
    return bool(value) and value not in _DOT_SEGMENTS


def path_of(template: str, *ids: str) -> str:
    """Return the path, with an id in place of each `{}` and percent-encoded.

    Raises Rejected where one cannot be in any path: sent again, it still could not.
    """
    for each in ids:
        if not is_path_segment(each):
            raise Rejected(f"{each!r} is no id that a record can have.", reason_code="invalid_id")
    return template.format(*(quote(each, safe="") for each in ids))
