"""A Stripe account's invoices: listed, and voided or credited when a subscription's start is undone.

Source: Stripe's "Status transitions and finalization": a finalized invoice is never deleted. An open one is voided; a
paid one is credited. A subscription's draft can be neither deleted nor voided: it is finalized first.
"""

import re
from contextlib import suppress

import msgspec

from shared.canonical import Invoice, InvoicePage
from shared.problem import InvalidRequest, Rejected
from system_api.billing.stripe.api import Page, StripeApi, id_of, idempotency_key
from system_api.billing.stripe.records import InvoiceRecord, invoice_of
from system_api.vendor.replies import NOT_UNDERSTOOD, as_canonical

_CURSOR = re.compile(r"in_[A-Za-z0-9_]{1,250}")


class _Owned(msgspec.Struct, frozen=True):
    """An invoice's owner."""

    id: str
    customer: str | None = None


class _CreditNote(msgspec.Struct, frozen=True):
    id: str


class StripeInvoices:
    """The invoices of one account."""

    def __init__(self, api: StripeApi) -> None:
        self._api = api

    async def page(self, customer: str, *, open_only: bool, limit: int, cursor: str | None) -> InvoicePage:
        """Return a page of the customer's invoices, newest first.

        The cursor is the last invoice's id, which must be the customer's own.

        Raises InvalidRequest for any other: Stripe accepts the id of anyone's invoice as a cursor and refuses
        unknown ones, so that a caller could find out which ids exist in the account.
        """
        if cursor is not None and not await self._is_of(customer, cursor):
            raise InvalidRequest("The cursor is not from a page of these invoices.")
        params = {
            "customer": customer,
            "limit": limit,
            "status": "open" if open_only else None,
            "starting_after": cursor,
        }
        page = await self._api.get("/v1/invoices", Page[msgspec.Raw], params)
        invoices: list[Invoice] = []
        for content in page.data:
            with suppress(*NOT_UNDERSTOOD):
                invoices.append(as_canonical(invoice_of(msgspec.json.decode(bytes(content), type=InvoiceRecord))))
        return InvoicePage(
            invoices=invoices,
            next_cursor=id_of(page.data[-1]) if page.has_more and page.data else None,
            not_shown=len(page.data) - len(invoices),
        )

    async def pages(self, customers: list[str], *, open_only: bool, limit: int, cursor: str | None) -> InvoicePage:
        """Return a page of the invoices of several customers, one customer after the other. Raises as `page`."""
        if not customers:
            return InvoicePage(invoices=[])
        begin = 0
        if cursor is not None:
            owner = await self._owner(cursor)
            begin = customers.index(owner) if owner in customers else 0
        found: list[Invoice] = []
        not_shown = 0
        for place in range(begin, len(customers)):
            after = cursor if place == begin else None
            page = await self.page(customers[place], open_only=open_only, limit=limit - len(found), cursor=after)
            found += page.invoices
            not_shown += page.not_shown
            if page.next_cursor is not None:
                return InvoicePage(invoices=found, next_cursor=page.next_cursor, not_shown=not_shown)
            if len(found) == limit:
                following = found[-1].vendor_id if place + 1 < len(customers) else None
                return InvoicePage(invoices=found, next_cursor=following, not_shown=not_shown)
        return InvoicePage(invoices=found, not_shown=not_shown)

    async def _is_of(self, customer: str, cursor: str) -> bool:
        return await self._owner(cursor) == customer

    async def _owner(self, cursor: str) -> str | None:
        """Return the customer of the invoice that is the cursor; None if there is no such invoice."""
        if not _CURSOR.fullmatch(cursor):
            return None
        try:
            return (await self._api.get(f"/v1/invoices/{cursor}", _Owned)).customer
        except Rejected as error:
            if error.reason_code != "resource_missing":
                raise
            return None

    async def take_back(self, subscription: str) -> None:
        """Void or credit everything that the subscription was invoiced, except what is already taken back."""
        records = self._api.list_all("/v1/invoices", Page[InvoiceRecord], {"subscription": subscription})
        # Read to the end first: changes on the way must not shift the pages.
        for record in [record async for record in records]:
            await self._take_back_one(record)

    async def _take_back_one(self, record: InvoiceRecord) -> None:
        if record.status == "draft":
            record = await self._act(record, "finalize", {"auto_advance": False})
        if record.status in {"open", "uncollectible"}:
            await self._act(record, "void", {})
        elif record.status == "paid" and record.creditable > 0:
            params = {
                "invoice": record.id,
                "amount": record.creditable,
                "credit_amount": record.creditable,
                "memo": "The order was withdrawn.",
            }
            key = idempotency_key("credit-invoice", record.id, params)
            await self._api.post("/v1/credit_notes", _CreditNote, params, key=key)

    async def _act(self, record: InvoiceRecord, action: str, params: dict[str, bool]) -> InvoiceRecord:
        key = idempotency_key(f"{action}-invoice", record.id, params)
        return await self._api.post(f"/v1/invoices/{record.id}/{action}", InvoiceRecord, params, key=key)
