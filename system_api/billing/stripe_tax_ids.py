"""The types of Stripe's customer tax ids for the ids that customers state.

Source: Stripe, "Customer tax IDs", supported types and their forms. A number under the wrong type is printed on every
invoice and may charge the wrong tax, so what has no type here is not stored.
"""

from system_api.vat import tax_id_of


def stripe_tax_id(stated: str | None, country: str) -> tuple[str, str] | None:
    """The type and the value; None for a tax id of no form that is known here."""
    found = tax_id_of(stated, country)
    if found is None:
        return None
    if found.in_union:
        return "eu_vat", found.written
    number = found.number
    match found.register:
        case "GB":
            return "gb_vat", found.written
        case "CH":
            grouped = f"CHE-{number[:3]}.{number[3:6]}.{number[6:9]}"
            # A number with the suffix is registered for VAT; without it, it only names the company.
            return ("ch_uid", grouped) if number.isdecimal() else ("ch_vat", f"{grouped} {number[9:]}")
        case "NO":
            return "no_vat", f"{number}MVA"
        case "US":
            return "us_ein", f"{number[:2]}-{number[2:]}"
    return None
