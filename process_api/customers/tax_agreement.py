"""One decision on the tax of an order, after comparing the jurisdictions' table, the ERP and billing.

All three have a say. The table of jurisdictions goes by the CRM's address. The ERP has the checked tax registration, as
a tax rule of the customer's; when it posts an invoice, it compares the taxes with that rule. Billing may hold a
customer as exempt, and then charges no tax whatever its rate. The ERP masters the registration: what it exempts is not
taxed anywhere. Every other difference is left to a person.
"""

from decimal import Decimal

import msgspec

from process_api.customers.context import CustomerContext, QuotedContext
from process_api.customers.ensure import billing_draft, ensure_erp_customer, place_of
from shared.canonical import UNTAXED, Account, CustomerTax, Money, Recurrence, TaxCalculation
from shared.problem import Refused

_EXEMPT = "exempt by the ERP's rule "


async def agree_on_tax(context: QuotedContext, account: Account, tax: TaxCalculation) -> TaxCalculation:
    """The tax that every system will charge. Raises Rejected (`tax_status_differs`) where they would not."""
    by_rule = await _by_the_erps_rule(context, account)
    agreed = tax if by_rule is None else _with_the_erp(context, by_rule, tax)
    if Decimal(agreed.percent) != 0 and any(line.recurrence is not Recurrence.none for line in context.quote.lines):
        await _require_taxed_by_billing(context, account, agreed)
    return agreed


async def _by_the_erps_rule(context: CustomerContext, account: Account) -> CustomerTax | None:
    """What the ERP would charge the customer, once it has the address that the tax is reckoned for."""
    checked = context.results["validate_customer"]
    if checked.get("place") not in {None, place_of(account)}:  # the account moved after the ERP was told
        return (await ensure_erp_customer(context, account))[0].tax
    return msgspec.convert(checked["tax"], CustomerTax) if checked.get("tax") else None


def exempts(tax: TaxCalculation) -> bool:
    """Return whether the ERP's rule removes the tax."""
    return tax.jurisdiction.startswith(_EXEMPT)


def _with_the_erp(context: CustomerContext, erp: CustomerTax, tax: TaxCalculation) -> TaxCalculation:
    percent, by_rule = Decimal(tax.percent), Decimal(erp.percent)
    if by_rule == percent:
        # With the ERP's own name for it: an invoice with another one could not be posted.
        return msgspec.structs.replace(tax, tax_code=erp.codes[0] if erp.codes else UNTAXED)
    if by_rule == 0 and erp.instead_of and tax.tax_code not in erp.instead_of:
        return tax  # the rule removes other taxes than the order's
    if by_rule == 0:
        return _untaxed(erp, tax)
    number = context.results["validate_customer"]["code"]
    raise Refused(
        f"The tax of this order is not settled. The ERP charges customer {number} {erp.percent} % "
        f"({', '.join(erp.codes)}) by its rule {erp.rule}; by the address in Salesforce it is {tax.percent} % "
        f"({tax.jurisdiction}). Have the customer's tax rule or delivery address in the ERP corrected, or the "
        "account's address in Salesforce.",
        reason_code="tax_status_differs",
    )


def _untaxed(erp: CustomerTax, tax: TaxCalculation) -> TaxCalculation:
    currency = tax.total.currency
    nothing = Money.of(Decimal(0), currency)
    return TaxCalculation(
        tax_code=erp.codes[0] if erp.codes else UNTAXED,
        jurisdiction=f"{_EXEMPT}{erp.rule}"[:255],
        percent="0",
        lines=[msgspec.structs.replace(line, tax=nothing) for line in tax.lines],
        total=nothing,
    )


async def _require_taxed_by_billing(context: CustomerContext, account: Account, tax: TaxCalculation) -> None:
    draft = await billing_draft(context, account)
    held = await context.system.find_billing_customer(context.tenant, context.customer_terms.legal_entity, draft)
    if held is not None and held.tax_exempt:
        number = context.results["validate_customer"]["code"]
        raise Refused(
            f"The tax of this order is not settled. Billing holds customer {held.vendor_id} as exempt from tax, and "
            f"the ERP charges customer {number} {tax.percent} % ({tax.jurisdiction}). Have one of the two corrected.",
            reason_code="tax_status_differs",
        )
