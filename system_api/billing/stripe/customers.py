"""Customers in Stripe: one per account and currency, looked up before creation, and updated from the CRM.

Stripe lets no customer have active subscriptions in two currencies ("Multi-currency customers"). A customer created by
the gateway has its currency in its metadata. An older one serves the currency that Stripe has charged it in or, before
its first invoice, the legal entity's own.

A customer may be deleted in Stripe's dashboard, while an idempotency key still replays its creation for a day and
longer. So a new customer is read back, and one that replaces a deleted one is created under a key that names it.
"""

import uuid

import msgspec

from shared.canonical import BillingCustomer, CustomerDraft, CustomerEntry
from shared.canonical.record_ids import canonical_spelling, spellings
from shared.problem import Rejected, Unavailable
from system_api.billing.stripe.api import VENDOR, Page, StripeApi, idempotency_key
from system_api.billing.stripe.records import ACCOUNT_ID, CURRENCY
from system_api.billing.stripe.tax_ids import keep_tax_id, stripe_tax_id
from system_api.vendor.redaction import note_person
from system_api.vendor.replies import after_write
from system_api.vendor.same_text import same_text

_REPLACED_MAX = 5
_ID_CHARS_MAX = 64


class _Address(msgspec.Struct, frozen=True):
    line1: str | None = None
    postal_code: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None


class _InvoiceSettings(msgspec.Struct, frozen=True):
    default_payment_method: str | None = None


class CustomerRecord(msgspec.Struct, frozen=True):
    """A customer. `currency` is the one that Stripe has charged it in; None before its first invoice."""

    id: str
    metadata: dict[str, str] = {}
    deleted: bool = False
    name: str | None = None
    email: str | None = None
    address: _Address | None = None
    currency: str | None = None
    tax_exempt: str | None = None
    invoice_settings: _InvoiceSettings | None = None
    default_source: str | None = None

    @property
    def exempt_by_us(self) -> bool:
        """Whether Quoteway has made it exempt, following the ERP."""
        return self.tax_exempt == "exempt" and self.metadata.get(_EXEMPT_BY) == _ERP

    @property
    def known_currency(self) -> str | None:
        """The currency that it is for, if that is known."""
        return self.metadata.get(CURRENCY) or (self.currency.upper() if self.currency else None)

    @property
    def has_payment_method(self) -> bool:
        """Whether Stripe has something to charge automatically: the default for invoices, else the default source.

        Without either, Stripe refuses a subscription: "This customer has no attached payment source or default payment
        method." A payment method that is only attached is not charged. Source: the API reference, "The Customer
        object".
        """
        chosen = self.invoice_settings.default_payment_method if self.invoice_settings else None
        return bool(chosen or self.default_source)


class StripeCustomers:
    """The customers of one Stripe account."""

    def __init__(self, api: StripeApi) -> None:
        self._api = api

    async def ensure(self, draft: CustomerDraft) -> BillingCustomer:
        """Return the account's customer in the draft's currency, with name, address and e-mail as the CRM states them.

        The customer in the cross reference comes first, then those with the account's id. A deleted one is replaced.
        """
        gone: list[str] = []
        found = await self.held(draft, gone)
        if found is None:
            made = await self._make(draft, gone)
            return _customer(made, draft.account_id, created=True)
        return _customer(await self._kept(found, draft), draft.account_id)

    async def held(self, draft: CustomerDraft, gone: list[str] | None = None) -> CustomerRecord | None:
        """The customer that the draft is about, or None. Deleted ones that it names are added to `gone`."""
        if draft.new_as is not None:
            return await self._made_for(draft)
        known = await self._known(draft, [] if gone is None else gone)
        return known or await self._serving(draft.account_id, draft.currency, draft.home_currency)

    async def find(
        self, account_id: str, currency: str, *, home_currency: str | None = None, known: str | None = None
    ) -> BillingCustomer | None:
        """Return the account's customer in that currency, or None.

        `known` is the customer according to the cross reference.
        """
        record = await self._read(known) if known else None
        if record is None or record.deleted:
            record = await self._serving(account_id, currency, home_currency)
        return None if record is None else _customer(record, account_id)

    async def of_account(self, account_id: str) -> list[CustomerRecord]:
        """Return the account's customers in every currency, oldest first."""
        found, lately = await self._search(account_id), await self._made_lately(account_id)
        known = {one.id for one in lately}
        return [*(one for one in found if one.id not in known), *lately]

    async def entry(self, customer_id: str) -> CustomerEntry | None:
        """Return a customer, described so that a person recognises it; None if absent or deleted."""
        record = await self._read(customer_id)
        if record is None or record.deleted:
            return None
        note_person(record.name, record.email)
        address = record.address or _Address()
        account = record.metadata.get(ACCOUNT_ID)
        return CustomerEntry(
            vendor_id=record.id,
            number=record.id,
            name=(record.name or "")[:255],
            active=True,
            city=(address.city or "")[:255],
            postal_code=(address.postal_code or "")[:20],
            currency=record.known_currency,
            account_ids=[canonical_spelling(account)] if account else [],
        )

    # -- finding ------------------------------------------------------------------------------------------------------

    async def _known(self, draft: CustomerDraft, gone: list[str]) -> CustomerRecord | None:
        """Return the customer in the cross reference. A deleted one is added to `gone`."""
        for vendor_id in (draft.known_vendor_id, draft.earlier_vendor_id):
            record = await self._read(vendor_id) if vendor_id else None
            if vendor_id and (record is None or record.deleted):
                gone.append(vendor_id)
            elif record is not None:
                known = record.known_currency
                # A customer linked by a person may never have been charged: its currency is unknown.
                otherwise = draft.currency if vendor_id == draft.known_vendor_id else draft.home_currency
                if (known or otherwise or draft.currency) == draft.currency:
                    return record
        return None

    async def _serving(self, account_id: str, currency: str, home_currency: str | None) -> CustomerRecord | None:
        """Return the account's oldest customer for a currency."""
        for look in (self._search, self._made_lately):
            for record in await look(account_id):
                if (record.known_currency or home_currency or currency) == currency:
                    return record
        return None

    async def _made_for(self, draft: CustomerDraft) -> CustomerRecord | None:
        """Return the customer that an earlier request created for the same decision."""
        found = [*await self._search(draft.account_id), *await self._made_lately(draft.account_id)]
        return next((record for record in found if record.metadata.get(_DECISION) == draft.new_as), None)

    async def _search(self, account_id: str) -> list[CustomerRecord]:
        """Return the customers that carry the account's id in any spelling and are not deleted, oldest first."""
        ids = set(spellings(account_id))
        wanted = " OR ".join(f'metadata["{ACCOUNT_ID}"]:"{quoted(each)}"' for each in _searched(account_id))
        query = {"query": wanted, "limit": 100}
        page = await self._api.get("/v1/customers/search", Page[CustomerRecord], query)
        # Stripe's search ignores case; our ids do not.
        found = [one for one in page.data if one.metadata.get(ACCOUNT_ID) in ids and not one.deleted]
        return found[::-1]

    async def _made_lately(self, account_id: str) -> list[CustomerRecord]:
        """Return the account's customers that the search may not have yet, oldest first."""
        ids = set(spellings(account_id))
        recent = self._api.list_all("/v1/customers", Page[CustomerRecord], made_lately(self._api))
        return [one async for one in recent if one.metadata.get(ACCOUNT_ID) in ids][::-1]

    async def _read(self, customer_id: str) -> CustomerRecord | None:
        if len(customer_id) > _ID_CHARS_MAX or not customer_id.replace("_", "").isalnum():
            return None
        try:
            return await self._api.get(f"/v1/customers/{customer_id}", CustomerRecord)
        except Rejected as error:
            if error.reason_code != "resource_missing":
                raise
            return None

    # -- writing ------------------------------------------------------------------------------------------------------

    async def _make(self, draft: CustomerDraft, gone: list[str]) -> CustomerRecord:
        """Create a customer and return it.

        The idempotency key names the customers that it replaces, so that Stripe replays none of them.
        """
        params = _params(draft)
        for _ in range(_REPLACED_MAX):
            key = idempotency_key("create-customer", external_id(draft), {**params, "replaces": gone or None})
            made = await self._api.post("/v1/customers", CustomerRecord, params, key=key)
            with after_write(VENDOR, f"customer {made.id}"):
                there = await self._read(made.id)
            if there is not None and not there.deleted:
                return there
            gone = [*gone, made.id]
        said = f"{VENDOR} names only customers that were deleted: {', '.join(gone)}"
        raise Unavailable(said, reason_code="customer_deleted", vendor=VENDOR)

    async def _kept(self, record: CustomerRecord, draft: CustomerDraft) -> CustomerRecord:
        """Return the customer after updating what the CRM masters, the account's id and its tax id.

        Raises Rejected (`tax_id_differs`) if it has another tax id of the same register; then nothing is written.
        """
        await keep_tax_id(self._api, record.id, draft)
        changes = _changes(record, draft)
        if not changes:
            return record
        # A retry writes the same again, so the key is new each time: an old one would replay an answer from before
        # somebody changed the customer back.
        key = f"quoteway-update-customer-{uuid.uuid4().hex}"
        return await self._api.post(f"/v1/customers/{record.id}", CustomerRecord, changes, key=key)


_DECISION = "quoteway_decision"
# Records that the exemption came from the ERP, so that it ends with the ERP's rule.
_EXEMPT_BY, _ERP = "quoteway_tax_exempt_by", "erp"


def external_id(draft: CustomerDraft) -> str:
    """Return the customer's external id: the account's id, plus the currency unless it is the legal entity's own."""
    home = draft.home_currency or draft.currency
    return draft.account_id if draft.currency == home else f"{draft.account_id}:{draft.currency}"


def made_lately(api: StripeApi) -> dict[str, object]:
    """Return a list filter for what the search may not have yet."""
    return {"created": {"gte": int(api.now_s()) - api.search_lag_s}}


def quoted(text: str) -> str:
    """Return the text escaped for quotation marks in Stripe's search."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _searched(account_id: str) -> list[str]:
    """Return the spellings to search for: the search ignores case."""
    return list({each.casefold(): each for each in spellings(account_id)}.values())


def _params(draft: CustomerDraft) -> dict[str, object]:
    address = draft.address
    tax_id = stripe_tax_id(draft.vat_id, address.country)
    return {
        "name": draft.name,
        "email": draft.email or None,
        "address": {
            "line1": address.street or None,
            "postal_code": address.postal_code or None,
            "city": address.city or None,
            "state": address.region,
            "country": address.country,
        },
        "tax_id_data": [{"type": tax_id[0], "value": tax_id[1]}] if tax_id else None,
        "tax_exempt": "exempt" if draft.tax_exempt else None,
        "metadata": {
            ACCOUNT_ID: draft.account_id,
            CURRENCY: draft.currency,
            _DECISION: draft.new_as,
            _EXEMPT_BY: _ERP if draft.tax_exempt else None,
        },
    }


def _changes(record: CustomerRecord, draft: CustomerDraft) -> dict[str, object]:
    """Return what differs from what the CRM masters, and from the ERP's tax exemption.

    A missing e-mail is no difference.
    """
    changes: dict[str, object] = {}
    if not same_text(record.name, draft.name):
        changes["name"] = draft.name
    if draft.email and not same_text(record.email, draft.email):
        changes["email"] = draft.email
    stated, held = draft.address, record.address or _Address()
    pairs = {
        "line1": (held.line1, stated.street),
        "postal_code": (held.postal_code, stated.postal_code),
        "city": (held.city, stated.city),
        "state": (held.state, stated.region),
        "country": (held.country, stated.country),
    }
    if any(not same_text(*pair) for pair in pairs.values()):
        # An empty text unsets a field: otherwise the old address's state, or a second line that somebody added in the
        # dashboard, would be printed with the new address.
        changes["address"] = {**{name: wanted or "" for name, (_, wanted) in pairs.items()}, "line2": ""}
    metadata: dict[str, str] = {}
    if draft.tax_exempt and record.tax_exempt in {None, "none"}:
        changes["tax_exempt"] = "exempt"
        metadata[_EXEMPT_BY] = _ERP
    elif not draft.tax_exempt and _EXEMPT_BY in record.metadata:
        metadata[_EXEMPT_BY] = ""
        if record.exempt_by_us:
            changes["tax_exempt"] = "none"
    if record.metadata.get(ACCOUNT_ID) not in spellings(draft.account_id):
        metadata[ACCOUNT_ID] = draft.account_id
    if metadata:
        changes["metadata"] = metadata
    return changes


def _customer(record: CustomerRecord, account_id: str, *, created: bool = False) -> BillingCustomer:
    return BillingCustomer(
        account_id=account_id,
        vendor_id=record.id,
        created=created,
        tax_exempt=record.tax_exempt in {"exempt", "reverse"} and not record.exempt_by_us,
        has_payment_method=record.has_payment_method,
    )
