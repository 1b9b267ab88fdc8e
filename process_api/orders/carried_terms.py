"""Terms beside the lines, in the words of ERP and billing, fixed when the order's tax was calculated.

The legal entity's rules may change while an order is under way, but a vendor must get the same payload: one external id
never has two payloads (`process_api.engine.intents`).
"""

from typing import Any

import msgspec

from process_api.legal_entities import LegalEntity
from process_api.orders.checks import OrderSubmission
from process_api.orders.readiness.faults import NotReady
from process_api.orders.readiness.terms_and_contacts import terms_faults
from shared.canonical import Collection, Quote


class CarriedTerms(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The terms, products and time zone of an order. `erp_payment_terms`: None for the customer's own."""

    erp_payment_terms: str | None
    days_until_due: int
    collection: Collection
    shipping_sku: str | None
    rounding_sku: str | None
    timezone: str


def carried_terms(quote: Quote, rules: LegalEntity) -> CarriedTerms:
    """Return the terms.

    Raises NotReady for payment terms without a mapping, and for shipping without a product.
    """
    faults = terms_faults(quote, rules)
    if faults:  # the rules have changed since the quote was examined
        raise NotReady(faults)
    agreed = rules.payment_terms.get(quote.payment_terms) if quote.payment_terms else None
    return CarriedTerms(
        erp_payment_terms=agreed.erp if agreed else None,
        days_until_due=agreed.days if agreed else rules.days_until_due,
        collection=Collection(rules.collection),
        shipping_sku=rules.shipping_sku,
        rounding_sku=rules.rounding_sku,
        timezone=rules.timezone,
    )


def kept_terms(context: OrderSubmission) -> CarriedTerms:
    """Return the terms fixed at the tax calculation; the current ones for a flow from before they were fixed."""
    kept: dict[str, Any] | None = context.results["calculate_tax"].get("terms")
    return carried_terms(context.quote, context.rules) if kept is None else msgspec.convert(kept, CarriedTerms)
