"""The invoices that a subscription makes: its first one, its renewals, and those in between."""

from __future__ import annotations

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.catalogue.coupons import active_at, after_one_use
from sandbox.vendors.stripe.invoices import lifecycle as invoice_lifecycle
from sandbox.vendors.stripe.invoices.drafts import DRAFT_S, draft_invoice, pending_items, subscription_line
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.wire.presentation import items_of


def charge_lines(account: Account, subscription: Record, items: list[Record]) -> list[Record]:
    """Return a line for the current period of each item that is paid ahead, which a metered one is not."""
    return [
        subscription_line(account, subscription, item, item["current_period_start"], item["current_period_end"])
        for item in items
        if item["quantity"] is not None
    ]


def trial_lines(account: Account, subscription: Record, items: list[Record]) -> list[Record]:
    """Lines of amount zero, which Stripe puts on the invoice that begins a trial."""
    lines = charge_lines(account, subscription, items)
    for line in lines:
        line |= {"amount": 0, "subtotal": 0, "description": f"Trial period: {line['description']}"}
    return lines


def draft(
    account: Account, subscription: Record, lines: list[Record], reason: str, *, period: tuple[int, int] | None = None
) -> Record | None:
    """Return a draft with these lines and what is pending; None when there is nothing to invoice.

    It becomes the subscription's latest invoice; the subscription is not stored. Discounts for one use are used up.
    """
    customer = account.fetch_live("customer", subscription["customer"])
    items = pending_items(account, customer["id"], subscription["currency"], subscription["id"])
    if not lines and not items:
        return None
    at = account.now(subscription["test_clock"])
    for line in lines:
        line["discounts"] = active_at(account, line["discounts"], at)
    start, end = period or (at, at)
    invoice = draft_invoice(
        account,
        customer,
        currency=subscription["currency"],
        billing_reason=reason,
        lines=lines,
        invoice_items=items,
        subscription=subscription,
        fields={
            "auto_advance": True,
            "automatically_finalizes_at": at + DRAFT_S,
            "collection_method": subscription["collection_method"],
            "custom_fields": subscription["invoice_settings"]["custom_fields"],
            "default_tax_rates": list(subscription["default_tax_rates"]),
            "discounts": active_at(account, subscription["discounts"], at),
            "period_end": end,
            "period_start": start,
            "_days_until_due": subscription["days_until_due"],
        },
    )
    subscription["latest_invoice"] = invoice["id"]
    if lines:
        _use_up_discounts(account, subscription)
    return invoice


def settle_first(account: Account, subscription: Record, invoice: Record | None, payment_behavior: str) -> str:
    """Collect the first invoice; the answer is the status that the subscription begins with.

    Raises StripeError: 400 without a payment method, 402 for a declined card under `error_if_incomplete`.
    """
    if invoice is None or subscription["collection_method"] == "send_invoice":
        return "active"
    invoice = _finalize_at_once(account, invoice)
    if invoice["status"] == "paid":
        return "active"
    if payment_behavior == "default_incomplete":
        return "incomplete"
    payment_method = invoice_lifecycle.payment_method_of(account, invoice)
    refused = invoice_lifecycle.charge(account, invoice, payment_method)
    if refused is not None:
        if payment_behavior == "error_if_incomplete":
            raise refused
        invoice |= {"attempted": True, "attempt_count": 1}
        account.store.put(invoice)
        invoice_lifecycle.tell_failure(account, invoice, refused)
        return "incomplete"
    invoice_lifecycle.mark_paid(account, invoice, charged=True)
    return "active"


def invoice_now(
    account: Account, subscription: Record, lines: list[Record], payment_behavior: str = "allow_incomplete"
) -> None:
    """Invoice a change at once: charged when the subscription is, drafted for an hour when it sends its invoices.

    Stores the subscription, and may change its status in the store. Raises StripeError as `settle_first` does; a
    declined card otherwise makes it past due.
    """
    account.count_new_invoice(subscription["id"])
    invoice = draft(account, subscription, lines, "subscription_update")
    account.store.put(subscription)
    if invoice is None or subscription["collection_method"] == "send_invoice":
        return
    invoice = _finalize_at_once(account, invoice)
    if invoice["status"] != "open":
        return
    refused = invoice_lifecycle.attempt(account, invoice)
    if refused is not None and (refused.status != 402 or payment_behavior == "error_if_incomplete"):
        raise refused


def _finalize_at_once(account: Account, invoice: Record) -> Record:
    # Stripe turns auto_advance off for the invoices that an API request makes and charges.
    invoice["auto_advance"] = False
    return invoice_lifecycle.finalize(account, invoice)


def _use_up_discounts(account: Account, subscription: Record) -> None:
    subscription["discounts"] = after_one_use(account, subscription["discounts"])
    for item in items_of(account.store, subscription["id"]):
        left = after_one_use(account, item["discounts"])
        if left != item["discounts"]:
            account.store.put(item | {"discounts": left})
