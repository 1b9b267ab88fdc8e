"""The Tryton identifier types of the tax ids that customers state.

Source: `party.identifier` of Tryton 8.2, whose types are python-stdnum's modules, and which refuses a number that its
module rejects; measured with a number of each type. A number without a known type is not stored.
"""

from typing import Any

from shared.canonical import CustomerDraft
from shared.problem import Rejected
from system_api.erp.tryton.records import PartyRecord
from system_api.erp.tryton.rest import VENDOR
from system_api.vendor.vat import TaxId, is_same_tax_id, tax_id_of, tax_id_under

_CH_DIGITS, _CH_SUFFIXES = 9, ("MWST", "TVA", "IVA", "TPV")


def identifier_of(stated: str | None, country: str) -> dict[str, str] | None:
    """Return the identifier's type and code; None for a tax id of an unknown form."""
    found = tax_id_of(stated, country)
    if found is None:
        return None
    if found.in_union:
        return {"type": "eu_vat", "code": found.written}
    match found.register:
        case "GB":
            return {"type": "gb_vat", "code": found.written}
        case "CH":
            # A number with the suffix is registered for VAT; without it, it only names the company.
            is_vat = not found.number.isdecimal()
            return {"type": "ch_vat" if is_vat else "ch_uid", "code": f"CHE{found.number}"}
        case "NO":
            return {"type": "no_vat", "code": f"{found.number}MVA"}
        case "US":
            return {"type": "us_ein", "code": found.number}
    return None


def missing_identifier(party: PartyRecord, draft: CustomerDraft) -> list[Any] | None:
    """Return what to write so that the party has the tax id that the account states; None if it has.

    A deactivated one is activated again; merging deactivates the identifiers of the party that is given up. Raises
    Rejected (`tax_id_differs`) if the party has another one of the same register: a company has only one there, and a
    person must decide which is wrong.
    """
    stated, wanted = tax_id_of(draft.vat_id, draft.address.country), identifier_of(draft.vat_id, draft.address.country)
    if stated is None or wanted is None:
        return None
    written = compact_forms(stated)
    same = [each for each in party.identifiers if each.type is not None and each.code_compact in written]
    if any(each.active for each in same):
        return None
    for each in party.identifiers:
        held = tax_id_under(each.type, each.code_compact) if each.active else None
        if held is not None and held.register == stated.register and not is_same_tax_id(held, stated):
            raise Rejected(
                f"Customer {party.code} has another tax id in the ERP than the account states, both of "
                f"{stated.register}. Have the wrong one corrected, in the ERP or on the account, then submit the quote "
                "again.",
                reason_code="tax_id_differs",
                vendor=VENDOR,
            )
    return ["write", [same[0].id], {"active": True}] if same else ["create", [wanted]]


def compact_forms(stated: TaxId) -> list[str]:
    """Return the compact forms of the same tax id in several types: with letters before or behind it, and without.

    Source: `compact` of python-stdnum's modules, by which Tryton keeps `code_compact`.
    """
    number = stated.number
    numbers = [number]
    match stated.register:
        case "BE":  # nine digits until 2005, then a leading zero was added
            numbers += [number.zfill(10), number.removeprefix("0")]
        case "GR":
            numbers += [number.zfill(9), number.removeprefix("0")]
        case "NL":
            numbers += [number.zfill(12)]
        case "NO":
            numbers += [f"{number}MVA"]
        case "CH":
            company = number[:_CH_DIGITS]
            numbers += [company, *(company + suffix for suffix in _CH_SUFFIXES)]
    letters = [stated.written.removesuffix(number), stated.register, *(["CHE"] if stated.register == "CH" else []), ""]
    return list(dict.fromkeys(before + each for each in numbers for before in letters))
