"""The contract of a billing adapter."""

from collections.abc import Collection, Mapping
from typing import Protocol

from shared.canonical import (
    BillingCustomer,
    CustomerDraft,
    CustomerEntry,
    InvoicePage,
    Money,
    OrderCheck,
    OrderFindings,
    Recurrence,
    Subscription,
    SubscriptionCancellation,
    SubscriptionDraft,
    WebhookNotice,
)
from system_api.vendor.findings import Finding


class Billing(Protocol):
    """One legal entity's billing account. Errors and external ids as in the ERP's contract."""

    async def check(self) -> list[Finding]:
        """Return what the billing account lacks for Quoteway, in plain sentences."""

    async def ready(self) -> str | None:
        """Return None if billing answers with our credentials, else one sentence about what is missing."""

    async def ensure_customer(self, draft: CustomerDraft) -> BillingCustomer:
        """Return the billing customer of that account in the draft's currency; created where there is none.

        Name, address and e-mail are updated if they differ from the CRM's, and a missing tax id is added. Raises
        Rejected (`tax_id_differs`) if the customer has another one of the same register. A deleted customer is
        replaced. `tax_exempt` follows the ERP; an exemption that somebody has set in billing stays, and only that one
        is returned.
        """

    async def find_customer(
        self, account_id: str, currency: str, *, home_currency: str | None = None, known: str | None = None
    ) -> BillingCustomer | None:
        """Return the billing customer of that account in that currency, or None.

        `home_currency` is the legal entity's own, `known` the customer according to the cross reference.
        """

    async def find_customer_entry(self, vendor_id: str) -> CustomerEntry | None:
        """Return the customer of that id, described so that a person recognises it; None if absent or deleted."""

    async def check_order(self, check: OrderCheck) -> OrderFindings:
        """What would be refused of this order, and of its customer, once they are written. Reads only."""

    async def list_prices(
        self, wanted: Mapping[str, Collection[Recurrence]], currency: str
    ) -> dict[tuple[str, Recurrence], Money]:
        """Return the list prices in `currency` of the SKUs `wanted`, for each recurrence that billing sells.

        Recent answers may be repeated: a price that is charged is read again when it is used.
        """

    async def create_subscription(self, external_id: str, draft: SubscriptionDraft) -> Subscription:
        """Start the subscription, read it back, and compare its item count and period amount."""

    async def find_subscription(self, external_id: str) -> Subscription:
        """Return the subscription under that external id; status `absent` if there is none."""

    async def cancel_subscription(self, external_id: str, *, keep: str | None = None) -> SubscriptionCancellation:
        """Undo a start: cancel at once, and void or credit what was invoiced. Absent or cancelled ones are left alone.

        The one whose vendor id is `keep` stays; if billing has no such one, this raises Rejected (`nothing_to_keep`)
        and cancels nothing. The answer names what was cancelled.
        """

    async def list_subscriptions(self, account_id: str) -> list[Subscription]:
        """Return the account's subscriptions that are not cancelled, newest first."""

    async def list_invoices(self, account_id: str, *, open_only: bool, limit: int, cursor: str | None) -> InvoicePage:
        """Return the account's invoices, newest first; an empty page if billing has no such customer."""

    async def read_webhook(self, payload: bytes, signature: str) -> WebhookNotice:
        """Return what a webhook is about. Raises Rejected without billing's signature, or without a configured
        secret.
        """
