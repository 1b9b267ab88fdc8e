"""Stripe Billing.

How records are found again. Stripe's lists filter by customer and by time, not by metadata; its search reads
metadata, but trails the writes: by seconds as a rule, by up to an hour during an outage ("Search: data freshness"). A
look-up that misses a record just made would make a second one, or leave one behind. So:

* a subscription whose customer is known is found in that customer's list, which is never behind;
* a customer, and a subscription of which only the external id is known, is searched for, and where the search has
  nothing, looked for in the list of everything made in the last two hours.
"""

import time
from decimal import Decimal

import msgspec

from shared.canonical import (
    BillingCustomer,
    CustomerDraft,
    InvoicePage,
    Money,
    Recurrence,
    Subscription,
    SubscriptionCancellation,
    SubscriptionDraft,
    SubscriptionItem,
    SubscriptionStatus,
    WebhookNotice,
    round_money,
)
from shared.http_client import Transport
from shared.problem import OutcomeUnknown, Rejected
from shared.tracing import traced
from system_api.billing.stripe_api import VENDOR, Page, StripeApi, idempotency_key
from system_api.billing.stripe_catalogue import StripeCatalogue, price_in
from system_api.billing.stripe_invoices import StripeInvoices
from system_api.billing.stripe_records import (
    ACCOUNT_ID,
    EXTERNAL_ID,
    ORDER_ID,
    SKU,
    CustomerRecord,
    ItemRecord,
    SubscriptionRecord,
    TaxRateRecord,
    subscription_of,
)
from system_api.billing.stripe_webhooks import read_event
from system_api.connections import StripeConnection
from system_api.decimal_text import to_minor_units
from system_api.vat import compact_vat_id, member_state_of
from system_api.vendor_reply import after_write, understanding
from system_api.webhooks import require_stripe_signature

DAYS_UNTIL_DUE = 30
_SEARCH_MAY_LAG_S = 7200


@traced()
class Stripe:
    """One Stripe account, for one legal entity. Implements `system_api.billing.contract.Billing`."""

    def __init__(self, connection: StripeConnection, transport: Transport | None = None) -> None:
        self._webhook_secret = connection.webhook_secret
        self._api = StripeApi(connection, transport)
        self._catalogue = StripeCatalogue(self._api)
        self._invoices = StripeInvoices(self._api)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def ready(self) -> str | None:
        """None if Stripe answers with our key."""
        await self._api.get("/v1/tax_rates", Page[TaxRateRecord], {"limit": 1})
        return None

    async def ensure_customer(self, draft: CustomerDraft) -> BillingCustomer:
        """The account's customer. One that is there is left as it is: billing may have corrected its address."""
        found = await self._find_customer(draft.account_id)
        if found is None:
            params = _customer_params(draft)
            key = idempotency_key("create-customer", draft.account_id, params)
            made = await self._api.post("/v1/customers", CustomerRecord, params, key=key)
            return BillingCustomer(account_id=draft.account_id, vendor_id=made.id, created=True)
        return BillingCustomer(account_id=draft.account_id, vendor_id=found.id)

    async def list_prices(self, skus: list[str], currency: str) -> dict[tuple[str, Recurrence], Money]:
        """The recurring list prices, by the month and by the year."""
        found = await self._catalogue.prices(skus, currency)
        with understanding(VENDOR, writes=False):
            return {sold: price.amount for sold, price in found.items()}

    async def create_subscription(self, external_id: str, draft: SubscriptionDraft) -> Subscription:
        """Start the subscription: invoiced by mail, due in 30 days, one line per item at the price that was quoted."""
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
        return _compared(found, draft)

    async def find_subscription(self, external_id: str) -> Subscription:
        """The subscription under that external id, as it is now."""
        found = _the_one(await self._find_all(external_id))
        if found is None:
            return Subscription(external_id=external_id, status=SubscriptionStatus.absent)
        with understanding(VENDOR, writes=False):
            return subscription_of(found)

    async def cancel_subscription(self, external_id: str, *, keep: str | None = None) -> SubscriptionCancellation:
        """Take the start back: first everything that was invoiced, then the subscription itself.

        In this order, being cancelled means that all of it is done: what breaks off in between, the next call does.
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
        """The account's subscriptions that are not cancelled, newest first, also those that others started."""
        customer = await self._find_customer(account_id)
        if customer is None:
            return []
        records = self._api.list_all("/v1/subscriptions", Page[SubscriptionRecord], {"customer": customer.id})
        with understanding(VENDOR, writes=False):
            return [subscription_of(await self._whole(record)) async for record in records if not record.ended]

    async def list_invoices(self, account_id: str, *, open_only: bool, limit: int, cursor: str | None) -> InvoicePage:
        """The account's invoices, newest first."""
        customer = await self._find_customer(account_id)
        if customer is None:
            return InvoicePage(invoices=[])
        return await self._invoices.page(customer.id, open_only=open_only, limit=limit, cursor=cursor)

    # -- finding ------------------------------------------------------------------------------------------------------

    async def read_webhook(self, payload: bytes, signature: str) -> WebhookNotice:
        """What a webhook is about. Raises Rejected where Stripe did not sign it, or no secret is connected."""
        if self._webhook_secret is None:
            raise Rejected(
                "This connection takes no webhooks: it has no webhook_secret.",
                reason_code="no_webhook_secret",
                vendor=VENDOR,
            )
        require_stripe_signature(self._webhook_secret.value, signature, payload, now_s=time.time())
        return read_event(payload)

    async def _find_customer(self, account_id: str) -> CustomerRecord | None:
        query = {"query": f'metadata["{ACCOUNT_ID}"]:"{_quoted(account_id)}"', "limit": 100}
        page = await self._api.get("/v1/customers/search", Page[CustomerRecord], query)
        # Stripe's search takes capitals and small letters for the same; our ids do not.
        found = [one for one in page.data if one.metadata.get(ACCOUNT_ID) == account_id and not one.deleted]
        if not found:
            recent = self._api.list_all("/v1/customers", Page[CustomerRecord], self._made_lately())
            found = [one async for one in recent if one.metadata.get(ACCOUNT_ID) == account_id]
        return found[-1] if found else None  # the oldest, should there ever be two

    async def _find_all(self, external_id: str) -> list[SubscriptionRecord]:
        """Every subscription under that external id, oldest first."""
        query = {"query": f'metadata["{EXTERNAL_ID}"]:"{_quoted(external_id)}"', "limit": 100}
        page = await self._api.get("/v1/subscriptions/search", Page[SubscriptionRecord], query)
        found = [one for one in page.data if one.metadata.get(EXTERNAL_ID) == external_id]
        if not found:
            lately = {**self._made_lately(), "status": "all"}
            recent = self._api.list_all("/v1/subscriptions", Page[SubscriptionRecord], lately)
            found = [one async for one in recent if one.metadata.get(EXTERNAL_ID) == external_id]
        # What was found only tells whose it is: how it stands now, and whether it is alone, the customer's list knows.
        return await self._of_customer(found[0].customer, external_id) if found else []

    async def _of_customer(self, customer: str, external_id: str) -> list[SubscriptionRecord]:
        params = {"customer": customer, "status": "all"}
        records = self._api.list_all("/v1/subscriptions", Page[SubscriptionRecord], params)
        found = [one async for one in records if one.metadata.get(EXTERNAL_ID) == external_id]
        return [await self._whole(record) for record in reversed(found)]

    def _made_lately(self) -> dict[str, object]:
        """What the search may not know yet."""
        return {"created": {"gte": int(self._api.now_s()) - _SEARCH_MAY_LAG_S}}

    async def _read(self, subscription: str) -> SubscriptionRecord:
        return await self._whole(await self._api.get(f"/v1/subscriptions/{subscription}", SubscriptionRecord))

    async def _whole(self, record: SubscriptionRecord) -> SubscriptionRecord:
        """The record with all of its items: Stripe shows only the first ones inside a subscription."""
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
            if error.reason_code != "resource_missing":  # which a subscription is once somebody else has cancelled it
                raise

    # -- making -------------------------------------------------------------------------------------------------------

    async def _start(self, external_id: str, draft: SubscriptionDraft) -> SubscriptionRecord:
        """Start what was not found. Its key speaks of what is ordered, and of nothing that may be exchanged in Stripe.

        A repeat can meet another price or another tax rate than the request whose answer was lost. Under a key of its
        own it would start a second subscription beside one that is still on its way; under this one Stripe refuses
        whichever of the two comes later.
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
        """What an earlier request of the same order, with another price or tax rate, has started."""
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
        prices = await self._catalogue.prices([item.sku for item in draft.items], draft.currency)
        items = []
        for item in draft.items:
            price = price_in(prices, item.sku, draft.recurrence)
            entry: dict[str, object] = {"quantity": _whole_number(item), "metadata": {SKU: item.sku}}
            with understanding(VENDOR, writes=False):
                at_list_price = price.amount.value == item.net_unit_price.value
            if at_list_price:
                entry["price"] = price.id
            else:
                entry["price_data"] = {
                    "currency": draft.currency.lower(),
                    "product": price.product,
                    "recurring": {"interval": draft.recurrence.value},
                    "unit_amount_decimal": to_minor_units(item.net_unit_price),
                    "tax_behavior": "exclusive",
                }
            items.append(entry)
        return {
            "customer": draft.customer_vendor_id,
            "items": items,
            "collection_method": "send_invoice",
            "days_until_due": DAYS_UNTIL_DUE,
            "default_tax_rates": [await self._catalogue.tax_rate(draft.tax_code, draft.tax_percent)],
            "proration_behavior": "none",
            "metadata": {EXTERNAL_ID: external_id, ORDER_ID: draft.order_id, ACCOUNT_ID: draft.account_id},
        }


def _customer_params(draft: CustomerDraft) -> dict[str, object]:
    address = draft.address
    eu_vat_id = compact_vat_id(draft.vat_id) if draft.vat_id and member_state_of(draft.vat_id) else None
    return {
        "name": draft.name,
        "address": {
            "line1": address.street or None,
            "postal_code": address.postal_code or None,
            "city": address.city or None,
            "state": address.region,
            "country": address.country,
        },
        "tax_id_data": [{"type": "eu_vat", "value": eu_vat_id}] if eu_vat_id else None,
        "metadata": {ACCOUNT_ID: draft.account_id},
    }


def _compared(record: SubscriptionRecord, draft: SubscriptionDraft) -> Subscription:
    """The subscription. Raises Rejected (`read_back_mismatch`) where it is not what was ordered."""
    with understanding(VENDOR, writes=True):
        found = subscription_of(record)
        percents = sorted(rate.percentage for rate in record.default_tax_rates or [])
        expected_amount = Money.of(sum((_line_amount(item) for item in draft.items), Decimal(0)), draft.currency)
        compared = {
            "items": (_sold(found.items), _sold(draft.items)),
            "period amount": (found.period_amount, expected_amount),
            "recurrence": (found.recurrence, draft.recurrence),
            "tax percent": (percents, [Decimal(draft.tax_percent)]),
        }
    differing = [name for name, (held, ordered) in compared.items() if held != ordered]
    if differing:
        raise Rejected(
            f"{VENDOR} holds {record.id} otherwise than it was ordered: {', '.join(differing)} differ.",
            reason_code="read_back_mismatch",
            vendor=VENDOR,
        )
    return found


def _sold(items: list[SubscriptionItem]) -> list[tuple[str, Decimal, Decimal]]:
    return sorted((item.sku, Decimal(item.quantity), item.net_unit_price.value) for item in items)


def _line_amount(item: SubscriptionItem) -> Decimal:
    return round_money(Decimal(item.quantity) * item.net_unit_price.value, item.net_unit_price.currency)


def _whole_number(item: SubscriptionItem) -> int:
    quantity = Decimal(item.quantity)
    if quantity != quantity.to_integral_value():
        raise Rejected(
            f"{VENDOR} charges whole units only; {item.quantity} of {item.sku} are ordered.",
            reason_code="quantity_not_whole",
            vendor=VENDOR,
        )
    return int(quantity)


def _the_one(records: list[SubscriptionRecord]) -> SubscriptionRecord | None:
    """The oldest that has not ended; else the oldest."""
    return next((record for record in records if not record.ended), records[0] if records else None)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
