"""Test orders for a billing platform: the demo's products, for any vendor."""

import uuid
from typing import Any

import msgspec

from shared.canonical import Address, CustomerDraft, Money, Recurrence, SubscriptionDraft, SubscriptionLine


def new_account() -> str:
    """Return an account's id that no other test knows; its letter makes capitals another account, by no chance of
    the rest.
    """
    return f"001a{uuid.uuid4().hex[:14]}"


def new_customer(**changes: Any) -> CustomerDraft:
    """Return a German company under an account that no other test knows."""
    draft = CustomerDraft(
        email="ap@kunde.example",
        account_id=new_account(),
        name="Acme Industriewerke GmbH",
        address=Address(street="Werkstrasse 5", postal_code="70435", city="Stuttgart", country="DE"),
        currency="EUR",
        vat_id="DE 811 193 231",
    )
    return msgspec.structs.replace(draft, **changes)


def changed(draft: CustomerDraft, **values: Any) -> CustomerDraft:
    """Return the draft with these fields instead."""
    return msgspec.structs.replace(draft, **values)


def monthly(customer: str, account_id: str, price: str = "4.90", **changes: Any) -> SubscriptionDraft:
    """Twenty monitored sensors, under an order of its own."""
    draft = SubscriptionDraft(
        account_id=account_id,
        order_id=f"ord-{uuid.uuid4().hex[:12]}",
        customer_vendor_id=customer,
        currency="EUR",
        recurrence=Recurrence.month,
        items=[item("MON-STD", "20", price)],
        tax_code="DE",
        tax_percent="19",
    )
    return msgspec.structs.replace(draft, **changes)


def item(sku: str, quantity: str, price: str, currency: str = "EUR") -> SubscriptionLine:
    return SubscriptionLine(sku=sku, quantity=quantity, net_unit_price=Money(amount=price, currency=currency))


def external_id() -> str:
    return f"ord-{uuid.uuid4().hex[:12]}:month"
