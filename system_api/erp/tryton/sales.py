"""Orders in Tryton: sales with our external id as their reference.

Tryton does not make references unique, and has no idempotency key. So a sale is searched for before it is created, and
again after each write: the oldest of several stays, and the others, created at the same time or by a late request, are
cancelled. Nobody loses a sale that they rely on, since an order is only known by its reference.

    draft --quote--> quotation --confirm--> confirmed --(the ERP's worker, after its grace)--> processing --> done

Until the grace period ends, a confirmed sale can go back to draft and be cancelled. From then on it has an invoice and
a shipment, and only a person can undo it in the ERP.
"""

from typing import Any

import msgspec

from shared.canonical import UNTAXED, ErpOrder, ErpOrderDraft, ErpOrderState
from shared.problem import Rejected, Unavailable
from system_api.connections import TrytonConnection
from system_api.erp.tryton.addresses import delivery_address, invoice_address
from system_api.erp.tryton.errors import missing
from system_api.erp.tryton.lines import dates_and_terms, line_rule, sale_lines, skus_of
from system_api.erp.tryton.parties import TrytonParties
from system_api.erp.tryton.read_back import differences
from system_api.erp.tryton.records import (
    COMPANY_FIELDS,
    PRODUCT_FIELDS,
    SALE_FIELDS,
    CompanyRecord,
    Id,
    ProductRecord,
    SaleRecord,
    order_of,
)
from system_api.erp.tryton.rest import VENDOR, TrytonRest, unreadable
from system_api.vendor.line_prices import LineRule
from system_api.vendor.parallel_reads import parallel_reads
from system_api.vendor.replies import after_write, understanding

_ADVANCES_MAX = 3
_STEPS = {
    "quote": ("draft", {"quotation", "confirmed", "processing", "done"}),
    "confirm": ("quotation", {"confirmed", "processing", "done"}),
}
_TO_CANCEL = {"confirmed": ("draft", "cancel"), "quotation": ("cancel",), "draft": ("cancel",)}


class TrytonSales:
    """The sales of one company."""

    def __init__(self, rest: TrytonRest, parties: TrytonParties, connection: TrytonConnection) -> None:
        self._rest = rest
        self._parties = parties
        self._company = connection.company
        self._sales_max = connection.sales_of_one_reference_max
        self._unit_price_digits = connection.unit_price_digits
        self._warehouse_name = connection.warehouse

    async def find(self, external_id: str) -> ErpOrder:
        """Return the order under that reference, which may be absent."""
        return _order(_the_one(await self._under(external_id)), external_id, writes=False)

    async def create(self, external_id: str, draft: ErpOrderDraft) -> ErpOrder:
        """Return the quotation, created if there is none, read back and compared."""
        sale = await self._only(await self._under(external_id))
        if sale is not None and sale.cancelled:
            raise _rejected(f"{external_id} was cancelled; that external id is used up.", "already_cancelled")
        if sale is None:
            sale = await self._make(external_id, draft)
        return await self.compared(await self._advance(sale, external_id, "quote"), external_id, draft)

    async def compared(self, sale: SaleRecord, external_id: str, draft: ErpOrderDraft) -> ErpOrder:
        """Return the order as the sale holds it. Raises Rejected (`read_back_mismatch`) where that is not the draft."""
        buyer = str(sale.party.id)
        if buyer != draft.customer_vendor_id:  # merged meanwhile, or another customer's sale
            buyer = str((await self._parties.by_id(draft.customer_vendor_id)).id)
        order = _order(sale, external_id, writes=True)
        differing = differences(sale, draft, buyer)
        if differing:
            said = (
                f"{VENDOR} holds sale {sale.number or sale.id} otherwise than it was ordered: {', '.join(differing)}."
            )
            raise _rejected(said, "read_back_mismatch")
        return order

    async def confirm(self, external_id: str) -> ErpOrder:
        """Return the confirmed order. Raises Rejected (`credit_limit`) if it would exceed the customer's limit."""
        sale = await self._only(await self._under(external_id))
        if sale is None:
            raise _rejected(f"The ERP has no order {external_id} to confirm.", "order_absent")
        if sale.cancelled:
            raise _rejected(f"{external_id} was cancelled.", "already_cancelled")
        quoted = await self._advance(sale, external_id, "quote")
        return _order(await self._advance(quoted, external_id, "confirm"), external_id, writes=True)

    async def cancel(self, external_id: str, keep: str | None = None) -> ErpOrder:
        """Cancel every sale under that reference except the one with the id `keep`.

        Raises Rejected (`too_late_to_cancel`) once one is processed.
        """
        sales = await self._under(external_id)
        live = [sale for sale in sales if not sale.cancelled and str(sale.id) != keep]
        for sale in live:
            await self._cancel_one(sale)
        if not live:
            return _order(_the_one(sales), external_id, writes=False)
        left = _order(await self._read_back(external_id), external_id, writes=True)
        return msgspec.structs.replace(left, cancelled_vendor_ids=[str(sale.id) for sale in live])

    # -- writing ------------------------------------------------------------------------------------------------------

    async def _make(self, external_id: str, draft: ErpOrderDraft) -> SaleRecord:
        made = await self._rest.create("sale.sale", await self._values(external_id, draft), ["id"], Id)
        with after_write(VENDOR, f"sale {made.id}"):
            sales = await self._under(external_id)
        sale = await self._only(sales)
        if sale is None or sale.cancelled:
            raise unreadable(f"sale {made.id}")
        return sale

    async def _values(self, external_id: str, draft: ErpOrderDraft) -> dict[str, Any]:
        async with parallel_reads() as reads:
            reading_party = reads.create_task(self._parties.by_id(draft.customer_vendor_id))
            reading_products = reads.create_task(self._products(skus_of(draft)))
            reading_tax = reads.create_task(self._tax(draft.tax_code))
            reading_company = reads.create_task(self._company_in(draft.currency))
            reading_terms = reads.create_task(self._terms(draft.payment_terms))
            reading_warehouse = reads.create_task(self._warehouse())
        party, products, company = reading_party.result(), reading_products.result(), reading_company.result()
        invoiced, delivered = invoice_address(party), delivery_address(party)
        if invoiced is None or delivered is None:
            raise _rejected(
                f"Customer {party.code} has no address in the ERP: add one there.", "customer_without_address"
            )
        theirs = party.customer_payment_term
        lines = sale_lines(draft, products, reading_tax.result(), self._rule(company))
        return {
            "company": self._company,
            "party": party.id,
            "invoice_address": invoiced.id,
            "shipment_address": delivered.id,
            "currency": company.currency.id,
            "payment_term": reading_terms.result() or (theirs.id if theirs else await self._parties.payment_term()),
            "reference": external_id,
            "lines": [["create", lines]],
            **reading_warehouse.result(),
            **dates_and_terms(draft, lines, products, company),
        }

    def _rule(self, company: CompanyRecord) -> LineRule:
        return line_rule(company, self._unit_price_digits)

    async def _only(self, sales: list[SaleRecord]) -> SaleRecord | None:
        """Return the sale that counts, and cancel the other active ones."""
        for sale in [sale for sale in sales if not sale.cancelled][1:]:
            await self._cancel_one(sale)
        return _the_one(sales)

    async def _cancel_one(self, sale: SaleRecord) -> None:
        buttons = _TO_CANCEL.get(sale.state)
        if buttons is None:
            raise _rejected(
                f"Sale {sale.number or sale.id} is {sale.state}: it has an invoice and a shipment, which a person has "
                "to cancel in the ERP.",
                "too_late_to_cancel",
            )
        for button in buttons:
            await self._press(sale, button, done_in={"draft", "cancelled"} if button == "draft" else {"cancelled"})

    async def _advance(self, sale: SaleRecord, external_id: str, button: str) -> SaleRecord:
        """Advance the sale by one step and return it, read back; a sale that is already there is left alone.

        The sale that is read back may be another one, if an older one has appeared meanwhile: then that one is
        advanced.
        """
        before, after = _STEPS[button]
        for _ in range(_ADVANCES_MAX):
            if sale.state != before:
                return sale
            await self._press(sale, button, done_in=after)
            sale = await self._read_back(external_id)
        said = f"{external_id} is being worked on by others"
        raise Unavailable(said, reason_code="concurrent_change", vendor=VENDOR, retry_after_s=1)

    async def _press(self, sale: SaleRecord, button: str, *, done_in: set[str]) -> None:
        """Press a button. A refusal because somebody else has pressed it already is ignored.

        If the sale was cancelled meanwhile, the reference is searched again: another one may have taken its place.
        """
        try:
            await self._rest.press("sale.sale", sale.id, button, Id)
        except Rejected as error:
            domain = [["id", "=", sale.id]]
            now = await self._rest.search("sale.sale", domain, SALE_FIELDS, SaleRecord, limit=1)
            if now and now[0].state in done_in:
                return
            if now and now[0].cancelled:
                said = f"Sale {sale.id} was cancelled while it was worked on"
                raise Unavailable(said, reason_code="concurrent_change", vendor=VENDOR, retry_after_s=1) from error
            raise

    # -- reading ------------------------------------------------------------------------------------------------------

    async def _under(self, external_id: str) -> list[SaleRecord]:
        """Return every sale of this company under that reference, oldest first."""
        domain = [["reference", "=", external_id], ["company", "=", self._company]]
        return await self._rest.search("sale.sale", domain, SALE_FIELDS, SaleRecord, limit=self._sales_max)

    async def _read_back(self, external_id: str) -> SaleRecord:
        with after_write(VENDOR, external_id):
            sales = await self._under(external_id)
        sale = await self._only(sales)
        if sale is None:
            raise unreadable(external_id)
        return sale

    async def _products(self, skus: list[str]) -> dict[str, ProductRecord]:
        wanted = sorted(set(skus))
        if any("\0" in sku for sku in wanted):  # no code contains one, and Tryton answers 500
            raise _rejected("The ERP sells nothing whose code holds a NUL.", "product_not_sold")
        found = await self._rest.search_each("product.product", "code", wanted, PRODUCT_FIELDS, ProductRecord, limit=2)
        products = {product.code: product for product in found if product.salable}
        unsold = [sku for sku in wanted if sku not in products]
        if unsold:
            raise _rejected(f"The ERP does not sell {', '.join(unsold)}.", "product_not_sold")
        return products

    async def _tax(self, tax_code: str) -> list[int]:
        if tax_code == UNTAXED:
            return []
        domain = [["company", "=", self._company], ["name", "=", tax_code]]
        found = await self._rest.search("account.tax", domain, ["id"], Id, limit=1)
        if not found:
            raise missing("unknown_tax", tax_code)
        return [found[0].id]

    async def _terms(self, name: str | None) -> int | None:
        if name is None:
            return None
        domain = [["name", "=", name]]
        found = await self._rest.search("account.invoice.payment_term", domain, ["id"], Id, limit=1)
        if not found:
            raise missing("unknown_payment_terms", name)
        return found[0].id

    async def _warehouse(self) -> dict[str, int]:
        """Return the sale's field for its warehouse; nothing if the ERP is to take its only one."""
        if self._warehouse_name is None:
            return {}
        domain = [["type", "=", "warehouse"], ["name", "=", self._warehouse_name]]
        found = await self._rest.search("stock.location", domain, ["id"], Id, limit=1)
        if not found:
            raise missing("unknown_warehouse", self._warehouse_name)
        return {"warehouse": found[0].id}

    async def _company_in(self, currency: str) -> CompanyRecord:
        domain = [["id", "=", self._company]]
        found = await self._rest.search("company.company", domain, COMPANY_FIELDS, CompanyRecord, limit=1)
        if not found:
            raise missing("unknown_company", str(self._company))
        if found[0].currency.code != currency:
            kept = found[0].currency.code
            raise _rejected(f"The order is in {currency}, but the ERP's company sells in {kept}.", "wrong_currency")
        return found[0]


def _the_one(sales: list[SaleRecord]) -> SaleRecord | None:
    """Return the oldest that is not cancelled; else the oldest."""
    return next((sale for sale in sales if not sale.cancelled), sales[0] if sales else None)


def _order(sale: SaleRecord | None, external_id: str, *, writes: bool) -> ErpOrder:
    if sale is None:
        return ErpOrder(external_id=external_id, state=ErpOrderState.absent)
    with understanding(VENDOR, writes=writes):
        return order_of(sale, external_id)


def _rejected(said: str, reason_code: str) -> Rejected:
    return Rejected(said, reason_code=reason_code, vendor=VENDOR)
