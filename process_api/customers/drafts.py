"""The facts about an account that are sent to systems, and the systems' names in the cross reference."""

from process_api.customers.context import CustomerTerms
from process_api.customers.cross_reference import Known
from process_api.legal_entities import LegalEntity
from shared.canonical import Account, CustomerDraft
from shared.problem import Rejected

# A flow's reason while billing links this account to another account's customer.
BILLING_CUSTOMER_SHARED = "billing_customer_shared"


def erp_system(legal_entity: str) -> str:
    """Return the cross reference's name of a legal entity's ERP."""
    return f"erp:{legal_entity}"


def billing_system(legal_entity: str, currency: str) -> str:
    """Return the cross reference's name of a legal entity's billing in one currency."""
    return f"billing:{legal_entity}:{currency}"


def all_currencies(legal_entity: str) -> str:
    """Return the former name of that billing, from before an account had a customer per currency."""
    return f"billing:{legal_entity}"


def customer_draft(
    account: Account, terms: CustomerTerms, rules: LegalEntity, there: Known | None = None
) -> CustomerDraft:
    """What the ERP and billing need to know of the account. Raises Rejected without a billing address."""
    if account.billing_address is None:
        raise Rejected(
            f"Account {account.account_id} has no billing address in Salesforce.", reason_code="billing_address_missing"
        )
    return CustomerDraft(
        account_id=account.account_id,
        name=account.name,
        address=account.billing_address,
        currency=terms.currency,
        vat_id=account.vat_id,
        email=terms.bill_to.email if terms.bill_to else None,
        known_vendor_id=there.vendor_id if there else None,
        new_as=there.new_as if there else None,
        match=rules.customer_match,
        home_currency=rules.currency,
    )
