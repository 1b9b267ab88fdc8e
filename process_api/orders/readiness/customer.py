"""Checks that the account can be a customer: its legal entity, its address, and its credit."""

from process_api.orders.readiness.examination import CRM, ERP, Examination
from process_api.quotes.amounts import erp_net, has_erp_lines
from process_api.quotes.readiness_fault import ReadinessFault
from shared.canonical import Account, Address, CreditDecision
from shared.canonical.states import COUNTRIES_WITH_STATES, state_code


async def account(exam: Examination) -> list[ReadinessFault]:
    """Check that there is such an account, that it buys from this legal entity, and that its address is complete."""
    found, quote = await exam.account(), exam.quote
    if found is None:
        return [
            ReadinessFault(
                code="account_not_found",
                message=f"Salesforce has no account {quote.account_id}.",
                field="accountId",
                system=CRM,
            )
        ]
    faults = []
    if found.legal_entity != quote.legal_entity:
        faults.append(
            ReadinessFault(
                code="legal_entity_mismatch",
                message=f"Account {found.account_id} buys from {found.legal_entity}, but the quote is "
                f"{quote.legal_entity}'s.",
                field="legalEntity",
                system=CRM,
            )
        )
    return faults + _address_faults(found)


async def credit(exam: Examination) -> list[ReadinessFault]:
    """Check that the customer may owe the one-off lines; a customer that the ERP does not have yet has no limit."""
    if not has_erp_lines(exam.quote) or erp_net(exam.quote).value < 0:  # nothing will be owed in the ERP
        return []
    status = await exam.credit()
    if status is None or status.decision is CreditDecision.approved:
        return []
    if status.decision is CreditDecision.refused:
        code, message = "credit_refused", f"Credit refused: {status.reason}"
    else:
        code, message = "credit_unknown", f"The ERP cannot say whether there is credit for this order. {status.reason}"
    return [ReadinessFault(code=code, message=message, field="accountId", system=ERP)]


def _address_faults(found: Account) -> list[ReadinessFault]:
    address = found.billing_address
    if address is None:
        return [_address_fault(found, "billing_address_missing", "has no billing address", "billingAddress")]
    if not address.street.strip() and not address.city.strip():
        said = "has a billing address without street and city"
        return [_address_fault(found, "address_incomplete", said, "billingAddress.street")]
    if not address.city.strip():
        return [
            _address_fault(found, "address_incomplete", "has a billing address without city", "billingAddress.city")
        ]
    if _has_unknown_state(address):
        said = f"is in {address.region}, which is no state or province of {address.country}"
        return [_address_fault(found, "unknown_state", said, "billingAddress.region")]
    return []


def _address_fault(found: Account, code: str, said: str, field: str) -> ReadinessFault:
    message = f"Account {found.account_id} {said} in Salesforce. Complete it there."
    return ReadinessFault(code=code, message=message, field=field, system=CRM)


def _has_unknown_state(address: Address) -> bool:
    if address.region is None or address.country not in COUNTRIES_WITH_STATES:
        return False
    return state_code(address.country, address.region) is None
