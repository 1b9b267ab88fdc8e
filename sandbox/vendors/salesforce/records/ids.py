"""Record ids: 15 case-sensitive characters, or 18 where the last three say which of the 15 are capitals.

Source: Salesforce's "What are the differences between 15 and 18 character ids" (the three characters encode the
capitals of each group of five, lowest bit first).
"""

import re
import string
from collections import defaultdict

_SUFFIX = string.ascii_uppercase + "012345"
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SHORT = re.compile(r"[A-Za-z0-9]{15}")
_LONG = re.compile(r"[A-Za-z0-9]{18}")
# Ids of the seed data end in small numbers; generated ones begin well above them.
_FIRST_GENERATED = 1000


def case_safe(short_id: str) -> str:
    """Return the 18-character form of a 15-character id."""
    suffix = ""
    for begin in (0, 5, 10):
        group = short_id[begin : begin + 5]
        suffix += _SUFFIX[
            sum(1 << place for place, letter in enumerate(group) if letter.isascii() and letter.isupper())
        ]
    return short_id + suffix


def normalize(value: str) -> str | None:
    """Return the 18-character form of any id that a client may send; None if it is no id.

    The suffix of an 18-character id restores the capitals, so a client that lost them still reaches the record.
    """
    if _SHORT.fullmatch(value):
        return case_safe(value)
    if not _LONG.fullmatch(value):
        return None
    restored = ""
    for group_index, letter in enumerate(value[15:].upper()):
        if letter not in _SUFFIX:
            return None
        bits = _SUFFIX.index(letter)
        for place, character in enumerate(value[group_index * 5 : group_index * 5 + 5]):
            restored += character.upper() if bits >> place & 1 else character.lower()
    normal = case_safe(restored)
    return normal if normal.upper() == value.upper() else None


class IdGenerator:
    """New 18-character ids, counted per key prefix (the three characters that tell an id's object)."""

    def __init__(self) -> None:
        self._next: defaultdict[str, int] = defaultdict(lambda: _FIRST_GENERATED)

    def new_id(self, key_prefix: str) -> str:
        number = self._next[key_prefix]
        self._next[key_prefix] += 1
        digits = ""
        while number:
            number, digit = divmod(number, 62)
            digits = _BASE62[digit] + digits
        return case_safe(f"{key_prefix}QW0{digits:0>9}")
