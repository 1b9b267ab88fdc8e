"""The European Union's VAT area, as far as customers' VAT ids need it.

Source: Council Directive 2006/112/EC, Articles 214 and 215.
"""

import re

MEMBER_STATES = frozenset(
    {
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU"),
        *("IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
    }
)
"""ISO 3166-1 codes."""

_STATE_OF_PREFIX = {"EL": "GR"}
_VAT_ID = re.compile(r"[A-Z]{2}[0-9A-Z+*]{2,13}")


def compact_vat_id(vat_id: str) -> str:
    """A VAT id as registers write it: capitals, without the spaces, dots and dashes that people put in."""
    return re.sub(r"[\s.-]", "", vat_id).upper()


def member_state_of(vat_id: str | None) -> str | None:
    """The member state that a VAT id claims to be from; None for none at all. Only VIES knows if it is valid."""
    compact = compact_vat_id(vat_id or "")
    state = _STATE_OF_PREFIX.get(compact[:2], compact[:2])
    return state if state in MEMBER_STATES and _VAT_ID.fullmatch(compact) else None
