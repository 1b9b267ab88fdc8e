"""Salesforce record ids: 15 case-sensitive characters, or 18 whose last three say which of the 15 are capitals.

Salesforce accepts and shows both forms. Two spellings of one quote must not become two orders, so every id is converted
to its 18-character form first. Source: Salesforce's knowledge article on converting 15-character ids to 18-character
ids.
"""

import string

from shared.canonical.record_ids import checksum
from shared.problem import Fault, InvalidRequest

PATTERN = r"^[A-Za-z0-9]{15}([A-Za-z0-9]{3})?"
_SUFFIX = string.ascii_uppercase + "012345"
_SHORT, _LONG, _GROUP = 15, 18, 5


def canonical_id(value: str, pointer: str) -> str:
    """Return the 18-character form of a 15- or 18-character id. Raises InvalidRequest, at `pointer`, where it is no id.

    The last three characters restore capitals that a spreadsheet or a URL has lost.
    """
    if len(value) == _SHORT:
        return value + checksum(value)
    if len(value) != _LONG:
        detail = f"It has {len(value)} characters. A Salesforce id has {_SHORT} or {_LONG}: copy the id anew."
        raise InvalidRequest("This is not a Salesforce id.", [Fault(pointer=pointer, detail=detail)])
    restored = _restored(value)
    if restored is None or (restored + checksum(restored)).upper() != value.upper():
        detail = "The last three characters do not belong to the first fifteen: copy the id anew."
        raise InvalidRequest("This is not a Salesforce id.", [Fault(pointer=pointer, detail=detail)])
    return restored + checksum(restored)


def _restored(value: str) -> str | None:
    letters = []
    for place, letter in enumerate(value[:_SHORT]):
        mark = value[_SHORT + place // _GROUP].upper()
        if mark not in _SUFFIX:
            return None
        is_capital = _SUFFIX.index(mark) >> (place % _GROUP) & 1
        letters.append(letter.upper() if is_capital else letter.lower())
    return "".join(letters)
