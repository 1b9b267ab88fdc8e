"""The adapter of Stripe Billing.

Looking records up is the difficult part. Stripe's lists filter by customer and by time, not by metadata; its search
reads metadata, but lags behind writes: by seconds as a rule, by up to an hour during an outage ("Search: data
freshness"). A look-up that misses a new record would lead to a second one, or leave one behind. So:

* a subscription whose customer is known is looked up in that customer's list, which does not lag;
* a customer, or a subscription known by its external id only, is searched for; if the search finds
  nothing, it is looked up in the list of everything created lately (the connection's `search_lag_s`).
"""

import time
from collections.abc import Collection, Mapping

import msgspec

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
    SubscriptionStatus,
    WebhookNotice,
)
from shared.outbound.http_client import Transport
from shared.problem import OutcomeUnknown, Rejected
from shared.telemetry.tracing import traced
from system_api.billing.stripe.api import VENDOR, Page, StripeApi, idempotency_key
from system_api.billing.stripe.catalogue import StripeCatalogue
from system_api.billing.stripe.check import check_account
from system_api.billing.stripe.customers import StripeCustomers, made_lately, quoted
from system_api.billing.stripe.invoices import StripeInvoices
from system_api.billing.stripe.money import from_minor_units
from system_api.billing.stripe.order_check import check_order
from system_api.billing.stripe.records import (
    EXTERNAL_ID,
    ChargedInvoiceRecord,
    ItemRecord,
    SubscriptionRecord,
    TaxRateRecord,
    bare_subscription_of,
    subscription_of,
)
from system_api.billing.stripe.subscriptions import compared, subscription_params
from system_api.billing.stripe.webhooks import read_event
from system_api.connections import StripeConnection
from system_api.vendor.findings import Finding
from system_api.vendor.replies import NOT_UNDERSTOOD, after_write, as_canonical, decode_reply, understanding
from system_api.vendor.signatures import require_stripe_signature


@traced()
class Stripe:
    """One Stripe account, for one legal entity. Implements `system_api.billing.contract.Billing`."""

    def __init__(self, connection: StripeConnection, transport: Transport | None = None) -> None:
        self._connection = connection
        self._webhook_secret = connection.webhook_secret
        self._api = StripeApi(connection, transport)
        self._catalogue = StripeCatalogue(self._api)
        self._invoices = StripeInvoices(self._api)
        self._customers = StripeCustomers(self._api)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def ready(self) -> str | None:
        """Return None if Stripe answers with our key."""
        await self._api.get("/v1/tax_rates", Page[TaxRateRecord], {"limit": 1})
        return None

    async def check(self) -> list[Finding]:
        """Return what the account lacks for Quoteway."""
        return await check_account(self._connection, self._api)

    async def ensure_customer(self, draft: CustomerDraft) -> BillingCustomer:
        """Return the account's customer in the draft's currency, as the CRM states it; create it if there is none."""
        return await self._customers.ensure(draft)

    async def find_customer(
        self, account_id: str, currency: str, *, home_currency: str | None = None, known: str | None = None
    ) -> BillingCustomer | None:
        """Return the account's customer in that currency, or None."""
        return await self._customers.find(account_id, currency, home_currency=home_currency, known=known)

    async def find_customer_entry(self, vendor_id: str) -> CustomerEntry | None:
        """Return the customer of that id; None where there is none, or it was deleted."""
        return await self._customers.entry(vendor_id)

    async def check_order(self, check: OrderCheck) -> OrderFindings:
        """What Stripe would refuse of the order's texts and of the customer's tax id."""
        return await check_order(self._api, self._customers, check)

    async def list_prices(
        self, wanted: Mapping[str, Collection[Recurrence]], currency: str
    ) -> dict[tuple[str, Recurrence], Money]:
        """Return the recurring list prices, by the month and by the year."""
        found = await self._catalogue.prices_lately(wanted, currency)
        with understanding(VENDOR, writes=False):
            return {sold: price.amount for sold, price in found.items()}

    async def create_subscription(self, external_id: str, draft: SubscriptionDraft) -> Subscription:
        """Start the subscription, now or on its date, with an item per line that adds up to the accepted amount."""
        if draft.recurrence is Recurrence.none:
            raise Rejected("What is charged once is no subscription.", reason_code="not_recurring", vendor=VENDOR)
        found = _the_one(await self._of_customer(draft.customer_vendor_id, external_id))
        if found is not None and found.ended:
            raise Rejected(
                f"Subscription {found.id} of {external_id} was cancelled; that external id is used up.",
                reason_code="already_cancelled",
                vendor=VENDOR,
            )
        if found is None:
            found = await self._start(external_id, draft)
        with after_write(VENDOR, f"subscription {found.id}"):
            return await self._with_tax(compared(found, draft), found)

    async def find_subscription(self, external_id: str) -> Subscription:
        """Return the subscription under that external id, as it is now."""
        found = _the_one(await self._find_all(external_id))
        if found is None:
            return Subscription(external_id=external_id, status=SubscriptionStatus.absent)
        with understanding(VENDOR, writes=False):
            subscription = subscription_of(found)
        return await self._with_tax(subscription, found)

    async def cancel_subscription(self, external_id: str, *, keep: str | None = None) -> SubscriptionCancellation:
        """Undo the start: first everything that was invoiced, then the subscription itself.

        In this order, a cancelled subscription is completely undone; if this breaks off, the next call does the rest.
        """
        found = await self._find_all(external_id)
        kept = next((record for record in found if record.id == keep), None)
        if keep is not None and kept is None:
            raise Rejected(
                f"{VENDOR} holds no subscription {keep} of {external_id}, which was to stay: nothing is cancelled.",
                reason_code="nothing_to_keep",
                vendor=VENDOR,
            )
        live = [record for record in found if not record.ended and record is not kept]
        for record in live:
            await self._invoices.take_back(record.id)
            await self._cancel_one(record.id)
        if not found:
            return SubscriptionCancellation(external_id=external_id, status=SubscriptionStatus.absent)
        with after_write(VENDOR, "a cancellation"), understanding(VENDOR, writes=True):
            left = subscription_of(await self._read((kept or found[0]).id))
        gone = [record.id for record in live]
        return SubscriptionCancellation(**msgspec.structs.asdict(left), cancelled_vendor_ids=gone)

    async def list_subscriptions(self, account_id: str) -> list[Subscription]:
        """Return the account's subscriptions that are not cancelled, newest first, also those that others started.

        Subscriptions of others are shown as far as they can be read, and never keep the rest from being shown.
        """
        found: list[Subscription] = []
        for customer in reversed(await self._customers.of_account(account_id)):
            records = self._api.list_all("/v1/subscriptions", Page[msgspec.Raw], {"customer": customer.id})
            async for record in records:
                shown = await self._shown(bytes(record))
                if shown is not None:
                    found.append(shown)
        return found

    async def _shown(self, content: bytes) -> Subscription | None:
        """Return a subscription of a list; None for one that has ended."""
        try:
            record = msgspec.json.decode(content, type=SubscriptionRecord)
            return None if record.ended else as_canonical(subscription_of(await self._whole(record)))
        except NOT_UNDERSTOOD:
            with understanding(VENDOR, writes=False):
                return bare_subscription_of(content)

    async def list_invoices(self, account_id: str, *, open_only: bool, limit: int, cursor: str | None) -> InvoicePage:
        """Return the account's invoices, newest first; several customers' one after the other, the newest customer
        first.
        """
        customers = [record.id for record in reversed(await self._customers.of_account(account_id))]
        return await self._invoices.pages(customers, open_only=open_only, limit=limit, cursor=cursor)

    # -- finding ------------------------------------------------------------------------------------------------------

    async def read_webhook(self, payload: bytes, signature: str) -> WebhookNotice:
        """Return what a webhook is about. Raises Rejected where Stripe did not sign it, or no secret is connected."""
        if self._webhook_secret is None:
            raise Rejected(
                "This connection takes no webhooks: no secret of theirs is set.",
                reason_code="no_webhook_secret",
                vendor=VENDOR,
            )
        require_stripe_signature(self._webhook_secret.value, signature, payload, now_s=time.time())
        return read_event(payload)

    async def _find_all(self, external_id: str) -> list[SubscriptionRecord]:
        """Return every subscription under that external id, oldest first."""
        query = {"query": f'metadata["{EXTERNAL_ID}"]:"{quoted(external_id)}"', "limit": 100}
        page = await self._api.get("/v1/subscriptions/search", Page[msgspec.Raw], query)
        found = [one for each in page.data if (one := _if_under(external_id, each)) is not None]
        if not found:
            lately = {**made_lately(self._api), "status": "all"}
            recent = self._api.list_all("/v1/subscriptions", Page[msgspec.Raw], lately)
            found = [one async for each in recent if (one := _if_under(external_id, each)) is not None]
        # The search only tells whose it is: its current state, and whether it is alone, is in the customer's list.
        return await self._of_customer(found[0].customer, external_id) if found else []

    async def _of_customer(self, customer: str, external_id: str) -> list[SubscriptionRecord]:
        params = {"customer": customer, "status": "all"}
        records = self._api.list_all("/v1/subscriptions", Page[msgspec.Raw], params)
        found = [one async for each in records if (one := _if_under(external_id, each)) is not None]
        return [await self._whole(record) for record in reversed(found)]

    async def _read(self, subscription: str) -> SubscriptionRecord:
        return await self._whole(await self._api.get(f"/v1/subscriptions/{subscription}", SubscriptionRecord))

    async def _whole(self, record: SubscriptionRecord) -> SubscriptionRecord:
        """Return the record with all of its items: Stripe includes only the first ones in a subscription."""
        if not record.items.has_more:
            return record
        items = self._api.list_all("/v1/subscription_items", Page[ItemRecord], {"subscription": record.id})
        return msgspec.structs.replace(record, items=Page(data=[item async for item in items]))

    async def _cancel_one(self, subscription: str) -> None:
        try:
            await self._api.delete(
                f"/v1/subscriptions/{subscription}", SubscriptionRecord, {"invoice_now": False, "prorate": False}
            )
        except Rejected as error:
            if error.reason_code != "resource_missing":  # as it is once somebody else has cancelled it
                raise

    # -- creating -----------------------------------------------------------------------------------------------------

    async def _start(self, external_id: str, draft: SubscriptionDraft) -> SubscriptionRecord:
        """Start the subscription. The idempotency key depends on the order only, not on what may be replaced in Stripe.

        A retry may find another price or tax rate than the request whose answer was lost. With a key of its own it
        would start a second subscription beside one that is still under way; with this key Stripe refuses whichever
        comes later.
        """
        params = await self._subscription_params(external_id, draft)
        key = idempotency_key("create-subscription", external_id, msgspec.to_builtins(draft))
        try:
            made = await self._api.post("/v1/subscriptions", SubscriptionRecord, params, key=key)
        except Rejected as error:
            if error.reason_code != "idempotency_error":
                raise
            return await self._started_otherwise(external_id, draft, error)
        with after_write(VENDOR, f"subscription {made.id}"):
            return await self._read(made.id)

    async def _started_otherwise(
        self, external_id: str, draft: SubscriptionDraft, error: Rejected
    ) -> SubscriptionRecord:
        """Return what an earlier request of the same order has started with another price or tax rate."""
        found = _the_one(await self._of_customer(draft.customer_vendor_id, external_id))
        if found is not None and not found.ended:
            return found
        raise OutcomeUnknown(
            f"{VENDOR} has had an earlier request for {external_id}, with other prices or tax rates, and holds nothing "
            "of it, or not yet.",
            reason_code="started_otherwise",
            vendor=VENDOR,
        ) from error

    async def _subscription_params(self, external_id: str, draft: SubscriptionDraft) -> dict[str, object]:
        prices = await self._catalogue.prices({item.sku: (draft.recurrence,) for item in draft.items}, draft.currency)
        tax_rate = await self._catalogue.tax_rate(draft.tax_code, draft.tax_percent)
        return subscription_params(external_id, draft, prices, tax_rate, self._api.now_s())

    async def _with_tax(self, found: Subscription, record: SubscriptionRecord) -> Subscription:
        """Return the subscription with the tax of its latest invoice, if that is for exactly one whole period."""
        if record.latest_invoice is None or found.period_amount is None:
            return found
        try:
            invoice = await self._api.get(f"/v1/invoices/{record.latest_invoice}", ChargedInvoiceRecord)
        except Rejected:  # deleted since; the subscription still exists
            return found
        with understanding(VENDOR, writes=False):
            if invoice.total_excluding_tax is None or invoice.total_taxes is None:
                return found
            currency = invoice.currency.upper()
            if from_minor_units(invoice.total_excluding_tax, currency) != found.period_amount:
                return found
            tax = from_minor_units(sum(each.amount for each in invoice.total_taxes), currency)
            return msgspec.structs.replace(found, tax=tax)


class _Marked(msgspec.Struct, frozen=True):
    metadata: dict[str, str] = {}


def _if_under(external_id: str, content: msgspec.Raw) -> SubscriptionRecord | None:
    """Return the subscription if it is ours, under that id.

    Others in the list may be of a kind that we cannot read.
    """
    marked = decode_reply(bytes(content), _Marked, vendor=VENDOR, writes=False)
    if marked.metadata.get(EXTERNAL_ID) != external_id:
        return None
    return decode_reply(bytes(content), SubscriptionRecord, vendor=VENDOR, writes=False)


def _the_one(records: list[SubscriptionRecord]) -> SubscriptionRecord | None:
    """Return the oldest that has not ended; else the oldest."""
    return next((record for record in records if not record.ended), records[0] if records else None)
