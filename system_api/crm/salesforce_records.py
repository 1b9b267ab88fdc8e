"""Salesforce's records as its REST API gives them, and what they are in the canonical model.

`Revision__c`, `Legal_Entity__c`, `VAT_Id__c`, `Recurrence__c` and `Quoteway_Order__c` are fields and objects that
Quoteway's Salesforce package brings along; the rest is Salesforce's standard.
"""

from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import field

from shared.canonical import (
    Account,
    Address,
    Quote,
    QuoteLine,
    QuoteStatus,
    Recurrence,
    ReportedOrderStatus,
)
from shared.problem import Rejected
from system_api.crm.salesforce_api import VENDOR
from system_api.decimal_text import plain, unit_price

T = TypeVar("T", bound=msgspec.Struct)
FAILURE_REASON_CHARS_MAX = 1000
SUBSCRIPTIONS_CHARS_MAX = 100
_CENT = Decimal("0.01")
ACCOUNT_FIELDS = (
    "Id, Name, Legal_Entity__c, CurrencyIsoCode, VAT_Id__c, "
    "BillingStreet, BillingPostalCode, BillingCity, BillingStateCode, BillingCountryCode"
)
ACCESS_FIELDS = "RecordId, HasReadAccess, HasEditAccess"
QUOTE_FIELDS = (
    "Id, QuoteNumber, Revision__c, Status, AccountId, CurrencyIsoCode, Legal_Entity__c, Account.Legal_Entity__c, "
    "(SELECT Id, Product2.ProductCode, Product2.Name, Product2.Recurrence__c, Description, Quantity, UnitPrice, "
    "Discount FROM QuoteLineItems ORDER BY SortOrder, Id)"
)
# Only Accepted is an acceptance: a status that an org has added, or an internal approval, is none.
_STATUSES = {
    "Presented": QuoteStatus.presented,
    "Accepted": QuoteStatus.accepted,
    "Denied": QuoteStatus.denied,
    "Rejected": QuoteStatus.denied,
}


class AccountRecord(msgspec.Struct, frozen=True):
    """An Account."""

    id: str = field(name="Id")
    name: str = field(name="Name")
    currency: str | None = field(name="CurrencyIsoCode", default=None)
    legal_entity: str | None = field(name="Legal_Entity__c", default=None)
    vat_id: str | None = field(name="VAT_Id__c", default=None)
    street: str | None = field(name="BillingStreet", default=None)
    postal_code: str | None = field(name="BillingPostalCode", default=None)
    city: str | None = field(name="BillingCity", default=None)
    state_code: str | None = field(name="BillingStateCode", default=None)
    country_code: str | None = field(name="BillingCountryCode", default=None)


class AccountPage(msgspec.Struct, frozen=True):
    """The answer to a query for accounts."""

    records: list[AccountRecord]


class AccessRecord(msgspec.Struct, frozen=True):
    """A row of UserRecordAccess."""

    readable: bool = field(name="HasReadAccess")
    editable: bool = field(name="HasEditAccess")


class AccessPage(msgspec.Struct, frozen=True):
    """The answer to a query of UserRecordAccess."""

    records: list[AccessRecord]


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


class OrderRecord(msgspec.Struct, frozen=True):
    """A Quoteway_Order__c, as far as a report needs it."""

    id: str = field(name="Id")
    version: Decimal | None = field(name="Version__c", default=None)
    status: str | None = field(name="Status__c", default=None)
    total: Decimal | None = field(name="Order_Total__c", default=None)


class UpsertAnswer(msgspec.Struct, frozen=True):
    """What an upsert answers."""

    id: str


def account_of(record: AccountRecord) -> Account:
    """The account. Raises Rejected (`incomplete_record`) where Salesforce lacks what no order can do without."""
    what = f"Account {record.name}"
    return _checked(
        Account(
            account_id=record.id,
            name=record.name,
            legal_entity=_required(record.legal_entity, what, "Legal_Entity__c"),
            currency=_required(record.currency, what, "CurrencyIsoCode"),
            billing_address=_address(record),
            vat_id=record.vat_id,
        ),
        what,
    )


def quote_of(record: QuoteRecord, lines: list[LineRecord]) -> Quote:
    """The quote with all of its lines. Raises Rejected as `account_of` does."""
    what = f"Quote {record.number}"
    currency = _required(record.currency, what, "CurrencyIsoCode")
    fallback = record.account.legal_entity if record.account else None
    return _checked(
        Quote(
            quote_id=record.id,
            number=record.number,
            revision=1 if record.revision is None else int(record.revision),
            status=_STATUSES.get(record.status or "", QuoteStatus.draft),
            account_id=_required(record.account_id, what, "AccountId"),
            legal_entity=_required(record.legal_entity or fallback, what, "Legal_Entity__c"),
            currency=currency,
            lines=[_line_of(line, currency, what) for line in lines],
        ),
        what,
    )


def order_fields(report: ReportedOrderStatus) -> dict[str, Any]:
    """The report as fields of Quoteway_Order__c. What the report does not have is emptied: it is the whole truth."""
    return {
        "Account__c": report.account_id,
        "Quote__c": report.quote_id,
        "Status__c": report.status.value,
        "Version__c": report.version,
        "CurrencyIsoCode": report.currency,
        "Order_Total__c": report.total.value if report.total else None,
        "ERP_Order__c": report.erp_order_id,
        "ERP_Order_Number__c": report.erp_order_number,
        "Subscription__c": _joined(report.subscription_ids) or None,
        "Failure_Reason__c": _cut(report.failure_reason) or None,
    }


def differing_fields(held: OrderRecord, report: ReportedOrderStatus) -> list[str]:
    """In which fields a record that was read back differs from what was reported under the version that it holds."""
    differing = ["Status__c"] if held.status != report.status.value else []
    total = report.total.value if report.total else None
    # The org keeps two digits after the point, whatever the currency has.
    if (held.total is None) != (total is None) or (held.total and total and abs(held.total - total) >= _CENT):
        differing.append("Order_Total__c")
    return differing


def _line_of(line: LineRecord, currency: str, quote: str) -> QuoteLine:
    product = line.product or _Product()
    sku = _required(product.sku, f"{quote}: the product of line {line.id}", "ProductCode")
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
        raise _incomplete(f"{what}: Recurrence__c of {product.sku} is {product.recurrence!r}") from error


def _address(record: AccountRecord) -> Address | None:
    if not record.country_code:
        return None
    return Address(
        street=record.street or "",
        postal_code=record.postal_code or "",
        city=record.city or "",
        country=record.country_code,
        region=record.state_code or None,
    )


def _required(value: str | None, what: str, name: str) -> str:
    if not value:
        raise _incomplete(f"{what} has no {name}")
    return value


def _checked(value: T, what: str) -> T:
    """`value`, once more held against its own bounds, which are not enforced when it is made in code."""
    try:
        return msgspec.convert(msgspec.to_builtins(value), type(value))
    except msgspec.ValidationError as error:
        raise _incomplete(f"{what} cannot be used: {error}") from error


def _incomplete(said: str) -> Rejected:
    return Rejected(f"{said}. Mend it in {VENDOR}.", reason_code="incomplete_record", vendor=VENDOR)


def _joined(subscription_ids: list[str]) -> str:
    """As many whole ids as the field holds."""
    joined = ",".join(subscription_ids)
    if len(joined) <= SUBSCRIPTIONS_CHARS_MAX:
        return joined
    return joined[: joined.rindex(",", 0, SUBSCRIPTIONS_CHARS_MAX + 1)]


def _cut(text: str | None) -> str:
    if text is None or len(text) <= FAILURE_REASON_CHARS_MAX:
        return text or ""
    return text[: FAILURE_REASON_CHARS_MAX - 1] + "…"
