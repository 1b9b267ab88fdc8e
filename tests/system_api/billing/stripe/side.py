"""Stripe for billing's contract suite: the adapter, and a view of the account past it."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass

import msgspec

from shared.canonical import SubscriptionDraft, SubscriptionStatus
from system_api.billing.contract import Billing
from system_api.billing.stripe.adapter import Stripe
from system_api.billing.stripe.records import SubscriptionRecord
from system_api.connections import Secret
from tests.system_api.billing.conftest import stripe_get
from tests.system_api.billing.contract import Write
from tests.system_api.conftest import Simulator, stripe_connection
from tests.system_api.transports import Lossy

_STATUSES = {"active": SubscriptionStatus.active, "canceled": SubscriptionStatus.cancelled}
_LAST_REQUEST: dict[Write, tuple[str, str]] = {
    "ensure_customer": ("POST", "/v1/customers"),
    "create_subscription": ("POST", "/v1/subscriptions"),
    "cancel_subscription": ("DELETE", "/v1/subscriptions/"),
}


@dataclass
class StripeSide:
    """The simulated account. Implements `tests.system_api.billing.contract.BillingSide`."""

    billing: Billing
    away: Billing
    stranger: Billing
    network: Lossy
    account: Simulator
    stripe: Stripe
    nobody: str = "sub_nobodys"

    def customers(self, account_id: str) -> int:
        listed = stripe_get(self.account, "/v1/customers", limit=100)["data"]
        return sum(each["metadata"].get("quoteway_account_id") == account_id for each in listed)

    def subscriptions(self, external_id: str) -> list[SubscriptionStatus]:
        listed = stripe_get(self.account, "/v1/subscriptions", limit=100, status="all")["data"]
        under = [each for each in listed if each["metadata"].get("quoteway_external_id") == external_id]
        return [_STATUSES[each["status"]] for each in under]

    async def start_late(self, external_id: str, draft: SubscriptionDraft) -> str:
        params = await self.stripe._subscription_params(external_id, draft)
        return (await self.stripe._api.post("/v1/subscriptions", SubscriptionRecord, params, key=uuid.uuid4().hex)).id

    def losing(self, write: Write) -> AbstractContextManager[None]:
        return self.network.losing(*_LAST_REQUEST[write])

    def losing_reads(self) -> AbstractContextManager[None]:
        return self.network.losing("GET", "")

    def losing_what_is_read_back(self) -> AbstractContextManager[None]:
        return self.network.losing("GET", "/v1/subscriptions/sub_")


@asynccontextmanager
async def stripe_side(account: Simulator, dead_url: str) -> AsyncIterator[StripeSide]:
    """The account that the tests share."""
    network, signed = Lossy(), Secret("whsec_0123456789")
    connection = stripe_connection(account.url, account.credentials["key"])
    billing = Stripe(msgspec.structs.replace(connection, webhook_secret=signed), network)
    away, stranger = Stripe(stripe_connection(dead_url)), Stripe(stripe_connection(account.url))
    yield StripeSide(billing, away, stranger, network, account, billing)
    for adapter in (billing, away, stranger):
        await adapter.close()
