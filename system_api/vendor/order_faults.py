"""The faults of an order that vendors have in common, and refusals of a vendor's as faults."""

from shared.canonical import CustomerDraft, OrderFault
from shared.problem import Rejected
from system_api.vendor.vat import TaxIdState, state_of_tax_id, tax_id_of

TAX_ID = "vatId"
_OF_THE_ACCOUNT = {"address": "billingAddress"}


def tax_id_fault(draft: CustomerDraft) -> OrderFault | None:
    """Why the tax id that the account states cannot be kept; None where it can, or none is stated."""
    state, country = state_of_tax_id(draft.vat_id, draft.address.country), draft.address.country
    if state is TaxIdState.impossible:
        stated = tax_id_of(draft.vat_id, country)
        register = stated.register if stated is not None else country
        return OrderFault(
            code="tax_id_impossible",
            message=f"The tax id of account {draft.account_id} cannot be right: by the rules of {register}, its check "
            "digits do not belong to its other digits, or it is too short or too long. Correct it on the account in "
            "Salesforce.",
            field=TAX_ID,
        )
    if state is TaxIdState.unreadable:
        return OrderFault(
            code="tax_id_unreadable",
            message=f"The tax id of account {draft.account_id} has none of the forms that are known for {country}. "
            "Write it on the account in Salesforce as the tax office does, with the country's letters in front, or "
            "take it off.",
            field=TAX_ID,
        )
    return None


def tax_id_note(draft: CustomerDraft) -> str | None:
    """What becomes of a tax id of a country whose ids are not known here; None for others."""
    if state_of_tax_id(draft.vat_id, draft.address.country) is not TaxIdState.unknown:
        return None
    return (
        f"The tax id of account {draft.account_id} is kept neither in the ERP nor in billing, and no tax goes by it: "
        f"the forms of those of {draft.address.country} are not known here."
    )


def faults_of_refusal(refusal: Rejected, about: str) -> list[OrderFault]:
    """A refusal that a read has found already; `about` is its field, where the refusal names none."""
    named = [(_field_of(fault.pointer) or about, fault.detail) for fault in refusal.faults]
    return [
        OrderFault(code=refusal.reason_code, message=said, field=field)
        for field, said in named or [(about, refusal.detail)]
    ]


def _field_of(pointer: str) -> str:
    first, *within = pointer.strip("/").split("/")
    return ".".join([_OF_THE_ACCOUNT.get(first, first), *within])
