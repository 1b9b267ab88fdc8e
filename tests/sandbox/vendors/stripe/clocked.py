"""Customers on a test clock, and what they pay."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import stripe

from tests.sandbox.vendors.stripe.conftest import items_of

# 1 June 2025: the month that begins has 30 days.
START = int(datetime(2025, 6, 1, tzinfo=UTC).timestamp())
DAY = 86_400


def day(month: int, number: int = 1, year: int = 2025) -> int:
    """A date in Unix seconds."""
    return int(datetime(year, month, number, tzinfo=UTC).timestamp())


@dataclass
class Clocked:
    """A customer on a clock of its own."""

    client: stripe.StripeClient
    clock: str = field(init=False)
    customer: str = field(init=False)

    def __post_init__(self) -> None:
        self.clock = self.client.v1.test_helpers.test_clocks.create({"frozen_time": START}).id
        card = "pm_card_visa"
        self.customer = self.client.v1.customers.create(
            {
                "email": "ap@acme.example",
                "test_clock": self.clock,
                "payment_method": card,
                "invoice_settings": {"default_payment_method": card},
            }
        ).id

    def advance(self, until: int) -> None:
        """Let time pass, in steps that the clock allows."""
        now = self.client.v1.test_helpers.test_clocks.retrieve(self.clock).frozen_time
        while now < until:
            now = min(until, now + 28 * DAY)
            self.client.v1.test_helpers.test_clocks.advance(self.clock, {"frozen_time": now})

    def subscribe(self, *prices: str, **params: Any) -> stripe.Subscription:
        """A subscription to some prices."""
        items = [{"price": price} for price in prices]
        return self.client.v1.subscriptions.create({"customer": self.customer, "items": items, **params})  # type: ignore[arg-type]  # a merged dict is no TypedDict

    def read(self, subscription: str) -> stripe.Subscription:
        """The subscription as it is now."""
        return self.client.v1.subscriptions.retrieve(subscription)

    def sold(self, subscription: str) -> dict[str, int]:
        """Which prices a subscription has now, and how many of each."""
        return {str(item.price.id): item["quantity"] for item in items_of(self.read(subscription))}

    def totals(self) -> list[int]:
        """The totals of all invoices, oldest first."""
        found = self.client.v1.invoices.list({"customer": self.customer, "limit": 100}).data
        return [invoice.total for invoice in reversed(found)]


def monthly_price(client: stripe.StripeClient, amount: int, interval: str = "month") -> str:
    """A price of its own."""
    return client.v1.prices.create(
        {
            "product_data": {"name": "Monitoring Standard, per sensor and month"},
            "currency": "eur",
            "unit_amount": amount,
            "recurring": {"interval": interval},
        }
    ).id


def shape(invoice: stripe.Invoice) -> list[tuple[str | None, int, int, int]]:
    """What an invoice charges: description, amount and period of each line."""
    return sorted((line.description, line.amount, line.period.start, line.period.end) for line in invoice.lines.data)
