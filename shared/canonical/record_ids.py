"""Salesforce record ids in every spelling that systems store them in.

An id has 15 case-sensitive characters. The form with 18 adds three that say which of the 15 are capitals; people and
spreadsheets write those three in either case. A record that was linked under one spelling is found under the others.
Source: Salesforce's knowledge article on converting 15-character ids to 18-character ids.
"""

import string
from itertools import product

_SUFFIX = string.ascii_uppercase + "012345"
_SHORT, _LONG, _GROUP = 15, 18, 5


def spellings(record_id: str) -> list[str]:
    """Return every spelling of the id, Salesforce's own first.

    An id that is not Salesforce's has one spelling.
    """
    if len(record_id) not in {_SHORT, _LONG} or not record_id.isascii() or not record_id.isalnum():
        return [record_id]
    short = record_id[:_SHORT]
    suffix = record_id[_SHORT:].upper() if len(record_id) == _LONG else checksum(short)
    cases = product(*({letter.upper(): 0, letter.lower(): 0} for letter in suffix))
    return list(dict.fromkeys([short + suffix, *(short + "".join(each) for each in cases), short]))


def canonical_spelling(record_id: str) -> str:
    """Return the id as Salesforce shows it: 18 characters, the last three in capitals."""
    return spellings(record_id)[0]


def checksum(short_id: str) -> str:
    """Return the three characters that follow a 15-character id."""
    groups = (short_id[begin : begin + _GROUP] for begin in range(0, _SHORT, _GROUP))
    return "".join(
        _SUFFIX[sum(1 << place for place, letter in enumerate(group) if letter.isupper())] for group in groups
    )
