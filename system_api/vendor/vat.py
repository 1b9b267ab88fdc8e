"""Tax ids as customers state them, and the European Union's VAT area.

Sources: Council Directive 2006/112/EC, Articles 5, 6, 214 and 215, as amended by Directive (EU) 2019/475 (Campione);
the forms of the numbers: python-stdnum and "Supported tax ID types" in Stripe's documentation; postal codes: the
national postal operators. Only VIES, or a country's own register, knows whether a number is valid.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from system_api.vendor.tax_id_check import is_possible

MEMBER_STATES = frozenset(
    {
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU"),
        *("IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
    }
)
"""ISO 3166-1 codes."""
KNOWN_COUNTRIES = MEMBER_STATES | {"GB", "CH", "NO", "US"}
"""The countries whose tax ids are known here."""

NORTHERN_IRELAND = "XI"
_STATE_OF_PREFIX = {"EL": "GR"}
_PREFIX_OF_STATE = {"GR": "EL"}
_VAT_ID = re.compile(r"[A-Z]{2}(?=.*[0-9])[0-9A-Z+*]{2,13}")
# The number of digits, for the states whose numbers are digits only.
_DIGITS = {
    **dict.fromkeys(("AT", "DK", "FI", "HU", "LU", "MT", "SI"), (8,)),
    **dict.fromkeys(("DE", "EE", "GR", "PT"), (9,)),
    **dict.fromkeys(("BE", "PL", "SK"), (10,)),
    **dict.fromkeys(("FR", "HR", "IT", "LV"), (11,)),
    "BG": (9, 10),
    "CZ": (8, 9, 10),
    "LT": (9, 12),
    "SE": (12,),
}
# Where a number says the same without the country's letters. In Romania one without them is not registered for VAT.
_WRITTEN_WITHOUT_LETTERS = MEMBER_STATES - {"RO"}
# Beside the member states: how a number is written, with or without its country's letters in front.
_ELSEWHERE = {
    "GB": re.compile(r"(?:GB)?([0-9]{9}|[0-9]{12}|GD[0-9]{3}|HA[0-9]{3})"),
    "XI": re.compile(r"XI([0-9]{9}|[0-9]{12})"),
    "CH": re.compile(r"CHE?([0-9]{9}(?:MWST|TVA|IVA|TPV)?)"),
    "NO": re.compile(r"(?:NO)?([0-9]{9})(?:MVA)?"),
    "US": re.compile(r"(?:US)?([0-9]{9})"),
}

# The register behind a vendor's type of tax ids; for the union's type, the number says it.
_REGISTER_OF_TYPE = {"eu_vat": "", "gb_vat": "GB", "ch_vat": "CH", "ch_uid": "CH", "no_vat": "NO", "us_ein": "US"}
_CH_DIGITS = 9


@dataclass(frozen=True, slots=True)
class TaxId:
    """A tax id: its register (ISO 3166-1, or XI), and its number without the country's letters."""

    register: str
    number: str

    @property
    def in_union(self) -> bool:
        """Whether VIES has it: a member state's, or Northern Ireland's."""
        return self.register in MEMBER_STATES or self.register == NORTHERN_IRELAND

    @property
    def written(self) -> str:
        """The number with the letters of its register, as the union writes it: EL for Greece."""
        return _PREFIX_OF_STATE.get(self.register, self.register) + self.number


def compact_vat_id(vat_id: str) -> str:
    """Return a VAT id as registers write it: capitals, without spaces, dots, dashes and slashes."""
    return re.sub(r"[\s./-]", "", vat_id).upper()


def tax_id_of(stated: str | None, country: str) -> TaxId | None:
    """Return the tax id that a customer in `country` states; None for an unknown form.

    A number without letters in front is of the country's own register. What cannot be told is not guessed: a number
    under the wrong type is a wrong tax. Elsewhere than in the countries of `KNOWN_COUNTRIES`, letters in front say
    nothing unless the number is possible: a Mexican one may begin with ES.
    """
    compact = compact_vat_id(stated or "")
    if not compact:
        return None
    state = _STATE_OF_PREFIX.get(compact[:2], compact[:2])
    if (
        state in MEMBER_STATES
        and _VAT_ID.fullmatch(compact)
        and (not country or country in KNOWN_COUNTRIES or is_possible(state, compact[2:]))
    ):
        return TaxId(state, compact[2:])
    for register, form in _ELSEWHERE.items():
        found = form.fullmatch(compact)
        if found and (register == country or compact.startswith(register)):
            return TaxId(register, found[1])
    if compact.isdecimal() and len(compact) in _DIGITS.get(country, ()):
        return TaxId(country, f"U{compact}" if country == "AT" else compact)
    if country in _WRITTEN_WITHOUT_LETTERS and is_possible(country, compact):
        return TaxId(country, compact)
    return None


class TaxIdState(StrEnum):
    """What can be said of a tax id as it is stated, before anybody is asked."""

    absent = "absent"
    possible = "possible"
    impossible = "impossible"
    """Of a form that is known, and of no number that its register gives."""
    unreadable = "unreadable"
    """Of no form that is known for the customer's country."""
    unknown = "unknown"
    """Of a country whose tax ids are not known here."""


def state_of_tax_id(stated: str | None, country: str) -> TaxIdState:
    """What can be said of the tax id that a customer in `country` states."""
    if not compact_vat_id(stated or ""):
        return TaxIdState.absent
    found = tax_id_of(stated, country)
    if found is None:
        return TaxIdState.unreadable if country in KNOWN_COUNTRIES else TaxIdState.unknown
    return TaxIdState.possible if is_possible(found.register, found.number) else TaxIdState.impossible


def tax_id_under(type_: str | None, value: str | None) -> TaxId | None:
    """Return the tax id that a vendor stores under one of its types; None for a type that we do not write.

    Stripe and Tryton name those types alike (docs.stripe.com/billing/customer/tax-ids; python-stdnum's modules).
    """
    if not type_ or not value or type_ not in _REGISTER_OF_TYPE:
        return None
    return tax_id_of(value, _REGISTER_OF_TYPE[type_])


def is_same_tax_id(one: TaxId, other: TaxId) -> bool:
    """Return whether both are one registration, ignoring leading zeros and the suffix of a Swiss one."""
    digits = _CH_DIGITS if one.register == "CH" else None
    return one.register == other.register and one.number[:digits].lstrip("0") == other.number[:digits].lstrip("0")


def member_state_of(vat_id: str | None, country: str = "") -> str | None:
    """Return the member state whose register a customer's tax id claims to be in; None if none."""
    found = tax_id_of(vat_id, country)
    return found.register if found is not None and found.register in MEMBER_STATES else None


@dataclass(frozen=True, slots=True)
class _Territory:
    country: str
    name: str
    postal_codes: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    city: str = ""
    """Set if another place has the postal code too."""


# Article 6: parts of member states, or of their names, where the union's VAT does not apply.
_TERRITORIES = (
    _Territory("ES", "the Canary Islands", ("35", "38"), ("CN", "GC", "TF")),
    _Territory("ES", "Ceuta", ("51",), ("CE",)),
    _Territory("ES", "Melilla", ("52",), ("ML",)),
    _Territory("FI", "Åland", ("22",), ("01",)),
    _Territory("FR", "the French overseas territories", ("97", "984", "986", "987", "988")),
    _Territory("DE", "Büsingen", ("78266",)),
    _Territory("DE", "Heligoland", ("27498",)),
    _Territory("IT", "Livigno", ("23041",)),
    _Territory("IT", "Livigno", ("23030",), city="LIVIGNO"),
    _Territory("IT", "Campione d'Italia", ("22061",)),
    _Territory("GR", "Mount Athos", ("63086",), ("69",)),
    _Territory("DK", "Greenland", ("39",)),
)
# Shorter ones are typing errors: 52 in Spain is Melilla's only with three digits after it.
_POSTAL_DIGITS = {"ES": 5, "FI": 5, "FR": 5, "DE": 5, "IT": 5, "GR": 5, "DK": 4}
_FRENCH_OVERSEAS_REGIONS = frozenset(
    {"GP", "MQ", "GF", "RE", "YT", "PM", "BL", "MF", "PF", "WF", "NC", "TF", "971", "972", "973", "974", "976"}
)


def outside_vat_area(country: str, postal_code: str, region: str | None = None, city: str = "") -> str | None:
    """Return the name of the territory at that address if it belongs to a member state but not to the VAT area."""
    if country == "FR" and region in _FRENCH_OVERSEAS_REGIONS:
        return "the French overseas territories"
    code = re.sub(r"[^0-9]", "", postal_code)
    for territory in _TERRITORIES:
        if territory.country != country or (territory.city and territory.city not in city.upper()):
            continue
        by_code = len(code) == _POSTAL_DIGITS[country] and code.startswith(territory.postal_codes)
        if by_code or region in territory.regions:
            return territory.name
    return None


def is_northern_ireland(country: str, postal_code: str) -> bool:
    """Return whether the union's VAT rules apply there for goods, but not for services (Windsor Framework, Article
    8).
    """
    return country == "GB" and postal_code.strip().upper().startswith("BT")
