"""The types of Tryton's identifiers for the tax ids that customers state.

Source: `party.identifier` of Tryton 8.2, whose types are python-stdnum's modules and which refuses a number that its
module does not take; measured with a number of each type. What has no type here is not stored.
"""

from system_api.vat import tax_id_of


def identifier_of(stated: str | None, country: str) -> dict[str, str] | None:
    """The identifier's type and code; None for a tax id of no form that is known here."""
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
