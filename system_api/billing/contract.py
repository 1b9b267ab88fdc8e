"""What Quoteway needs of a billing platform."""

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
        """What the billing account lacks for Quoteway, in plain sentences."""

    async def ready(self) -> str | None:
        """None if billing answers with our credentials, else one sentence about what is missing."""

    async def ensure_customer(self, draft: CustomerDraft) -> BillingCustomer:
        """The billing customer of that account in the draft's currency; created where there is none.

        Name, address and e-mail are written where they differ from the CRM's, and a tax id that it lacks is added;
        Rejected (`tax_id_differs`) where it has another of the same register. A deleted customer is replaced.
        `tax_exempt` is the ERP's word, which is taken back with it; an exemption that somebody has made in billing
        stays, and only such a one is answered.
        """

    async def find_customer(
        self, account_id: str, currency: str, *, home_currency: str | None = None, known: str | None = None
    ) -> BillingCustomer | None:
        """The billing customer of that account in that currency, or None.

        `home_currency` is the legal entity's own, `known` what the cross-reference says that the customer is.
        """

    async def find_customer_entry(self, vendor_id: str) -> CustomerEntry | None:
        """The customer of that id as a person would recognise it; None where there is none, or it was deleted."""

    async def check_order(self, check: OrderCheck) -> OrderFindings:
        """What would be refused of this order, and of its customer, once they are written. Reads only."""

    async def list_prices(
        self, wanted: Mapping[str, Collection[Recurrence]], currency: str
    ) -> dict[tuple[str, Recurrence], Money]:
        """The list prices in `currency` of the SKUs `wanted`, for each of their recurrences that billing sells.

        What was answered shortly before may be answered again: a price that is charged is read anew when it is used.
        """

    async def create_subscription(self, external_id: str, draft: SubscriptionDraft) -> Subscription:
        """Start the subscription, read back and compared: item count and period amount."""

    async def find_subscription(self, external_id: str) -> Subscription:
        """The subscription under that external id; status `absent` where there is none."""

    async def cancel_subscription(self, external_id: str, *, keep: str | None = None) -> SubscriptionCancellation:
        """Undo a start: cancel at once, void or credit what was invoiced. Absent or cancelled ones are left alone.

        So is the one whose vendor id is `keep`; where billing holds no such one, this raises Rejected
        (`nothing_to_keep`) and cancels nothing. The answer names what was cancelled.
        """

    async def list_subscriptions(self, account_id: str) -> list[Subscription]:
        """The account's subscriptions that are not cancelled, newest first."""

    async def list_invoices(self, account_id: str, *, open_only: bool, limit: int, cursor: str | None) -> InvoicePage:
        """The account's invoices, newest first; an empty page where billing has no such customer."""

    async def read_webhook(self, payload: bytes, signature: str) -> WebhookNotice:
        """What a webhook is about. Raises Rejected where billing did not sign it, or no secret is connected."""
