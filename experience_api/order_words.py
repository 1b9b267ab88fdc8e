"""The meaning of an order's status and reason, in a sales user's words."""

from collections.abc import Sequence

from experience_api.process_answers import Fault, Order, OrderDelay
from shared.canonical import OrderStatus
from shared.seller_words import REASON_TEXTS, is_plain

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
_NEXT_STEP_DELAYED = (
    "Nothing for you to do: it is tried again by itself. Please do not submit the quote again meanwhile."
)

_LOOK = "Look at the quote's newest revision, then submit that."
_CREDIT = "Talk to the credit desk. Once the customer may owe the order, submit the quote again."
_TEAM = "Ask the integration team, which has to mend this. Then submit the quote again."
_TAX = (
    "Check the account's billing address and tax id. If both are right, ask the tax desk. Then submit the quote again."
)
_PRICE = "Change the price or the discount on the quote, then submit the new revision."
_PRODUCT = "Exchange or remove the product on the quote, then submit the new revision."
_CUSTOMER = "Have those who keep the customers in the ERP mend this, then submit the quote again."
_ACCOUNT = "Complete the account in Salesforce, then submit the quote again."
# What a rejected order's seller does, where the reason says more than that something is to be mended.
_NEXT_STEP_BY_REASON = {
    "quote_not_found": "Make a new quote. This one is gone.",
    "account_not_found": "Make the quote anew for an account that exists.",
    "account_deleted": "Restore the account in Salesforce, or make the quote anew for another one.",
    "account_moved": "Submit the quote again.",
    "quote_not_accepted": "Have the customer accept the quote and set its status to Accepted, then submit it.",
    "quote_expired": "Extend the quote and have the customer accept it again, then submit its newest revision.",
    "quote_revision_changed": _LOOK,
    "total_changed": _LOOK,
    "credit_refused": _CREDIT,
    "credit_unknown": _CREDIT,
    "credit_limit": _CREDIT,
    "price_outside_policy": _PRICE,
    "unknown_product": _PRODUCT,
    "product_not_sold": _PRODUCT,
    "no_tax_jurisdiction": _TAX,
    "unknown_tax": _TAX,
    "customer_blocked": _CUSTOMER,
    "customer_without_address": _ACCOUNT,
    "billing_address_missing": _ACCOUNT,
    "address_incomplete": _ACCOUNT,
    "unknown_state": _ACCOUNT,
    "payment_declined": "Ask the customer for another means of payment, then submit the quote again.",
    "no_connection": _TEAM,
    "read_back_mismatch": _TEAM,
    "cross_reference_conflict": _TEAM,
    "already_cancelled": "Make a new revision of the quote if the customer still wants the order, and submit that.",
}
_NO_REASON = "The order could not be booked, and no reason was given."
_NO_PLAIN_REASON = "The order could not be booked. The integration team can see why."


def what_went_wrong(
    status: OrderStatus, reason_code: str | None, reason: str | None, faults: Sequence[Fault] = ()
) -> str:
    """One sentence for a sales user, or one for each fault of the quote. Empty where all is well.

    Codes of single faults have no text of ours: their sentences name the line and the field.
    """
    if faults and status in _FAILED:
        return " ".join(fault.message for fault in faults)
    if reason_code is None and reason is None:
        return _NO_REASON if status in _FAILED else ""
    plain = reason if reason and is_plain(reason) else None
    if status is OrderStatus.parked and plain:  # it names the system, which our own text cannot
        return plain
    return REASON_TEXTS.get(reason_code or "") or plain or (_NO_PLAIN_REASON if reason else _NO_REASON)


def reason_detail(order: Order) -> str:
    """What the process tier says of the reason; what went wrong where a seller cannot read that."""
    if not order.reason or order.faults or is_plain(order.reason):
        return order.reason or ""
    return what_went_wrong(order.status, order.reason_code, order.reason)


def status_text(order: Order) -> str:
    """What the order's status means; of one that is delayed, why it takes longer."""
    if order.delay is None:
        return STATUS_TEXTS[order.status]
    return f"Delayed. {delay_text(order.delay)}"


def delay_text(delay: OrderDelay) -> str:
    """What the system answered that the order waits for."""
    return delay.message if is_plain(delay.message) else f"{delay.system} cannot be used at the moment."


def next_step(status: OrderStatus, reason_code: str | None = None, *, delayed: bool = False) -> str:
    """What the sales user should do now. Empty where nothing is left to do."""
    if delayed:
        return _NEXT_STEP_DELAYED
    if status is OrderStatus.rejected and reason_code in _NEXT_STEP_BY_REASON:
        return _NEXT_STEP_BY_REASON[reason_code]
    return _NEXT_STEPS.get(status, _NEXT_STEP_UNDER_WAY)


def ask_again_after_s(status: OrderStatus) -> int:
    """Return after how many seconds a client should poll again; 0 if the status is final."""
    if status in FINISHED:
        return 0
    return 60 if status is OrderStatus.parked else 2
