"""Customers in Stripe: found by the account id in their metadata, or made."""

from shared.canonical import BillingCustomer, CustomerDraft
from system_api.billing.stripe_api import Page, StripeApi, idempotency_key
from system_api.billing.stripe_records import ACCOUNT_ID, CustomerRecord
from system_api.vat import compact_vat_id, member_state_of

_SEARCH_MAY_LAG_S = 7200


class StripeCustomers:
    """The customers of one Stripe account."""

    def __init__(self, api: StripeApi) -> None:
        self._api = api

    async def ensure(self, draft: CustomerDraft) -> BillingCustomer:
        """The account's customer. One that is there is left as it is: billing may have corrected its address."""
        found = await self.find(draft.account_id)
        if found is None:
            params = _params(draft)
            key = idempotency_key("create-customer", draft.account_id, params)
            made = await self._api.post("/v1/customers", CustomerRecord, params, key=key)
            return BillingCustomer(account_id=draft.account_id, vendor_id=made.id, created=True)
        return BillingCustomer(account_id=draft.account_id, vendor_id=found.id)

    async def find(self, account_id: str) -> CustomerRecord | None:
        """The account's customer, or None."""
        query = {"query": f'metadata["{ACCOUNT_ID}"]:"{quoted(account_id)}"', "limit": 100}
        page = await self._api.get("/v1/customers/search", Page[CustomerRecord], query)
        # Stripe's search takes capitals and small letters for the same; our ids do not.
        found = [one for one in page.data if one.metadata.get(ACCOUNT_ID) == account_id and not one.deleted]
        if not found:
            recent = self._api.list_all("/v1/customers", Page[CustomerRecord], made_lately(self._api))
            found = [one async for one in recent if one.metadata.get(ACCOUNT_ID) == account_id]
        return found[-1] if found else None  # the oldest, should there ever be two


def made_lately(api: StripeApi) -> dict[str, object]:
    """The filter of a list for what the search may not know yet."""
    return {"created": {"gte": int(api.now_s()) - _SEARCH_MAY_LAG_S}}


def quoted(text: str) -> str:
    """Text as Stripe's search takes it between quotation marks."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _params(draft: CustomerDraft) -> dict[str, object]:
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
