"""Salesforce's quotes with their lines, read through the connection's name map into the canonical model."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from shared.canonical import BillingFrequency, Contact, Money, Quote, QuoteKind, QuoteLine, QuoteStatus, Recurrence
from system_api.crm.salesforce.fields import checked, incomplete, required
from system_api.crm.salesforce.rows import Page, Record, Row, page_within
from system_api.crm.salesforce.schema import OrgSchema
from system_api.crm.salesforce.selection import Selection, absent_currency, object_missing, require_fields
from system_api.vendor.decimals import plain, unit_price
from system_api.vendor.salesforce_map import SalesforceFields, SalesforceObjects

W = TypeVar("W", bound=StrEnum)
CONTACTS = ("bill_to", "sold_to", "contact", "account_bill_to")
NO_MATTER = frozenset({"name"})  # if the name of a contact or product is hidden, the rest is read all the same
# Only Accepted counts as accepted: a status that an org has added, or an internal approval, does not.
_STATUSES = {
    "presented": QuoteStatus.presented,
    "accepted": QuoteStatus.accepted,
    "denied": QuoteStatus.denied,
    "rejected": QuoteStatus.denied,
}
_KINDS = {
    "": QuoteKind.new,
    "new": QuoteKind.new,
    "quote": QuoteKind.new,  # Salesforce CPQ's name
    "amendment": QuoteKind.amendment,
    "renewal": QuoteKind.renewal,
}
_MONTHLY, _QUARTERLY = ("month", "monthly"), ("quarter", "quarterly")
_YEARLY = ("year", "yearly", "annual", "annually")
_FREQUENCIES = (
    dict.fromkeys(_MONTHLY, BillingFrequency.month)
    | dict.fromkeys(_QUARTERLY, BillingFrequency.quarter)
    | dict.fromkeys(_YEARLY, BillingFrequency.year)
)
# Without a value the product is charged once; an unknown value must not be guessed.
_RECURRENCES = (
    dict.fromkeys(("", "none", "one-time", "once"), Recurrence.none)
    | dict.fromkeys(_MONTHLY, Recurrence.month)
    | dict.fromkeys(_YEARLY, Recurrence.year)
)
_USAGE = frozenset({"true", "usage"})
_ARREARS = frozenset({"arrears", "in arrears"})


@dataclass(frozen=True, slots=True)
class QuotePlan:
    """The query for a quote in this org, and where its values are in the answer."""

    select: str
    quote_paths: dict[str, str]
    line_paths: dict[str, str]
    lines_name: str

    def lines_of(self, record: Record) -> Page | None:
        """Return the first page of a quote's lines; None if it has none."""
        return page_within(record.get(self.lines_name))


async def plan_quotes(schema: OrgSchema, objects: SalesforceObjects, fields: SalesforceFields) -> QuotePlan:
    """Return the plan for this org. Raises Unavailable if mapped fields are missing, naming all of them."""
    quote, line = Selection(schema, objects.quote), Selection(schema, objects.line)
    await quote.require_object()
    await line.require_object()
    await quote.take_all(fields.quote, but=frozenset(CONTACTS), optional=absent_currency(fields.quote.currency))
    for name in CONTACTS:
        await quote.take_parent(name, getattr(fields.quote, name), fields.contact, optional=NO_MATTER)
    await line.take_all(
        fields.line, but=frozenset({"product", "position"}), optional=frozenset({"description", "changed_at"})
    )
    await line.take_parent("product", fields.line.product, fields.product, optional=NO_MATTER)
    position = await schema.find(objects.line, fields.line.position) if fields.line.position else None
    described = await schema.describe(objects.quote)
    lines_name = described.child_relationship(objects.line, fields.line.quote) if described else None
    require_fields(quote, line)
    if lines_name is None:
        raise object_missing(f"{objects.line} as the lines of {objects.quote}")
    order = f"{position.path}, Id" if position else "Id"
    inner = f"(SELECT {', '.join(line.columns)} FROM {lines_name} ORDER BY {order})"  # noqa: S608 names that describe gave
    return QuotePlan(f"{', '.join(quote.columns)}, {inner}", quote.paths, line.paths, lines_name)


def quote_of(plan: QuotePlan, record: Record, lines: list[Record], org_currency: str | None) -> Quote:
    """Return the quote with all of its lines. Raises Rejected as `account_of` does."""
    row = Row(record, plan.quote_paths)
    what = f"Quote {row.text('number') or row.id}"
    currency = required(
        row.text("currency") or org_currency, what, plan.quote_paths.get("currency", "currency"), "/currency"
    )
    legal_entity = row.text("legal_entity") or row.text("account_legal_entity")
    bill_to = _contact(row, "bill_to") or _quote_contact(row) or _contact(row, "account_bill_to")
    return checked(
        Quote(
            quote_id=row.id,
            number=required(row.text("number"), what, "number", "/number"),
            revision=_whole(row, "revision", what, "/revision") or 1,
            status=_STATUSES.get(row.word("status"), QuoteStatus.draft),
            account_id=required(row.text("account"), what, plan.quote_paths["account"], "/accountId"),
            legal_entity=required(
                legal_entity, what, plan.quote_paths.get("legal_entity", "legal entity"), "/legalEntity"
            ),
            currency=currency,
            lines=[
                _line_of(Row(line, plan.line_paths), currency, what, f"/lines/{place}")
                for place, line in enumerate(lines)
            ],
            kind=_meaning(_KINDS, row, "kind", what, "/kind"),
            start_date=row.day("start_date"),
            term_months=_whole(row, "term_months", what, "/termMonths"),
            billing_frequency=_meaning(_FREQUENCIES, row, "billing_frequency", what, "/billingFrequency")
            if row.word("billing_frequency")
            else None,
            payment_terms=row.text("payment_terms"),
            purchase_order_number=row.text("purchase_order_number"),
            bill_to=bill_to,
            sold_to=_contact(row, "sold_to") or _contact(row, "contact"),
            invoice_owner_id=row.text("invoice_owner"),
            shipping=_money(row, "shipping", currency),
            tax=_money(row, "tax", currency),
            grand_total=_money(row, "grand_total", currency),
            accepted_at=row.moment("accepted_at"),
            expires_on=row.day("expires_on"),
        ),
        what,
    )


def _line_of(row: Row, currency: str, quote: str, at: str) -> QuoteLine:
    """A line; `at` is the pointer to it in the canonical quote."""
    product = f"{quote}: the product of line {row.id}"
    sku = required(row.text("product_sku"), product, row.paths["product_sku"], f"{at}/sku")
    what = f"{quote}, line {row.id} ({sku})"
    quantity, price = row.decimal("quantity"), row.decimal("unit_price")
    if quantity is None or price is None:
        lacks, field = ("quantity", "quantity") if quantity is None else ("price", "unitPrice")
        raise incomplete(f"{what} has no {lacks}", f"{at}/{field}")
    _require_one_period(row, what, at)
    recurrence = _recurrence(row, what, at)
    return QuoteLine(
        line_id=row.id,
        sku=sku,
        description=row.block("description") or row.text("product_name") or sku,
        quantity=plain(quantity),
        unit_price=unit_price(price, currency),
        discount_percent=plain(row.decimal("discount_percent") or Decimal(0)),
        recurrence=recurrence,
        total=_money(row, "total", currency),
        start_date=row.day("start_date"),
        usage=row.word("usage") in _USAGE or row.word("product_usage") in _USAGE,
        in_arrears=row.word("billing_type") in _ARREARS,
        bundle_parent_id=row.text("bundle_parent"),
        changed_at=row.moment("changed_at"),
    )


def _recurrence(row: Row, what: str, at: str) -> Recurrence:
    """The line's own word where it has one, else its product's."""
    of_line = row.word("recurrence") or "product_recurrence" not in row.paths
    name = "recurrence" if of_line else "product_recurrence"
    recurrence = _meaning(_RECURRENCES, row, name, what, f"{at}/recurrence")
    if recurrence is Recurrence.none and row.word("usage") == "recurring":
        raise incomplete(f"{what} is recurring, and does not say how often it is charged", f"{at}/recurrence")
    return recurrence


def _require_one_period(row: Row, what: str, at: str) -> None:
    """A total that covers several periods cannot be booked as the price of one."""
    multiplier = row.decimal("price_multiplier")
    if multiplier is not None and multiplier != 1:
        said = f"{what}: its total covers {plain(multiplier)} times its price, which cannot be booked yet"
        raise incomplete(said, f"{at}/total")


def _contact(row: Row, name: str) -> Contact | None:
    contact_id = row.text(name)
    if contact_id is None:
        return None
    return Contact(name=row.text(f"{name}_name"), email=row.text(f"{name}_email"), contact_id=contact_id)


def _quote_contact(row: Row) -> Contact | None:
    """Return the quote's contact, with the quote's own e-mail address, which may differ."""
    contact, email = _contact(row, "contact"), row.text("email")
    if contact is None:
        return Contact(email=email) if email else None
    return Contact(name=contact.name, email=email or contact.email, contact_id=contact.contact_id)


def _money(row: Row, name: str, currency: str) -> Money | None:
    value = row.decimal(name)
    return None if value is None else unit_price(value, currency)


def _whole(row: Row, name: str, what: str, pointer: str) -> int | None:
    value = row.decimal(name)
    if value is None:
        return None
    if value != value.to_integral_value():
        raise incomplete(f"{what}: {row.paths[name]} is {plain(value)}, not a whole number", pointer)
    return int(value)


def _meaning(words: dict[str, W], row: Row, name: str, what: str, pointer: str) -> W:
    word = row.word(name)
    try:
        return words[word]
    except KeyError:
        known = ", ".join(sorted(each for each in words if each))
        raise incomplete(f"{what}: {row.paths[name]} is {word!r}; it can be {known}", pointer) from None
