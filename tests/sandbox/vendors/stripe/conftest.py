"""One seeded sandbox without quotas serves most tests; they keep to objects of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
import stripe

from tests.sandbox.vendors.stripe.running_sandbox import SEED, UNLIMITED, RunningSandbox, running_sandbox, sdk

NewCustomer = Callable[..., stripe.Customer]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox("--seed", str(SEED), *UNLIMITED) as running:
        yield running


@pytest.fixture(scope="session")
def client(sandbox: RunningSandbox) -> Iterator[stripe.StripeClient]:
    with sdk(sandbox.url) as connected:
        yield connected


@pytest.fixture(scope="session")
def http(sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    with sandbox.http() as connected:
        yield connected


@pytest.fixture(scope="session")
def new_customer(client: stripe.StripeClient) -> NewCustomer:
    """Make a customer who pays with a card that works, unless told otherwise."""

    def make(card: str | None = "pm_card_visa", **params: object) -> stripe.Customer:
        if card is not None:
            params |= {"payment_method": card, "invoice_settings": {"default_payment_method": card}}
        return client.v1.customers.create({"name": "Acme", "email": "ap@acme.example", **params})  # type: ignore[arg-type] # any parameters

    return make


@pytest.fixture(scope="session")
def monthly(client: stripe.StripeClient) -> stripe.Price:
    """The seeded price of 4.90 EUR a month."""
    return client.v1.prices.list({"lookup_keys": ["MON-STD-EUR-month"]}).data[0]


def invoice_of(subscription: stripe.Subscription) -> stripe.Invoice:
    """The latest invoice, which was expanded."""
    assert isinstance(subscription.latest_invoice, stripe.Invoice)
    return subscription.latest_invoice


def items_of(subscription: stripe.Subscription) -> list[stripe.SubscriptionItem]:
    """The items that came with a subscription."""
    return subscription["items"].data  # type: ignore[no-any-return] # `items` is also a method of the SDK's object
