"""Sentences that a seller can read: what one is, and what is told instead of a sentence that is none.

What a system said in its own words, and what went wrong inside Quoteway, is for operators. A seller is told which
system it is about, what that means, and what to do.
"""

import re

from shared.problem import NeedsDecision, OutcomeUnknown, Rejected, VendorError

# What a seller cannot read: field names of an org, snake case, queries, patterns, placeholders, markup, addresses,
# classes of exceptions, and the words of the protocols between systems.
_NOT_PLAIN = re.compile(
    r"__[cer]\b|\b[a-z]+_[a-z_]+\b|\b(?:SELECT|FROM|WHERE)\b|[{}<>\\^$|*]|%\(|\[[^\]]*\]|\b[A-Z]+(?:_[A-Z]+)+\b"
    r"|\w+\.\w+\.\w+|\n|\b[A-Z][A-Za-z]*(?:Error|Exception|Timeout|Warning|Lost)\b|\bHTTP\b|\bAPI\b"
)
# Parts of Quoteway, as errors name them. To a seller they are all Quoteway.
OWN_PARTS = frozenset({"", "system API", "process API", "issuer", "postgresql", "Redis"})

REASON_TEXTS = {
    "quote_not_found": "Salesforce does not hold this quote any more.",
    "quote_not_accepted": "The quote was not accepted by the customer yet. Only an accepted quote can be ordered.",
    "quote_revision_changed": "The quote was changed after you opened it. Look at its newest revision.",
    "quote_id_not_canonical": "The quote's id was not written as Salesforce writes it. Copy it anew.",
    "amounts_too_large": "The amounts on the quote are too large. Check its quantities and prices.",
    "too_many_recurring_lines": "The quote has too many recurring lines for one subscription. Split it.",
    "defect": "Something went wrong on our side. The integration team has to look into it.",
    "workers_died": "Quoteway was interrupted several times while it worked on this order. The integration team has to "
    "look into it.",
    "quote_empty": "The quote has no lines, so there is nothing to order.",
    "legal_entity_mismatch": "The quote is in the name of another of our companies than this customer buys from.",
    "account_not_found": "Salesforce does not hold the quote's account any more.",
    "billing_address_missing": "The account has no complete billing address. Fill it in first.",
    "credit_refused": "The customer's credit limit does not allow this order. Talk to the credit desk.",
    "credit_unknown": "The ERP could not say whether the customer has credit for this order. Talk to the credit desk.",
    "price_outside_policy": "A price on the quote is further from the price list than the discount policy allows.",
    "unknown_product": "A product on the quote is not sold in that currency or for that billing period.",
    "no_tax_jurisdiction": "No tax rule covers this customer's address. Check the address, or ask the tax desk.",
    "read_back_mismatch": "The ERP or billing came to other amounts than the quote, so the order was not kept.",
    "payment_declined": "The customer's payment was declined. Ask for another means of payment.",
    "no_connection": "Our company on this quote is not connected to an ERP or to billing. Ask the integration team.",
    "credit_limit": "The customer's credit limit does not allow this order. Talk to the credit desk.",
    "product_not_sold": "A product on the quote is not sold in that currency or for that billing period.",
    "customer_without_address": "The customer has no address in the ERP. Complete the account's billing address first.",
    "unknown_tax": "The ERP has no tax for this customer's address. Ask the tax desk.",
    "wrong_currency": "The quote's currency is not the one that our company on it books in.",
    "quantity_not_whole": "Subscriptions are sold in whole numbers only. Change the quantity on the quote.",
    "already_cancelled": "This order was cancelled in the ERP or in billing in the meantime.",
    "cross_reference_conflict": "This customer is linked to two records in one system. Ask the integration team.",
    "unavailable": "A system that this order needs did not answer for a long time.",
    "outcome_unknown": "A system took a request of this order, but its answer was lost.",
    "rejected": "A system refused the order.",
    "intent_changed": "The quote or the account was changed while the order was being booked. The integration team "
    "decides how it goes on.",
    "discarded": "The integration team has given this order up, and what was booked of it was taken back. Ask the team "
    "why before you order again.",
}


def is_plain(sentence: str) -> bool:
    """Whether a seller can read the sentence: no syntax of a vendor's, and no word of a programmer's, is in it."""
    return _NOT_PLAIN.search(sentence) is None


def system_name(vendor: str) -> str:
    """The system, as a seller is told it."""
    return "Quoteway" if vendor in OWN_PARTS else vendor


def in_sellers_words(error: VendorError) -> str:
    """The error's own sentence where a seller can read it, else one for its reason or its family."""
    own = error.vendor in OWN_PARTS and error.vendor != ""
    if isinstance(error, NeedsDecision) and error.reason_code in REASON_TEXTS:
        return REASON_TEXTS[error.reason_code]
    if error.is_for_sellers or (not own and is_plain(error.detail)):
        return error.detail
    name = system_name(error.vendor)
    if isinstance(error, OutcomeUnknown):
        return f"{name} took the request, but its answer was lost."
    if isinstance(error, Rejected):
        refused = "A system refused this." if error.vendor in OWN_PARTS else f"{name} refused this."
        return REASON_TEXTS.get(error.reason_code) or f"{refused} The integration team can see its reason."
    if isinstance(error, NeedsDecision):
        return "A person of the integration team has to decide how this goes on."
    return f"{name} cannot be used at the moment. The integration team can see the reason."


def put_plainly(error: VendorError) -> None:
    """Put the error in a seller's words, and what it said before beside them, for operators."""
    words = in_sellers_words(error)
    if words != error.detail:
        said = (error.detail.rstrip("."), error.vendor_said)
        error.vendor_said = ": ".join(part for part in said if part)
        error.detail, error.args = words, (words,)
