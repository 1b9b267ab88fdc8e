"""Salesforce's quotes with their lines as its REST API gives them, and what they are in the canonical model.

`Revision__c`, `Legal_Entity__c` and `Recurrence__c` are fields that Quoteway's Salesforce package brings along.
"""

from decimal import Decimal

import msgspec
from msgspec import field

from shared.canonical import Quote, QuoteLine, QuoteStatus, Recurrence
from system_api.crm.salesforce_fields import checked, incomplete, required
from system_api.decimal_text import plain, unit_price

QUOTE_FIELDS = (
    "Id, QuoteNumber, Revision__c, Status, AccountId, CurrencyIsoCode, Legal_Entity__c, Account.Legal_Entity__c, "
    "(SELECT Id, Product2.ProductCode, Product2.Name, Product2.Recurrence__c, Description, Quantity, UnitPrice, "
    "Discount FROM QuoteLineItems ORDER BY SortOrder, Id)"
)
# Only Accepted is an acceptance: a status that an org has added, or an internal approval, is none.
# Only Accepted is an acceptance: a status that an org has added, or an internal approval, is none.
_STATUSES = {
    "Presented": QuoteStatus.presented,
    "Accepted": QuoteStatus.accepted,
    "Denied": QuoteStatus.denied,
    "Rejected": QuoteStatus.denied,
}


class _Product(msgspec.Struct, frozen=True):
    sku: str | None = field(name="ProductCode", default=None)
    name: str | None = field(name="Name", default=None)
    recurrence: str | None = field(name="Recurrence__c", default=None)


class LineRecord(msgspec.Struct, frozen=True):
    """A QuoteLineItem with its product. `discount` is in percent."""

    id: str = field(name="Id")
    quantity: Decimal = field(name="Quantity")
    unit_price: Decimal = field(name="UnitPrice")
    product: _Product | None = field(name="Product2", default=None)
    description: str | None = field(name="Description", default=None)
    discount: Decimal | None = field(name="Discount", default=None)


class LinePage(msgspec.Struct, frozen=True):
    """A page of a quote's lines; `next_address` leads to the rest of them."""

    records: list[LineRecord]
    total_size: int = field(name="totalSize")
    next_address: str | None = field(name="nextRecordsUrl", default=None)


class _QuoteAccount(msgspec.Struct, frozen=True):
    legal_entity: str | None = field(name="Legal_Entity__c", default=None)


class QuoteRecord(msgspec.Struct, frozen=True):
    """A Quote with the first page of its lines: None where it has no line."""

    id: str = field(name="Id")
    number: str = field(name="QuoteNumber")
    status: str | None = field(name="Status", default=None)
    account_id: str | None = field(name="AccountId", default=None)
    currency: str | None = field(name="CurrencyIsoCode", default=None)
    revision: Decimal | None = field(name="Revision__c", default=None)
    legal_entity: str | None = field(name="Legal_Entity__c", default=None)
    account: _QuoteAccount | None = field(name="Account", default=None)
    lines: LinePage | None = field(name="QuoteLineItems", default=None)


class QuotePage(msgspec.Struct, frozen=True):
    """The answer to a query for quotes."""

    records: list[QuoteRecord]


def quote_of(record: QuoteRecord, lines: list[LineRecord]) -> Quote:
    """The quote with all of its lines. Raises Rejected as `account_of` does."""
    what = f"Quote {record.number}"
    currency = required(record.currency, what, "CurrencyIsoCode")
    fallback = record.account.legal_entity if record.account else None
    return checked(
        Quote(
            quote_id=record.id,
            number=record.number,
            revision=1 if record.revision is None else int(record.revision),
            status=_STATUSES.get(record.status or "", QuoteStatus.draft),
            account_id=required(record.account_id, what, "AccountId"),
            legal_entity=required(record.legal_entity or fallback, what, "Legal_Entity__c"),
            currency=currency,
            lines=[_line_of(line, currency, what) for line in lines],
        ),
        what,
    )


def _line_of(line: LineRecord, currency: str, quote: str) -> QuoteLine:
    product = line.product or _Product()
    sku = required(product.sku, f"{quote}: the product of line {line.id}", "ProductCode")
    return QuoteLine(
        line_id=line.id,
        sku=sku,
        description=line.description or product.name or sku,
        quantity=plain(line.quantity),
        unit_price=unit_price(line.unit_price, currency),
        discount_percent=plain(line.discount or Decimal(0)),
        recurrence=_recurrence(product, f"{quote}, line {line.id}"),
    )


def _recurrence(product: _Product, what: str) -> Recurrence:
    """Without a value the product is charged once; an unknown one must not be guessed at."""
    try:
        return Recurrence(product.recurrence or "none")
    except ValueError as error:
        raise incomplete(f"{what}: Recurrence__c of {product.sku} is {product.recurrence!r}") from error
