"""The customer of an order: linked to the account in the ERP and in billing, updated from Salesforce, or created.

The cross reference is read first, and its link is sent with the request: a known record is never searched for by
similarity. If the system answers with another record, because it merged or lost the old one, the link moves
(process_api.customers.cross_reference).
"""

import hashlib
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.customers.context import CreditContext, CustomerContext
from process_api.customers.cross_reference import Pair, known, link
from process_api.customers.drafts import all_currencies, billing_system, customer_draft, erp_system
from process_api.engine.steps import Found
from process_api.quotes.amounts import erp_net, has_erp_lines
from shared.canonical import Account, BillingCustomer, CreditDecision, Customer, CustomerDraft
from shared.problem import Rejected


async def validate_customer(context: CustomerContext) -> Found:
    """Link the account to the ERP's customer, creating it where the ERP has none."""
    account = await context.account()
    terms = context.customer_terms
    if account.legal_entity != terms.legal_entity:
        raise Rejected(
            f"Account {account.account_id} buys from {account.legal_entity}, but the quote is {terms.legal_entity}'s.",
            reason_code="legal_entity_mismatch",
        )
    customer, answered = await ensure_erp_customer(context, account)
    what = "created in" if customer.created else "known to"
    result: dict[str, Any] = {"vendorId": customer.vendor_id, "code": customer.code, "place": place_of(account)}
    if customer.tax is not None:
        result["tax"] = msgspec.to_builtins(customer.tax)
    return Found(
        f"Customer {customer.code} is {what} the ERP of {terms.legal_entity}.",
        result=result,
        vendor_ids=[f"erp:{customer.vendor_id}"],
        answered=answered,
    )


async def ensure_erp_customer(context: CustomerContext, account: Account) -> tuple[Customer, dict[str, str | None]]:
    """Have the ERP's customer be as Salesforce states it now, and linked to the account.

    Returns it, and which intent it answers.
    """
    terms = context.customer_terms
    pair = Pair(context.tenant, account.account_id, erp_system(terms.legal_entity))
    async with context.store.transaction(context.tenant) as connection:
        there = await known(connection, pair)
        draft = customer_draft(account, terms, context.rules, there)
        operation_id = await context.intents.record_shared(
            connection,
            tenant=context.tenant,
            flow_id=context.flow_id,
            step="validate_customer",
            system=pair.system,
            entity="customer",
            external_id=account.account_id,
            payload=draft,
        )
    customer = await context.system.ensure_customer(context.tenant, terms.legal_entity, draft)
    async with context.store.transaction(context.tenant) as connection:
        await link(connection, pair, customer.vendor_id, before=there.vendor_id)
    return customer, {operation_id: customer.vendor_id}


def place_of(account: Account) -> str:
    """Return a digest of what the tax depends on: the address and the tax id. Neither is stored with a flow."""
    stated = msgspec.json.encode((account.billing_address, account.vat_id), order="deterministic")
    return hashlib.sha256(stated).hexdigest()[:16]


async def check_credit(context: CreditContext) -> Found:
    """Ask the ERP whether the customer may owe the one-off lines as well."""
    quote = context.quote
    if not has_erp_lines(quote):
        return Found("Every line is charged by billing: nothing will be owed in the ERP.")
    amount = erp_net(quote)
    credit = await context.system.check_credit(context.tenant, quote.legal_entity, quote.account_id, amount)
    if credit is None or credit.decision is CreditDecision.unknown:
        reason = credit.reason if credit else "the ERP does not know the customer"
        raise Rejected(f"The credit check has no answer: {reason.rstrip('.')}.", reason_code="credit_unknown")
    if credit.decision is CreditDecision.refused:
        raise Rejected(f"Credit refused: {credit.reason}", reason_code="credit_refused")
    return Found(f"Credit for {amount.amount} {amount.currency} approved.", result={"reason": credit.reason})


async def link_billing_customer(context: CustomerContext) -> tuple[BillingCustomer, dict[str, str | None]]:
    """Link the account to billing's customer in the currency that is charged in, creating it where billing has none.

    Returns it, and which intent it answers.
    """
    terms, account = context.customer_terms, await context.account()
    taxed_at = context.results["calculate_tax"].get("place")
    if taxed_at is not None and taxed_at != place_of(account):
        raise Rejected(
            "The account's address or tax id was changed in Salesforce while the order was being booked. Submit the "
            "quote again: tax, ERP and billing then go by the new one.",
            reason_code="account_moved",
        )
    pair = Pair(context.tenant, account.account_id, billing_system(terms.legal_entity, terms.currency))
    async with context.store.transaction(context.tenant) as connection:
        draft = await billing_draft_in(connection, context, account)
        operation_id = await context.intents.record_shared(
            connection,
            tenant=context.tenant,
            flow_id=context.flow_id,
            step="start_billing",
            system=pair.system,
            entity="customer",
            external_id=draft.account_id,
            payload=draft,
        )
    customer = await context.system.ensure_billing_customer(context.tenant, terms.legal_entity, draft)
    async with context.store.transaction(context.tenant) as connection:
        await link(
            connection,
            pair,
            customer.vendor_id,
            before=draft.known_vendor_id,
            formerly=all_currencies(terms.legal_entity),
        )
    return customer, {operation_id: customer.vendor_id}


async def billing_draft(context: CustomerContext, account: Account) -> CustomerDraft:
    """Return what billing needs to know of the account, in the currency that is charged in."""
    async with context.store.transaction(context.tenant) as connection:
        return await billing_draft_in(connection, context, account)


async def billing_draft_in(connection: AsyncConnection, context: CustomerContext, account: Account) -> CustomerDraft:
    """Return the same, in the caller's transaction."""
    terms = context.customer_terms
    pair = Pair(context.tenant, account.account_id, billing_system(terms.legal_entity, terms.currency))
    there = await known(connection, pair)
    before = await known(connection, Pair(context.tenant, account.account_id, all_currencies(terms.legal_entity)))
    draft = customer_draft(account, terms, context.rules, there)
    exempt = bool(context.results.get("calculate_tax", {}).get("exempt"))
    return msgspec.structs.replace(draft, earlier_vendor_id=before.vendor_id, tax_exempt=True if exempt else None)
