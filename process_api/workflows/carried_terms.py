"""What was agreed beside the lines, in the words of ERP and billing, kept as it was when the order's tax was found.

The legal entity's rules may change while an order is under way. What is sent to a vendor may not: one external id never
stands for two payloads (`process_api.intents`).
"""

from typing import Any

import msgspec

from process_api.legal_entities import LegalEntity
from process_api.workflows.amounts import shipping_of
from process_api.workflows.order_checks import OrderSubmission
from shared.canonical import Collection, Quote
from shared.problem import Rejected


class CarriedTerms(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Terms, products and time zone that an order is booked with. `erp_payment_terms`: None for the customer's own."""

    erp_payment_terms: str | None
    days_until_due: int
    collection: Collection
    shipping_sku: str | None
    rounding_sku: str | None
    timezone: str


def carried_terms(quote: Quote, rules: LegalEntity) -> CarriedTerms:
    """The terms. Raises Rejected for payment terms without a meaning here, and for shipping without a product."""
    agreed = rules.payment_terms.get(quote.payment_terms) if quote.payment_terms else None
    if quote.payment_terms and agreed is None:
        known = ", ".join(rules.payment_terms) or "none are set up"
        raise Rejected(
            f'{quote.legal_entity} has no payment terms "{quote.payment_terms}". Known are: {known}.',
            reason_code="unknown_payment_terms",
        )
    if shipping_of(quote).value and rules.shipping_sku is None:
        raise Rejected(
            f"Quote {quote.number} charges {shipping_of(quote).amount} {quote.currency} for shipping, but "
            f"{quote.legal_entity} has no product that shipping is invoiced as.",
            reason_code="shipping_not_configured",
        )
    return CarriedTerms(
        erp_payment_terms=agreed.erp if agreed else None,
        days_until_due=agreed.days if agreed else rules.days_until_due,
        collection=Collection(rules.collection),
        shipping_sku=rules.shipping_sku,
        rounding_sku=rules.rounding_sku,
        timezone=rules.timezone,
    )


def kept_terms(context: OrderSubmission) -> CarriedTerms:
    """The terms that were kept when tax was calculated; those of today for a flow from before they were."""
    kept: dict[str, Any] | None = context.results["calculate_tax"].get("terms")
    return carried_terms(context.quote, context.rules) if kept is None else msgspec.convert(kept, CarriedTerms)
