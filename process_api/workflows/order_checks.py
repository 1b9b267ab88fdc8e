"""What an order submission knows, and the checks that it passes before anything is booked.

None of these steps changes anything but the customer, which is linked or created (docs/decisions/0005).
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from process_api.discount_policy import DiscountPolicy
from process_api.intents import Intents
from process_api.legal_entities import LegalEntities, LegalEntity
from process_api.orders import OrderRecord
from process_api.steps import Found
from process_api.store import Store
from process_api.system_client import SystemClient
from process_api.workflows.amounts import check_amounts
from process_api.workflows.dates import check_dates
from shared.canonical import Account, Quote, QuoteStatus, Recurrence
from shared.canonical.subscription import SUBSCRIPTION_ITEMS_MAX
from shared.problem import Rejected

PERIODS = (Recurrence.month, Recurrence.year)


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
    legal_entities: LegalEntities = field(default_factory=LegalEntities)
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
    def rules(self) -> LegalEntity:
        """The rules of the legal entity that sells."""
        return self.legal_entities.of(self.tenant, self.quote.legal_entity)

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
    check_amounts(quote, context.rules)
    check_dates(quote, datetime.now(context.rules.zone).date())
    check_recurring_lines(quote)
    return Found(f"Quote {quote.number} is accepted at revision {revision}.")


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
