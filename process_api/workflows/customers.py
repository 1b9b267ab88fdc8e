"""The customer of an order: linked to the account in the ERP and in billing, or created there."""

from process_api.cross_reference import link
from process_api.steps import Found
from process_api.workflows.amounts import erp_net, has_erp_lines
from process_api.workflows.order_checks import OrderSubmission
from shared.canonical import Account, BillingCustomer, CreditDecision, CustomerDraft, Money, Quote
from shared.problem import Rejected


async def validate_customer(context: OrderSubmission) -> Found:
    """Link the account to the ERP's customer, creating it where the ERP has none."""
    account = await context.account()
    quote = context.quote
    if account.legal_entity != quote.legal_entity:
        raise Rejected(
            f"Account {account.account_id} buys from {account.legal_entity}, but the quote is {quote.legal_entity}'s.",
            reason_code="legal_entity_mismatch",
        )
    draft, system = customer_draft(account, quote), f"erp:{quote.legal_entity}"
    operation_id = await context.intents.record_customer(
        tenant=context.tenant,
        flow_id=context.flow_id,
        step="validate_customer",
        system=system,
        account_id=account.account_id,
        payload=draft,
    )
    customer = await context.system.ensure_customer(context.tenant, quote.legal_entity, draft)
    async with context.store.transaction(context.tenant) as connection:
        await link(
            connection,
            tenant=context.tenant,
            entity="customer",
            canonical_id=account.account_id,
            system=system,
            system_id=customer.vendor_id,
        )
    await context.intents.answer(context.tenant, operation_id, customer.vendor_id)
    what = "created in" if customer.created else "known to"
    return Found(
        f"Customer {customer.code} is {what} the ERP of {quote.legal_entity}.",
        result={"vendorId": customer.vendor_id, "code": customer.code},
        vendor_ids=[f"erp:{customer.vendor_id}"],
    )


async def check_credit(context: OrderSubmission) -> Found:
    """Ask the ERP whether the customer may owe the one-off lines as well."""
    quote = context.quote
    amount = erp_net(quote)
    if not has_erp_lines(quote):
        # Billing may charge in a currency that the ERP keeps no credit in: the question is only what is owed there.
        amount = Money.of(amount.value, context.rules.currency or quote.currency)
    credit = await context.system.check_credit(context.tenant, quote.legal_entity, quote.account_id, amount)
    if credit is None or credit.decision is CreditDecision.unknown:
        reason = credit.reason if credit else "the ERP does not know the customer"
        raise Rejected(f"The credit check has no answer: {reason.rstrip('.')}.", reason_code="credit_unknown")
    if credit.decision is CreditDecision.refused:
        raise Rejected(f"Credit refused: {credit.reason}", reason_code="credit_refused")
    return Found(f"Credit for {amount.amount} {amount.currency} approved.", result={"reason": credit.reason})


async def link_billing_customer(context: OrderSubmission) -> BillingCustomer:
    """Link the account to billing's customer, creating it where billing has none."""
    quote, system = context.quote, f"billing:{context.quote.legal_entity}"
    draft = customer_draft(await context.account(), quote)
    operation_id = await context.intents.record_customer(
        tenant=context.tenant,
        flow_id=context.flow_id,
        step="start_billing",
        system=system,
        account_id=draft.account_id,
        payload=draft,
    )
    customer = await context.system.ensure_billing_customer(context.tenant, quote.legal_entity, draft)
    async with context.store.transaction(context.tenant) as connection:
        await link(
            connection,
            tenant=context.tenant,
            entity="customer",
            canonical_id=draft.account_id,
            system=system,
            system_id=customer.vendor_id,
        )
    await context.intents.answer(context.tenant, operation_id, customer.vendor_id)
    return customer


def customer_draft(account: Account, quote: Quote) -> CustomerDraft:
    """What the ERP and billing need to know of the account. Raises Rejected without a billing address."""
    if account.billing_address is None:
        raise Rejected(
            f"Account {account.account_id} has no billing address in Salesforce.", reason_code="billing_address_missing"
        )
    return CustomerDraft(
        account_id=account.account_id,
        name=account.name,
        address=account.billing_address,
        currency=quote.currency,
        vat_id=account.vat_id,
    )
