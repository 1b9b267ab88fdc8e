"""One currency for all that a customer has running.

Source: Stripe's "Multi-currency customers", and the refusal as users quote it: a customer with an active subscription,
subscription schedule, discount, quote or pending invoice item in one currency can't have another one in a second
currency. An invoice that is not for a subscription may be in any currency.
"""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.subscription_states import ENDED
from sandbox.vendors.stripe.wire.errors import invalid


def claim_currency(account: Account, customer: Record, currency: str, *, apart_from: str | None = None) -> None:
    """Make a currency the one that the customer is charged in.

    Raises StripeError when something else of the customer runs in another one; `apart_from` is the object that is
    about to change. The customer is stored when its currency changes.
    """
    if account.settings.one_currency:
        for held in _held(account, customer["id"], apart_from):
            if held != currency:
                raise invalid(
                    "You cannot combine currencies on a single customer. This customer has an active subscription, "
                    f"subscription schedule, discount, quote, or invoice item with currency {held}."
                )
    if customer["currency"] != currency:
        customer["currency"] = currency
        account.store.put(account.fetch_live("customer", customer["id"]) | {"currency": currency})


def _held(account: Account, customer_id: str, apart_from: str | None) -> Iterator[str]:
    for subscription in account.store.scan("subscription", customer=customer_id):
        if subscription["status"] not in ENDED and subscription["id"] != apart_from:
            yield subscription["currency"]
    for schedule in account.store.scan("subscription_schedule", customer=customer_id):
        if schedule["status"] == "not_started" and schedule["id"] != apart_from:
            yield schedule["phases"][0]["currency"]
    for item in account.store.scan("invoiceitem", customer=customer_id, invoice=None):
        if item["id"] != apart_from:
            yield item["currency"]
