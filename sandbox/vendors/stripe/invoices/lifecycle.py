"""What becomes of an invoice: draft → open → paid, void or uncollectible; and of its subscription with it.

Source: Stripe's "Status transitions and finalization" and "How subscriptions work".
"""

from __future__ import annotations

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.catalogue.amounts import check_not_too_large
from sandbox.vendors.stripe.credits.applying import CreditsForInvoice, give_back
from sandbox.vendors.stripe.customers.customer_balance import move_balance
from sandbox.vendors.stripe.customers.tax_ids import tax_ids_of
from sandbox.vendors.stripe.invoices.drafts import subscription_of
from sandbox.vendors.stripe.invoices.totals import calculate, settle_due
from sandbox.vendors.stripe.payments.invoice_payments import ask_for_payment, charge_for_invoice, give_up, note_paid
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.wire.errors import StripeError, invalid

# Days after a failed payment on which it is tried again; after the last one the subscription is cancelled.
RETRY_DAYS = (3, 5, 7)


def finalize(account: Account, invoice: Record) -> Record:
    """Number a draft and open it; one with nothing due is paid at once.

    Raises StripeError unless the invoice is a draft over an amount that can be charged.
    """
    if invoice["status"] != "draft":
        raise invalid("This invoice is already finalized, you can't re-finalize a non-draft invoice.")
    at = account.now(invoice["test_clock"])
    customer = account.fetch_live("customer", invoice["customer"])
    credits_of_it = CreditsForInvoice(account, invoice)
    calculate(account, invoice, credits_of_it.take)
    check_not_too_large(invoice["amount_due"], invoice["currency"], param=None)
    invoice["customer_tax_ids"] = tax_ids_of(account, customer["id"])
    invoice["ending_balance"] = min(0, invoice["total"] + invoice["starting_balance"])
    invoice["number"] = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
    customer["next_invoice_sequence"] += 1
    used = invoice["ending_balance"] - invoice["starting_balance"]
    move_balance(account, customer, used, "applied_to_invoice", currency=invoice["currency"], invoice=invoice["id"])
    invoice["status"] = "open"
    invoice["status_transitions"]["finalized_at"] = invoice["effective_at"] = at
    invoice["automatically_finalizes_at"] = None
    if invoice["_days_until_due"] is not None:
        invoice["due_date"] = at + invoice["_days_until_due"] * 86_400
    invoice["hosted_invoice_url"] = f"https://invoice.sandbox.invalid/i/{invoice['id']}"
    invoice["invoice_pdf"] = f"{invoice['hosted_invoice_url']}/pdf"
    credits_of_it.book()
    account.store.put(invoice)
    account.emit("invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        return mark_paid(account, invoice)
    ask_for_payment(account, invoice, customer, payment_method_of(account, invoice))
    return invoice


def note_finalization_failure(account: Account, invoice: Record, refused: StripeError) -> None:
    """Leave a draft that can't be finalized as it is, with the reason, and tell it."""
    invoice["last_finalization_error"] = refused.body()["error"]
    invoice["auto_advance"] = False
    invoice["automatically_finalizes_at"] = None
    account.store.put(invoice)
    account.emit("invoice.finalization_failed", invoice)


def mark_paid(account: Account, invoice: Record, *, charged: bool = False, out_of_band: bool = False) -> Record:
    """Record that nothing remains to be paid, and tell the subscription."""
    remaining = invoice["amount_remaining"]
    invoice["status"] = "paid"
    invoice["attempted"] = True
    invoice["attempt_count"] += 1 if charged else 0
    invoice["amount_paid"] += remaining
    invoice["amount_paid_off_stripe"] += remaining if out_of_band else 0
    invoice["amount_remaining"] = 0
    invoice["auto_advance"] = False
    invoice["next_payment_attempt"] = None
    invoice["status_transitions"]["paid_at"] = account.now(invoice["test_clock"])
    account.store.put(invoice)
    if charged:
        note_paid(account, invoice, remaining)
    else:
        give_up(account, invoice, None)
    account.emit("invoice.paid", invoice)
    account.emit("invoice.payment_succeeded", invoice)
    _subscription_after(account, invoice)
    return invoice


def collect(account: Account, invoice: Record, *, payment_method: str | None = None) -> Record:
    """Charge the customer for an open or uncollectible invoice, on request.

    Raises StripeError: 400 when there is no payment method, 402 when it declines; the declined attempt is kept.
    """
    refused = charge(account, invoice, payment_method or payment_method_of(account, invoice))
    if refused is not None:
        _note_failure(account, invoice, refused)
        refused.state_kept = True
        raise refused
    return mark_paid(account, invoice, charged=True)


def attempt(account: Account, invoice: Record) -> StripeError | None:
    """Try to charge the customer for an open invoice; the answer is why it failed, after the failure was noted."""
    try:
        refused = charge(account, invoice, payment_method_of(account, invoice))
    except StripeError as impossible:
        refused = impossible
    if refused is not None:
        _note_failure(account, invoice, refused)
        return refused
    mark_paid(account, invoice, charged=True)
    return None


def charge(account: Account, invoice: Record, payment_method_id: str | None) -> StripeError | None:
    """Ask the bank for what an open invoice has due. The answer is the 402 that it declined with.

    Raises StripeError (400) when there is no card to charge, and for a customer who is gone.
    """
    account.fetch_live("customer", invoice["customer"])
    if payment_method_id is None:
        raise no_payment_method()
    return charge_for_invoice(account, invoice, payment_method_id)


def payment_method_of(account: Account, invoice: Record) -> str | None:
    """Return the payment method that an invoice is charged to: its own, its subscription's, or the customer's
    default.
    """
    subscription_id = subscription_of(invoice)
    subscription = account.store.get("subscription", subscription_id) if subscription_id else None
    customer = account.fetch_live("customer", invoice["customer"])
    found: str | None = (
        invoice["default_payment_method"]
        or (subscription or {}).get("default_payment_method")
        or customer["invoice_settings"]["default_payment_method"]
    )
    return found


def no_payment_method() -> StripeError:
    """400: there is nothing to charge."""
    return StripeError(
        400,
        "invalid_request_error",
        "This customer has no attached payment source or default payment method. Please consider adding a default "
        "payment method. For more information, visit "
        "https://docs.stripe.com/billing/subscriptions/payment-methods-setting.",
        code="resource_missing",
    )


def void(account: Account, invoice: Record) -> Record:
    """Take an open or uncollectible invoice back. Raises StripeError for any other."""
    if invoice["status"] not in {"open", "uncollectible"}:
        raise invalid(
            f"You can only pass in open invoices. This invoice isn't open: it is {invoice['status']}.",
            code="invoice_not_open",
        )
    invoice["status"] = "void"
    invoice["auto_advance"] = False
    invoice["next_payment_attempt"] = None
    invoice["status_transitions"]["voided_at"] = account.now(invoice["test_clock"])
    customer = account.fetch("customer", invoice["customer"])
    if not customer.get("deleted"):
        used = invoice["ending_balance"] - invoice["starting_balance"]
        move_balance(
            account, customer, -used, "unapplied_from_invoice", currency=invoice["currency"], invoice=invoice["id"]
        )
    give_back(account, invoice)
    account.store.put(invoice)
    give_up(account, invoice, "void_invoice")
    account.emit("invoice.voided", invoice)
    _subscription_after(account, invoice)
    return invoice


def mark_uncollectible(account: Account, invoice: Record) -> Record:
    """Give an open invoice up for accounting. Raises StripeError for any other."""
    if invoice["status"] != "open":
        raise invalid(
            f"You can only mark open invoices as uncollectible; this one is {invoice['status']}.",
            code="invoice_not_open",
        )
    invoice["status"] = "uncollectible"
    invoice["auto_advance"] = False
    invoice["next_payment_attempt"] = None
    invoice["status_transitions"]["marked_uncollectible_at"] = account.now(invoice["test_clock"])
    account.store.put(invoice)
    account.emit("invoice.marked_uncollectible", invoice)
    return invoice


def reduce_due(account: Account, invoice: Record, amount: int) -> Record:
    """Take a credit note off what an open invoice has due; with a negative `amount`, put a voided one back on."""
    before = account.shown(account.fetch("invoice", invoice["id"]))
    invoice["pre_payment_credit_notes_amount"] += amount
    settle_due(invoice)
    account.store.put(invoice)
    account.emit_update("invoice.updated", before, invoice)
    if invoice["status"] == "open" and invoice["amount_remaining"] == 0:
        return mark_paid(account, invoice)
    return invoice


def change_status(account: Account, subscription: Record, status: str) -> None:
    """Store a subscription with another status, and tell it; nothing when it has that status."""
    if subscription["status"] == status:
        return
    before = account.shown(account.fetch("subscription", subscription["id"]))
    subscription["status"] = status
    account.store.put(subscription)
    account.emit_update("customer.subscription.updated", before, subscription)


def _note_failure(account: Account, invoice: Record, refused: StripeError) -> None:
    tried = invoice["attempt_count"]
    invoice["attempted"] = True
    invoice["attempt_count"] += 1
    if invoice["auto_advance"]:
        wait = RETRY_DAYS[tried] * 86_400 if tried < len(RETRY_DAYS) else None
        invoice["next_payment_attempt"] = None if wait is None else account.now(invoice["test_clock"]) + wait
    account.store.put(invoice)
    tell_failure(account, invoice, refused)
    subscription_id = subscription_of(invoice)
    if subscription_id is not None:
        subscription = account.fetch("subscription", subscription_id)
        if subscription["status"] == "active":
            change_status(account, subscription, "past_due")


def tell_failure(account: Account, invoice: Record, refused: StripeError) -> None:
    """Tell that an invoice could not be charged, and that the customer has to act where the bank wants that."""
    account.emit("invoice.payment_failed", invoice)
    if refused.code == "authentication_required":
        account.emit("invoice.payment_action_required", invoice)


def _subscription_after(account: Account, invoice: Record) -> None:
    """Update a subscription's status after its latest invoice (Stripe: "How subscriptions work", statuses)."""
    subscription_id = subscription_of(invoice)
    subscription = account.store.get("subscription", subscription_id) if subscription_id else None
    if subscription is None or subscription["status"] not in {"incomplete", "past_due", "unpaid"}:
        return
    if subscription["status"] == "incomplete":
        settled = {"paid": "active", "void": "incomplete_expired"}
        if subscription["latest_invoice"] == invoice["id"]:
            change_status(account, subscription, settled[invoice["status"]])
    elif not _owes(account, subscription["id"]):
        change_status(account, subscription, "active")


def _owes(account: Account, subscription_id: str) -> bool:
    return any(
        invoice["status"] == "open" and (invoice["attempted"] or invoice["_overdue_told"])
        for invoice in account.store.scan("invoice")
        if subscription_of(invoice) == subscription_id
    )
