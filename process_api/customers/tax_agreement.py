"""One decision on the tax of an order: the table's, the ERP's and billing's are held against each other first.

Three systems know something of it. The table of jurisdictions goes by the address that the CRM states. The ERP keeps
the tax registration as somebody has checked it, as a rule of the customer's own; by that rule it compares the taxes of
an invoice when it posts it. Billing may hold a customer as exempt, and then charges no tax whatever its rate.
The ERP masters the registration: what it exempts is taxed nowhere. Everything else that differs is for a person.
"""

from decimal import Decimal

import msgspec

from process_api.customers.ensure import billing_draft, ensure_erp_customer, place_of
from process_api.orders.checks import PERIODS, OrderSubmission
from shared.canonical import UNTAXED, Account, CustomerTax, Money, TaxCalculation
from shared.problem import Rejected

_EXEMPT = "exempt by the ERP's rule "


async def agree_on_tax(context: OrderSubmission, account: Account, tax: TaxCalculation) -> TaxCalculation:
    """The tax that every system will charge. Raises Rejected (`tax_status_differs`) where they would not."""
    by_rule = await _by_the_erps_rule(context, account)
    agreed = tax if by_rule is None else _with_the_erp(context, by_rule, tax)
    if Decimal(agreed.percent) != 0 and any(context.quote.recurring_lines(period) for period in PERIODS):
        await _require_taxed_by_billing(context, account, agreed)
    return agreed


async def _by_the_erps_rule(context: OrderSubmission, account: Account) -> CustomerTax | None:
    """What the ERP would charge the customer, once it has the address that the tax is reckoned for."""
    checked = context.results["validate_customer"]
    if checked.get("place") not in {None, place_of(account)}:  # the account moved after the ERP was told
        return (await ensure_erp_customer(context, account))[0].tax
    return msgspec.convert(checked["tax"], CustomerTax) if checked.get("tax") else None


def exempts(tax: TaxCalculation) -> bool:
    """Whether it is the ERP's rule that takes the tax away."""
    return tax.jurisdiction.startswith(_EXEMPT)


def _with_the_erp(context: OrderSubmission, erp: CustomerTax, tax: TaxCalculation) -> TaxCalculation:
    percent, by_rule = Decimal(tax.percent), Decimal(erp.percent)
    if by_rule == percent:
        # Under the ERP's own name for it: an invoice with another one is posted by nobody.
        return msgspec.structs.replace(tax, tax_code=erp.codes[0] if erp.codes else UNTAXED)
    if by_rule == 0 and erp.instead_of and tax.tax_code not in erp.instead_of:
        return tax  # the rule takes other taxes away than the order's
    if by_rule == 0:
        return _untaxed(erp, tax)
    number = context.results["validate_customer"]["code"]
    raise Rejected(
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


async def _require_taxed_by_billing(context: OrderSubmission, account: Account, tax: TaxCalculation) -> None:
    quote = context.quote
    draft = await billing_draft(context, account)
    held = await context.system.find_billing_customer(context.tenant, quote.legal_entity, draft)
    if held is not None and held.tax_exempt:
        number = context.results["validate_customer"]["code"]
        raise Rejected(
            f"The tax of this order is not settled. Billing holds customer {held.vendor_id} as exempt from tax, and "
            f"the ERP charges customer {number} {tax.percent} % ({tax.jurisdiction}). Have one of the two corrected.",
            reason_code="tax_status_differs",
        )
