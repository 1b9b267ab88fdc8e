"""The adapter of Tryton as an ERP."""

from collections.abc import Sequence
from contextlib import suppress

import msgspec

from shared.canonical import (
    CreditStatus,
    Customer,
    CustomerDraft,
    CustomerEntry,
    ErpOrder,
    ErpOrderDraft,
    Invoice,
    InvoicePage,
    Money,
    OrderCheck,
    OrderFindings,
)
from shared.outbound.http_client import Transport
from shared.problem import InvalidRequest
from shared.telemetry.tracing import traced
from system_api.connections import TrytonConnection
from system_api.erp.contract import SoldProduct
from system_api.erp.tryton.check import check_company
from system_api.erp.tryton.parties import TrytonParties, customer_of
from system_api.erp.tryton.records import (
    INVOICE_FIELDS,
    PRODUCT_FIELDS,
    CompanyRecord,
    ConfigurationRecord,
    Id,
    InvoiceRecord,
    ProductRecord,
    invoice_of,
    sold_as,
)
from system_api.erp.tryton.rest import VENDOR, TrytonRest
from system_api.erp.tryton.sales import TrytonSales
from system_api.vendor.findings import Finding
from system_api.vendor.replies import NOT_UNDERSTOOD, as_canonical, decode_reply, understanding

_CURSOR_DIGITS_MAX = 12


@traced()
class Tryton:
    """One company of a Tryton database. Implements `system_api.erp.contract.Erp`."""

    def __init__(self, connection: TrytonConnection, transport: Transport | None = None) -> None:
        self._connection = connection
        self._rest = TrytonRest(connection, transport)
        self._parties = TrytonParties(self._rest, connection)
        self._sales = TrytonSales(self._rest, self._parties, connection)

    async def close(self) -> None:
        """Close the connections."""
        await self._rest.close()

    async def ready(self) -> str | None:
        """Return None if Tryton accepts our key, and has the connection's company, currency and digits."""
        company, currency = self._connection.company, self._connection.currency
        domain = [["id", "=", company]]
        found = await self._rest.search("company.company", domain, ["currency.code"], CompanyRecord, limit=1)
        kept = await self._rest.search("ir.configuration", [], ["product_price_decimal"], ConfigurationRecord, limit=1)
        if not found:
            return f"Tryton has no company {company}, or shows it to nobody with our key."
        if found[0].currency.code != currency:
            return f"Tryton's company {company} is kept in {found[0].currency.code}, not in {currency}."
        digits = kept[0].product_price_decimal if kept else None
        if digits is not None and digits < self._connection.unit_price_digits:
            return (
                f"Tryton keeps unit prices to {digits} digits, but the connection's unit_price_digits is "
                f"{self._connection.unit_price_digits}."
            )
        return None

    async def check(self, tax_codes: Sequence[str]) -> list[Finding]:
        """Return what the company lacks for Quoteway."""
        return await check_company(self._connection, self._rest, self.ready, tax_codes)

    async def find_customer(self, account_id: str) -> Customer | None:
        """Return the account's party, active or not, or None; a merged one's successor."""
        party = await self._parties.find(account_id)
        return customer_of(party, account_id) if party else None

    async def ensure_customer(self, draft: CustomerDraft) -> Customer:
        """Return the party with that account's identifier, updated from the CRM; create it if there is none."""
        return await self._parties.ensure(draft)

    async def customer_candidates(self, draft: CustomerDraft) -> list[CustomerEntry]:
        """Return the parties with the same tax id, or the same name and postal code."""
        return await self._parties.candidates(draft)

    async def check_order(self, check: OrderCheck) -> OrderFindings:
        """What Tryton would refuse of the party: its tax id, its country and state. It limits no text of an order."""
        return await self._parties.check(check.customer)

    async def find_customer_entry(self, vendor_id: str) -> CustomerEntry | None:
        """Return the party with that id, or its successor after a merge, active or not."""
        return await self._parties.entry(vendor_id)

    async def check_credit(self, account_id: str, amount: Money) -> CreditStatus | None:
        """Return whether the amount fits. Exposure is Tryton's own: posted unpaid invoices, and confirmed sales not
        yet invoiced.
        """
        party = await self._parties.find(account_id)
        return self._parties.credit(party, account_id, amount) if party else None

    async def list_prices(self, skus: list[str], currency: str) -> dict[str, SoldProduct]:
        """Return the list prices and units that this company sells; none in a currency other than its own."""
        if currency != self._connection.currency:
            return {}
        # No code contains a NUL, and Tryton would answer 500: PostgreSQL's text cannot hold it.
        wanted = sorted({sku for sku in skus if "\0" not in sku})
        found = await self._rest.search_each("product.product", "code", wanted, PRODUCT_FIELDS, ProductRecord, limit=2)
        with understanding(VENDOR, writes=False):
            sold = {product.code: sold_as(product, currency) for product in found}
        return {sku: each for sku, each in sold.items() if each is not None}

    async def create_order(self, external_id: str, draft: ErpOrderDraft) -> ErpOrder:
        """Book a sale as a quotation, with `external_id` as its reference."""
        return await self._sales.create(external_id, draft)

    async def find_order(self, external_id: str) -> ErpOrder:
        """Return the sale under that reference."""
        return await self._sales.find(external_id)

    async def confirm_order(self, external_id: str) -> ErpOrder:
        """Confirm the sale; Tryton checks the credit limit here."""
        return await self._sales.confirm(external_id)

    async def cancel_order(self, external_id: str, *, keep: str | None = None) -> ErpOrder:
        """Cancel the sales except `keep`, which Tryton allows until they are processed."""
        return await self._sales.cancel(external_id, keep)

    async def list_invoices(self, account_id: str, *, open_only: bool, limit: int, cursor: str | None) -> InvoicePage:
        """Return the party's invoices from this company, newest first. The cursor is the last invoice's id."""
        if cursor is not None and not (cursor.isdecimal() and len(cursor) <= _CURSOR_DIGITS_MAX):
            raise InvalidRequest("The cursor is not from a page of invoices.")
        party = await self._parties.find(account_id)
        if party is None:
            return InvoicePage(invoices=[])
        domain = [["party", "=", party.id], ["type", "=", "out"], ["company", "=", self._connection.company]]
        if open_only:
            domain.append(["state", "=", "posted"])
        if cursor is not None:
            domain.append(["id", "<", int(cursor)])
        found = await self._rest.search(
            "account.invoice", domain, INVOICE_FIELDS, msgspec.Raw, limit=limit + 1, newest_first=True
        )
        invoices: list[Invoice] = []
        for content in found[:limit]:
            with suppress(*NOT_UNDERSTOOD):
                invoices.append(as_canonical(invoice_of(msgspec.json.decode(bytes(content), type=InvoiceRecord))))
        last = decode_reply(bytes(found[limit - 1]), Id, vendor=VENDOR, writes=False) if len(found) > limit else None
        return InvoicePage(
            invoices=invoices,
            next_cursor=None if last is None else str(last.id),
            not_shown=min(limit, len(found)) - len(invoices),
        )
