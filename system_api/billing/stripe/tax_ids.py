"""The Stripe types of the tax ids that customers state.

Source: Stripe, "Customer tax IDs", supported types and their forms. A number under the wrong type is printed on every
invoice and may charge the wrong tax, so a number without a known type is not stored.
"""

import uuid

import msgspec

from shared.canonical import CustomerDraft
from shared.problem import Rejected
from system_api.billing.stripe.api import VENDOR, Page, StripeApi
from system_api.vendor.vat import is_same_tax_id, tax_id_of, tax_id_under


class _TaxIdRecord(msgspec.Struct, frozen=True):
    id: str
    type: str = ""
    value: str = ""


async def keep_tax_id(api: StripeApi, customer: str, draft: CustomerDraft) -> None:
    """Add the tax id that the account states, where the customer does not have it. Raises as `missing_tax_id`."""
    wanted = await missing_tax_id(api, customer, draft)
    if wanted is None:
        return
    # It was looked for before; an old key would replay the answer that names one which somebody has deleted since.
    key = f"quoteway-add-tax-id-{uuid.uuid4().hex}"
    params = {"type": wanted[0], "value": wanted[1]}
    await api.post(f"/v1/customers/{customer}/tax_ids", _TaxIdRecord, params, key=key)


async def missing_tax_id(api: StripeApi, customer: str, draft: CustomerDraft) -> tuple[str, str] | None:
    """Type and value of the tax id that the account states and the customer does not have; None where it has it.

    Raises Rejected (`tax_id_differs`) if the customer has another one of the same register: a company has only one
    there, and a person must decide which is wrong.
    """
    stated, wanted = tax_id_of(draft.vat_id, draft.address.country), stripe_tax_id(draft.vat_id, draft.address.country)
    if stated is None or wanted is None:
        return None
    listed = [each async for each in api.list_all(f"/v1/customers/{customer}/tax_ids", Page[_TaxIdRecord], {})]
    held = [found for each in listed if (found := tax_id_under(each.type, each.value)) is not None]
    if any(is_same_tax_id(each, stated) for each in held):
        return None
    if any(each.register == stated.register for each in held):
        raise Rejected(
            f"Customer {customer} has another tax id in billing than the account states, both of {stated.register}. "
            "Have the wrong one corrected, in billing or on the account, then submit the quote again.",
            reason_code="tax_id_differs",
            vendor=VENDOR,
        )
    return wanted


def stripe_tax_id(stated: str | None, country: str) -> tuple[str, str] | None:
    """Return the type and the value; None for a tax id of an unknown form."""
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
