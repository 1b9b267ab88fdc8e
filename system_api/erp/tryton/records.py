"""Tryton's records in its REST interface, and their conversion to the canonical model.

Decimals and dates are objects that name their class; quantities are plain JSON numbers.
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from shared.canonical import BookedLine, ErpOrder, ErpOrderState, Invoice, InvoiceSource, InvoiceStatus
from system_api.erp.contract import SoldProduct
from system_api.vendor.decimals import unit_price

ACCOUNT_PREFIX = "SF:"
"""Marks the identifier that holds the CRM's account id: Tryton's own identifier types are official registers."""

PARTY_FIELDS = (
    *("code", "name", "active", "replaced_by.id"),
    *("identifiers.type", "identifiers.code", "identifiers.code_compact", "identifiers.active"),
    *("addresses.street", "addresses.postal_code", "addresses.city", "addresses.country.code"),
    *("addresses.subdivision.code", "addresses.invoice", "addresses.delivery", "addresses.active"),
    *("customer_payment_term.id", "customer_tax_rule.id"),
    *("credit_limit_amount", "credit_amount"),
)
SALE_FIELDS = (
    *("number", "state", "untaxed_amount", "tax_amount", "total_amount", "currency.code", "party.id"),
    *("lines.type", "lines.quantity", "lines.unit_price", "lines.amount", "lines.note", "lines.product.code"),
)
INVOICE_FIELDS = (
    *("number", "state", "invoice_date", "total_amount", "amount_to_pay", "currency.code"),
    *("lines_to_pay.maturity_date", "sales.reference"),
)
PRODUCT_FIELDS = ("code", "type", "list_price_used", "salable", "sale_uom.id", "sale_uom.digits")
COMPANY_FIELDS = ("currency.code", "currency.rounding", "timezone")

_LINE_NOTE = re.compile(r"Quote line ([A-Za-z0-9_.:-]{1,64})(?!\S)")
_SALE_STATES = {
    "draft": ErpOrderState.draft,
    "quotation": ErpOrderState.quoted,
    "confirmed": ErpOrderState.confirmed,
    "processing": ErpOrderState.confirmed,
    "done": ErpOrderState.confirmed,
    "cancelled": ErpOrderState.cancelled,
}
_INVOICE_STATES = {
    "draft": InvoiceStatus.draft,
    "validated": InvoiceStatus.draft,
    "posted": InvoiceStatus.open,
    "paid": InvoiceStatus.paid,
    "cancelled": InvoiceStatus.void,
}


class TrytonDecimal(msgspec.Struct, frozen=True):
    """A decimal number."""

    decimal: Decimal


class TrytonDate(msgspec.Struct, frozen=True):
    """A day."""

    year: int
    month: int
    day: int

    def iso(self) -> str:
        """The day as RFC 3339. Raises ValueError if there is no such day."""
        return date(self.year, self.month, self.day).isoformat()


class Id(msgspec.Struct, frozen=True):
    """A record of which only the id is read."""

    id: int


class Currency(msgspec.Struct, frozen=True):
    """A currency, by its ISO 4217 code. `rounding` is the step of its amounts."""

    id: int
    code: str
    rounding: TrytonDecimal | None = None


class CompanyRecord(msgspec.Struct, frozen=True):
    """A company. Its days are in its time zone; without one, in UTC."""

    id: int
    currency: Currency
    timezone: str | None = None

    @property
    def today(self) -> date:
        """The business date: the day in the company's time zone."""
        return datetime.now(ZoneInfo(self.timezone) if self.timezone else UTC).date()


class ConfigurationRecord(msgspec.Struct, frozen=True):
    """The database's configuration: how many decimals of a unit price it keeps."""

    id: int
    product_price_decimal: int | None = None


class _Code(msgspec.Struct, frozen=True):
    code: str | None


class AddressRecord(msgspec.Struct, frozen=True):
    """An address of a party. `invoice` and `delivery` mark its use."""

    id: int
    street: str | None = None
    postal_code: str | None = None
    city: str | None = None
    country: _Code | None = None
    subdivision: _Code | None = None
    invoice: bool | None = False
    delivery: bool | None = False
    active: bool = True


class IdentifierRecord(msgspec.Struct, frozen=True):
    """An id of a party elsewhere; one in an official register has a type. Merging parties deactivates them."""

    id: int
    code: str | None
    type: str | None = None
    code_compact: str | None = None
    active: bool = True


class PartyRecord(msgspec.Struct, frozen=True):
    """A party. Its limit (None: none) and exposure are in the currency of the context's company.

    `addresses` and `identifiers` include deactivated ones. `replaced_by` is the party that it was merged into.
    """

    id: int
    code: str
    name: str | None
    addresses: list[AddressRecord]
    credit_amount: TrytonDecimal | None
    credit_limit_amount: TrytonDecimal | None
    customer_payment_term: Id | None
    identifiers: list[IdentifierRecord] = []
    active: bool = True
    replaced_by: Id | None = None
    customer_tax_rule: Id | None = None


class UnitRecord(msgspec.Struct, frozen=True):
    """A unit of measure; `digits` is the number of decimals in a quantity."""

    id: int
    digits: int | None = None


class ProductRecord(msgspec.Struct, frozen=True):
    """A product, with its price in the currency of the context's company."""

    id: int
    code: str
    salable: bool
    list_price_used: TrytonDecimal | None
    sale_uom: UnitRecord | None
    type: str = "goods"


class _ProductCode(msgspec.Struct, frozen=True):
    code: str | None


class SaleLineRecord(msgspec.Struct, frozen=True):
    """A sale's line; titles and comments are lines of other types."""

    type: str
    quantity: Decimal | None
    unit_price: TrytonDecimal | None
    product: _ProductCode | None
    amount: TrytonDecimal | None = None
    note: str | None = None

    @property
    def line_id(self) -> str | None:
        """The quote's line that this is, or is a part of: the first words of its note."""
        found = _LINE_NOTE.match(self.note or "")
        return found[1] if found else None


class PartyId(msgspec.Struct, frozen=True):
    """A party of whom only the id is asked for."""

    id: int


class SaleRecord(msgspec.Struct, frozen=True):
    """A sale with its lines."""

    id: int
    state: str
    number: str | None
    untaxed_amount: TrytonDecimal
    tax_amount: TrytonDecimal
    total_amount: TrytonDecimal
    currency: Currency
    party: PartyId
    lines: list[SaleLineRecord]

    @property
    def cancelled(self) -> bool:
        """Whether it is cancelled."""
        return self.state == "cancelled"

    @property
    def product_lines(self) -> list[SaleLineRecord]:
        """The lines that sell something."""
        return [line for line in self.lines if line.type == "line"]

    @property
    def ordered_lines(self) -> dict[str, Decimal]:
        """The amount of each ordered line before tax, by the quote's line id; the parts of a split line are added
        up.
        """
        amounts: dict[str, Decimal] = {}
        for line in self.product_lines:
            if line.line_id is not None and line.amount is not None:
                amounts[line.line_id] = amounts.get(line.line_id, Decimal(0)) + line.amount.decimal
        return amounts

    @property
    def line_count(self) -> int:
        """The number of ordered lines. Lines that somebody has added in the ERP count one by one."""
        return len(self.ordered_lines) + sum(line.line_id is None for line in self.product_lines)


class _DueLine(msgspec.Struct, frozen=True):
    maturity_date: TrytonDate | None


class _SaleReference(msgspec.Struct, frozen=True):
    reference: str | None


class InvoiceRecord(msgspec.Struct, frozen=True):
    """An invoice to a customer; a credit note is one with negative amounts."""

    id: int
    state: str
    number: str | None
    invoice_date: TrytonDate | None
    total_amount: TrytonDecimal
    amount_to_pay: TrytonDecimal | None
    currency: Currency
    lines_to_pay: list[_DueLine]
    sales: list[_SaleReference]


def line_note(line_id: str) -> str:
    """Return the note that says which of the quote's lines a sale's line is. Tryton prints it on no document."""
    return f"Quote line {line_id}"


def date_object(day: date) -> dict[str, Any]:
    """Return a day as Tryton reads it."""
    return {"__class__": "date", "year": day.year, "month": day.month, "day": day.day}


def decimal_object(value: Decimal) -> dict[str, Any]:
    """Return a decimal as Tryton reads it."""
    return {"__class__": "Decimal", "decimal": f"{value:f}"}


def order_of(sale: SaleRecord, external_id: str) -> ErpOrder:
    """Return the order. Raises ValueError for an unknown state."""
    state = _SALE_STATES.get(sale.state)
    if state is None:
        raise ValueError(f"sale {sale.id} is in the unknown state {sale.state!r}")
    currency = sale.currency.code
    return ErpOrder(
        external_id=external_id,
        state=state,
        vendor_id=str(sale.id),
        number=sale.number,
        line_count=sale.line_count,
        lines=[
            BookedLine(line_id=line_id, net_amount=unit_price(net, currency))
            for line_id, net in sale.ordered_lines.items()
        ],
        untaxed=unit_price(sale.untaxed_amount.decimal, currency),
        tax=unit_price(sale.tax_amount.decimal, currency),
        total=unit_price(sale.total_amount.decimal, currency),
    )


def invoice_of(record: InvoiceRecord) -> Invoice:
    """Return the invoice. Raises ValueError as `order_of` does."""
    status = _INVOICE_STATES.get(record.state)
    if status is None:
        raise ValueError(f"invoice {record.id} is in the unknown state {record.state!r}")
    currency = record.currency.code
    total = record.total_amount.decimal
    due = {InvoiceStatus.paid: Decimal(0), InvoiceStatus.void: Decimal(0)}.get(status, total)
    if status is InvoiceStatus.open and record.amount_to_pay is not None:
        due = record.amount_to_pay.decimal
    references = [sale.reference for sale in record.sales if sale.reference]
    due_dates = [line.maturity_date.iso() for line in record.lines_to_pay if line.maturity_date]
    return Invoice(
        source=InvoiceSource.erp,
        vendor_id=str(record.id),
        status=status,
        total=unit_price(total, currency),
        amount_due=unit_price(due, currency),
        number=record.number,
        issued_on=record.invoice_date.iso() if record.invoice_date and record.number else None,
        due_on=min(due_dates, default=None),
        order_id=references[0] if references else None,
    )


def sold_as(product: ProductRecord, currency: str) -> SoldProduct | None:
    """Return how the product is sold, with its price rounded to money's six decimals; None if it is not sold or has
    no price.
    """
    if not product.salable or product.list_price_used is None:
        return None
    price = unit_price(round(product.list_price_used.decimal, 6), currency)
    return SoldProduct(price, product.sale_uom.digits if product.sale_uom else None)
