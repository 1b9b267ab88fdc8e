"""The meaning of an order's status and reason, in a sales user's words."""

from collections.abc import Sequence

from experience_api.process_answers import Fault
from shared.canonical import OrderStatus

STATUS_TEXTS = {
    OrderStatus.received: "Received. The order waits for its turn.",
    OrderStatus.validating: "Customer, credit, prices and tax are being checked.",
    OrderStatus.booking: "The order is being booked in the ERP.",
    OrderStatus.provisioning: "The subscriptions are being started.",
    OrderStatus.booked: "Booked. The ERP and billing hold the order.",
    OrderStatus.rejected: "Not booked.",
    OrderStatus.compensating: "Not possible after all. What was booked is being taken back.",
    OrderStatus.compensated: "Taken back. Neither the ERP nor billing holds anything of this order.",
    OrderStatus.parked: "Stopped. The integration team has to look into it.",
}
FINISHED = frozenset({OrderStatus.booked, OrderStatus.rejected, OrderStatus.compensated})
_FAILED = frozenset({OrderStatus.rejected, OrderStatus.compensating, OrderStatus.compensated, OrderStatus.parked})

_NEXT_STEPS = {
    OrderStatus.booked: "",
    OrderStatus.rejected: "Mend what went wrong, then submit the quote again.",
    OrderStatus.compensated: "Mend what went wrong, then submit a new revision of the quote.",
    OrderStatus.parked: "Nothing for you to do. Please do not submit the quote again meanwhile.",
}
_NEXT_STEP_UNDER_WAY = "Nothing for you to do. Look again in a moment."

# No entry where the process API's own sentence says more (the ERP's words, or which field to complete).
REASON_TEXTS = {
    "quote_not_found": "Salesforce does not hold this quote any more.",
    "quote_not_accepted": "The quote was not accepted by the customer yet. Only an accepted quote can be ordered.",
    "quote_revision_changed": "The quote was changed after you opened it. Look at its newest revision.",
    "quote_id_not_canonical": "The quote's id was not written as Salesforce writes it. Copy it anew.",
    "amounts_too_large": "The amounts on the quote are too large. Check its quantities and prices.",
    "too_many_recurring_lines": "The quote has too many recurring lines for one subscription. Split it.",
    "defect": "Something went wrong on our side. The integration team has to look into it.",
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
}
# Codes of single faults have no text here: their own sentences name the line and the field.
_NO_REASON = "The order could not be booked, and no reason was given."


def what_went_wrong(
    status: OrderStatus, reason_code: str | None, reason: str | None, faults: Sequence[Fault] = ()
) -> str:
    """Return a sentence for a sales user, or one for each fault of the quote; empty if nothing went wrong."""
    if faults and status in _FAILED:
        return " ".join(fault.message for fault in faults)
    if reason_code is None and reason is None:
        return _NO_REASON if status in _FAILED else ""
    return REASON_TEXTS.get(reason_code or "") or reason or _NO_REASON


def next_step(status: OrderStatus) -> str:
    """Return what the sales user should do now; empty if nothing is left to do."""
    return _NEXT_STEPS.get(status, _NEXT_STEP_UNDER_WAY)


def ask_again_after_s(status: OrderStatus) -> int:
    """Return after how many seconds a client should poll again; 0 if the status is final."""
    if status in FINISHED:
        return 0
    return 60 if status is OrderStatus.parked else 2
