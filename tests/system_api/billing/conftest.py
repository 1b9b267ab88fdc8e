"""The Stripe adapter on the simulator, and a view of the simulator's records."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio

from shared.canonical import CustomerDraft, SubscriptionDraft
from system_api.billing.stripe.adapter import Stripe
from tests.system_api.billing.checked_requests import checked_requests
from tests.system_api.billing.drafts import external_id, monthly, new_account, new_customer
from tests.system_api.conftest import Simulator, stripe_connection
from tests.system_api.transports import Lossy

__all__ = ["checked_requests"]  # a fixture that pytest finds here


@pytest.fixture
def network() -> Lossy:
    return Lossy()


@pytest_asyncio.fixture
async def billing(stripe_account: Simulator, network: Lossy) -> AsyncIterator[Stripe]:
    adapter = Stripe(stripe_connection(stripe_account.url, stripe_account.credentials["key"]), network)
    yield adapter
    await adapter.close()
    stripe_account.control("DELETE", "refuse")


@pytest.fixture
def account_id() -> str:
    """A new account in each test: the simulator lives longer."""
    return new_account()


@pytest.fixture
def customer_draft(account_id: str) -> CustomerDraft:
    return new_customer(account_id=account_id)


def created(stripe_account: Simulator, object_type: str, name: str) -> int:
    """Return how many objects the simulator was told to make under that external id."""
    entries = stripe_account.journal(object_type)
    return sum(entry["action"] == "created" and entry["external_id"] == name for entry in entries)


def stripe_get(stripe_account: Simulator, path: str, **params: Any) -> Any:
    key = stripe_account.credentials["key"]
    return httpx.get(f"{stripe_account.url}{path}", params=params, auth=(key, "")).raise_for_status().json()


def stripe_post(stripe_account: Simulator, path: str, **form: Any) -> Any:
    key = stripe_account.credentials["key"]
    return httpx.post(f"{stripe_account.url}{path}", data=form, auth=(key, "")).raise_for_status().json()


@contextmanager
def exchanged_price(stripe_account: Simulator, unit_amount: str) -> Iterator[None]:
    """Another price of MON-STD by the month in euros, with that amount in cents; afterwards it is the old one again."""
    found = stripe_get(stripe_account, "/v1/prices", **{"lookup_keys[0]": "MON-STD-EUR-month"})["data"][0]
    other = {
        "product": found["product"],
        "currency": found["currency"],
        "unit_amount": unit_amount,
        "recurring[interval]": "month",
        "lookup_key": "MON-STD-EUR-month",
        "transfer_lookup_key": "true",
    }
    stripe_post(stripe_account, "/v1/prices", **other)
    stripe_post(stripe_account, f"/v1/prices/{found['id']}", active="false")
    try:
        yield
    finally:
        again = {"active": "true", "lookup_key": "MON-STD-EUR-month", "transfer_lookup_key": "true"}
        stripe_post(stripe_account, f"/v1/prices/{found['id']}", **again)


async def started(billing: Stripe, draft: CustomerDraft, **changes: Any) -> tuple[str, SubscriptionDraft]:
    """Return a subscription's external id and what was ordered."""
    customer = await billing.ensure_customer(draft)
    name, ordered = external_id(), monthly(customer.vendor_id, draft.account_id, **changes)
    await billing.create_subscription(name, ordered)
    return name, ordered
