"""What an order submission knows, and the checks that it passes before anything is booked.

None of these steps changes anything but the customer, which is linked or created (docs/decisions/0005).
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from process_api.cross_reference import link
from process_api.discount_policy import DiscountPolicy
from process_api.intents import Intents
from process_api.orders import OrderRecord
from process_api.steps import Found
from process_api.store import Store
from process_api.system_client import SystemClient
from shared.canonical import (
    Account,
    CreditDecision,
    CustomerDraft,
    Money,
    MoneyError,
    Quote,
    QuoteLine,
    QuoteStatus,
    Recurrence,
    TaxedLine,
    TaxRequest,
)
from shared.canonical.subscription import SUBSCRIPTION_ITEMS_MAX
from shared.problem import Rejected


@dataclass(frozen=True)
class OrderSubmission:
    """What every step may use: the order, what earlier steps found, and the way to the systems."""

    flow_id: str
    correlation_id: str
    order: OrderRecord
    results: dict[str, dict[str, Any]]
    system: SystemClient
    store: Store
    intents: Intents
    policy: DiscountPolicy
    edits: dict[str, Any] = field(default_factory=dict)

    @property
    def tenant(self) -> str:
        """The tenant whose order this is."""
        return self.order.tenant

    @property
    def account_id(self) -> str:
        """The account whose order this is; known once the quote is loaded. Without a quote, the order is on its own."""
        return self.order.account_id or self.order.order_id

    @property
    def quote(self) -> Quote:
        """The quote as it was when the order began."""
        if self.order.quote is None:
            raise AssertionError(f"{self.order.order_id}: no step before load_quote needs the quote")
        return self.order.quote

    async def account(self) -> Account:
        """The account, read anew: addresses are not kept with flows."""
        account = await self.system.find_account(self.tenant, self.quote.account_id)
        if account is None:
            raise Rejected(f"Salesforce has no account {self.quote.account_id}.", reason_code="account_not_found")
        return account


async def load_quote(context: OrderSubmission) -> Found:
    """Read the quote and keep it with the order: prices must not move under a running flow."""
    quote = await context.system.find_quote(context.tenant, context.order.quote_id)
    if quote is None:
        raise Rejected(f"Salesforce has no quote {context.order.quote_id}.", reason_code="quote_not_found")
    quote = correct(quote, context.edits.get("skus", {}))
    return Found(
        f"Quote {quote.number} has {len(quote.lines)} line(s).",
        order={
            "account_id": quote.account_id,
            "legal_entity": quote.legal_entity,
            "currency": quote.currency,
            "quote": msgspec.to_builtins(quote),
        },
    )


def correct(quote: Quote, skus: dict[str, str]) -> Quote:
    """The quote with an operator's SKUs in place of those it was written with (process_api.flow_edits)."""
    lines = [msgspec.structs.replace(line, sku=skus.get(line.sku, line.sku)) for line in quote.lines]
    return msgspec.structs.replace(quote, lines=lines)


async def check_quote(context: OrderSubmission) -> Found:
    """Refuse the quote unless it is accepted, and still what was submitted."""
    quote, revision = context.quote, context.order.quote_revision
    if quote.status is not QuoteStatus.accepted:
        raise Rejected(
            f"Quote {quote.number} is {quote.status.value}; only an accepted quote can be ordered.",
            reason_code="quote_not_accepted",
        )
    if quote.revision != revision:
        raise Rejected(
            f"Quote {quote.number} is at revision {quote.revision} now; revision {revision} was submitted.",
            reason_code="quote_revision_changed",
        )
    if not quote.lines:
        raise Rejected(f"Quote {quote.number} has no lines.", reason_code="quote_empty")
    if quote.quote_id != context.order.quote_id:
        # Two spellings of one id would be two orders: the id as the CRM writes it is the only one.
        raise Rejected(
            f"{context.order.quote_id} is another spelling of {quote.quote_id}; submit that.",
            reason_code="quote_id_not_canonical",
        )
    check_amounts(quote)
    check_recurring_lines(quote)
    return Found(f"Quote {quote.number} is accepted at revision {revision}.")


def check_amounts(quote: Quote) -> None:
    """Raise Rejected where the lines come to more than money can hold here (18 digits)."""
    try:
        sum_of(quote.lines, quote.currency)
    except MoneyError as error:
        raise Rejected(
            f"The amounts of quote {quote.number} are too large.", reason_code="amounts_too_large"
        ) from error


def check_recurring_lines(quote: Quote) -> None:
    """Raise Rejected where no subscription can be made of the recurring lines: better now than after the ERP booked."""
    for period in (Recurrence.month, Recurrence.year):
        lines = quote.recurring_lines(period)
        if len(lines) > SUBSCRIPTION_ITEMS_MAX:
            raise Rejected(
                f"Quote {quote.number} has {len(lines)} lines per {period.value}; a subscription takes "
                f"{SUBSCRIPTION_ITEMS_MAX}.",
                reason_code="too_many_recurring_lines",
            )
        for line in lines:
            if Decimal(line.quantity) != Decimal(line.quantity).to_integral_value():
                raise Rejected(
                    f"{line.quantity} of {line.sku} cannot be charged: billing counts whole units.",
                    reason_code="quantity_not_whole",
                )


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
    amount = sum_of(quote.one_off_lines(), quote.currency)
    credit = await context.system.check_credit(context.tenant, quote.legal_entity, quote.account_id, amount)
    if credit is None or credit.decision is CreditDecision.unknown:
        reason = credit.reason if credit else "the ERP does not know the customer"
        raise Rejected(f"The credit check has no answer: {reason}.", reason_code="credit_unknown")
    if credit.decision is CreditDecision.refused:
        raise Rejected(f"Credit refused: {credit.reason}", reason_code="credit_refused")
    return Found(f"Credit for {amount.amount} {amount.currency} approved.", result={"reason": credit.reason})


async def align_prices(context: OrderSubmission) -> Found:
    """Hold every line against the list price of the system that will invoice it."""
    quote = context.quote
    skus = sorted({line.sku for line in quote.lines})
    listed = await context.system.look_up_prices(context.tenant, quote.legal_entity, skus, quote.currency)
    unsold: list[str] = []
    outside: list[str] = []
    for line in quote.lines:
        difference, problem = context.policy.judge(line, listed.price_for(line.sku, line.recurrence))
        if problem is not None:
            (unsold if difference is None else outside).append(problem)
    if unsold:
        raise Rejected(" ".join(unsold), reason_code="unknown_product")
    if outside:
        raise Rejected(" ".join(outside), reason_code="price_outside_policy")
    return Found(f"All {len(quote.lines)} prices are within policy.")


async def calculate_tax(context: OrderSubmission) -> Found:
    """Find the jurisdiction, and the tax of every line."""
    account = await context.account()
    quote = context.quote
    request = TaxRequest(
        legal_entity=quote.legal_entity,
        buyer=customer_draft(account, quote).address,
        buyer_vat_id=account.vat_id,
        lines=[TaxedLine(line_id=line.line_id, net=line.net_amount) for line in quote.lines],
    )
    tax = await context.system.calculate_tax(context.tenant, request)
    try:
        total = sum_of(quote.lines, quote.currency) + tax.total
    except MoneyError as error:
        raise Rejected(
            f"The amounts of quote {quote.number} are too large.", reason_code="amounts_too_large"
        ) from error
    return Found(
        f"Tax is {tax.total.amount} {quote.currency} ({tax.jurisdiction}); {total.amount} in all.",
        result={
            "code": context.edits.get("taxCode") or tax.tax_code,
            "percent": tax.percent,
            "lines": {line.line_id: line.tax.amount for line in tax.lines if line.tax is not None},
        },
        order={"tax": tax.total.value, "total": total.value},
    )


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


def sum_of(lines: list[QuoteLine], currency: str) -> Money:
    """The lines' net amounts in all."""
    return Money.of(sum((line.net_amount.value for line in lines), Decimal(0)), currency)
