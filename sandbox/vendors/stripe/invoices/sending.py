"""Whom an invoice can be sent to."""

from __future__ import annotations

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.wire.errors import invalid


def require_email(account: Account, customer: Record) -> None:
    """Raise StripeError for a customer whom no invoice can be sent to.

    Stripe says so when a subscription or an invoice with `collection_method=send_invoice` is made or changed to it, in
    these words. The answer names no parameter, so it is one that an idempotency key keeps.
    """
    if account.settings.require_email and not customer["email"]:
        raise invalid(
            "Missing email. In order to create invoices that are sent to the customer, the customer must have a valid "
            "email."
        )
