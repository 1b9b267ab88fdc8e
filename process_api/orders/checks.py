"""The context of an order submission, and the checks before anything is booked.

None of these steps changes anything but the customer, which is linked or created (docs/decisions/0005).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from process_api.database.store import Store
from process_api.engine.intents import Intents
from process_api.engine.steps import FlowConnection, Found
from process_api.legal_entities import LegalEntities, LegalEntity
from process_api.orders.readiness.examination import Examination, Submitted
from process_api.orders.readiness.examine import examine
from process_api.orders.record import OrderRecord
from process_api.pricing.discount_policy import DiscountPolicy
from process_api.system_client import SystemClient
from shared.canonical import Account, Quote
from shared.problem import Rejected


@dataclass(frozen=True)
class OrderSubmission:
    """The context of every step: the order, what earlier steps found, and the systems' clients."""

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
    def subject(self) -> str:
        """The order's id."""
        return self.order.order_id

    @property
    def phase(self) -> str:
        """The order's status when it was loaded."""
        return self.order.status.value

    @property
    def account_id(self) -> str:
        """The account of the order, once the quote is loaded. Without a quote, the order queues by itself."""
        return self.order.account_id or self.order.order_id

    @property
    def rules(self) -> LegalEntity:
        """The rules of the selling legal entity."""
        return self.legal_entities.of(self.tenant, self.quote.legal_entity)

    @property
    def quote(self) -> Quote:
        """The quote as it was when the order started."""
        if self.order.quote is None:
            raise AssertionError(f"{self.order.order_id}: no step before load_quote needs the quote")
        return self.order.quote

    @property
    def customer_terms(self) -> Quote:
        """Who buys from whom."""
        return self.quote

    async def account(self) -> Account:
        """Return the account, read again: addresses are not stored with flows."""
        account = await self.system.find_account(self.tenant, self.quote.account_id)
        if account is None:
            raise Rejected(f"Salesforce has no account {self.quote.account_id}.", reason_code="account_not_found")
        return account


async def load_quote(context: OrderSubmission) -> Found:
    """Read the quote and store it with the order: prices must not change under a running flow."""
    quote = await context.system.find_quote(context.tenant, context.order.quote_id)
    if quote is None:
        raise Rejected(f"Salesforce has no quote {context.order.quote_id}.", reason_code="quote_not_found")
    quote = correct(quote, context.edits.get("skus", {}))
    return Found(
        f"Quote {quote.number} has {len(quote.lines)} line(s).",
        changes={
            "account_id": quote.account_id,
            "legal_entity": quote.legal_entity,
            "currency": quote.currency,
            "quote": msgspec.to_builtins(quote),
        },
        connection=FlowConnection(quote.account_id, quote.legal_entity),
    )


def correct(quote: Quote, skus: dict[str, str]) -> Quote:
    """Return the quote with an operator's SKUs (process_api.orders.corrections)."""
    lines = [msgspec.structs.replace(line, sku=skus.get(line.sku, line.sku)) for line in quote.lines]
    return msgspec.structs.replace(quote, lines=lines)


async def check_quote(context: OrderSubmission) -> Found:
    """Refuse the quote unless it is what was submitted and every system would accept it, before any write.

    Raises NotReady with every fault at once.
    """
    quote, order = context.quote, context.order
    taken_in_at = datetime.fromisoformat(order.created_at)
    submitted = Submitted(
        order.quote_id, order.quote_revision, order.expected_total, order.expected_currency, taken_in_at
    )
    exam = Examination(context.tenant, quote, submitted, context.rules, context.policy, context.system, context.store)
    found = await examine(exam)
    found.require()
    taken = f"Quote {quote.number} is accepted at revision {quote.revision}, and every system would take it."
    return Found(" ".join([taken, *found.notes]))
