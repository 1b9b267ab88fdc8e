"""Salesforce's own quotes and their lines, with the fields of Quoteway's package.

What the computed fields say is in the Object Reference, "Quote" and "QuoteLineItem": a line's Subtotal is its sales
price times the quantity, its TotalPrice that minus the line's discount; the quote's Subtotal and TotalPrice are their
sums, its Discount the weighted average of the lines' discounts, and its GrandTotal the TotalPrice plus tax, shipping
and handling. Currency fields are rounded half up to the currency's decimal places.
"""

from decimal import Decimal

from sandbox.vendors.salesforce.catalogue.fields import (
    CURRENCY,
    ID,
    NAME,
    count_of,
    decimal,
    read_only_money,
    rounded,
    sum_of,
    system_fields,
)
from sandbox.vendors.salesforce.records.schema import Field, Record, RecordReader, SObject, Value

_STATUSES = ("Draft", "Needs Review", "In Review", "Approved", "Rejected", "Presented", "Accepted", "Denied")
_LINE, _QUOTE = "QuoteLineItem", "Quote"


def _line_subtotal(line: Record, reader: RecordReader) -> Value:
    return rounded(decimal(line["Quantity"]) * decimal(line["UnitPrice"]), _quote_of(line, reader))


def _line_total(line: Record, reader: RecordReader) -> Value:
    share = 1 - decimal(line["Discount"]) / 100
    return rounded(decimal(line["Quantity"]) * decimal(line["UnitPrice"]) * share, _quote_of(line, reader))


def _quote_of(line: Record, reader: RecordReader) -> Record:
    return reader.parent(line, "QuoteId") or line


def _discount(quote: Record, reader: RecordReader) -> Value:
    subtotal = decimal(reader.compute(_QUOTE, quote, "Subtotal"))
    if not subtotal:
        return Decimal("0.00")
    total = decimal(reader.compute(_QUOTE, quote, "TotalPrice"))
    return ((1 - total / subtotal) * 100).quantize(Decimal("0.01"))


def _grand_total(quote: Record, reader: RecordReader) -> Value:
    total = decimal(reader.compute(_QUOTE, quote, "TotalPrice"))
    return total + decimal(quote["Tax"]) + decimal(quote["ShippingHandling"])


def _account_of_opportunity(quote: Record, reader: RecordReader) -> Value:
    opportunity = reader.parent(quote, "OpportunityId")
    return None if opportunity is None else opportunity["AccountId"]


def _address(kind: str) -> tuple[Field, ...]:
    return (
        Field(f"{kind}Name", "string"),
        Field(f"{kind}Street", "textarea"),
        Field(f"{kind}City", "string", length=40),
        Field(f"{kind}State", "string", length=80),
        Field(f"{kind}PostalCode", "string", length=20),
        Field(f"{kind}Country", "string", length=80),
    )


# What Quoteway's package adds: ../../../experience_api/lightning/force-app.
_PACKAGE_FIELDS = (
    Field("Revision__c", "double", precision=9, scale=0),
    Field("Legal_Entity__c", "string", length=20),
    Field("Quote_Kind__c", "picklist", length=20, picklist=("New", "Amendment", "Renewal"), restricted=True),
    Field("Start_Date__c", "date"),
    Field("Term_Months__c", "double", precision=4, scale=0),
    Field(
        "Billing_Frequency__c", "picklist", length=20, picklist=("Monthly", "Quarterly", "Annually"), restricted=True
    ),
    Field("Payment_Terms__c", "string", length=100),
    Field("PO_Number__c", "string", length=80),
    Field("Accepted_At__c", "datetime"),
    Field("Bill_To_Contact__c", "reference", reference_to="Contact"),
    Field("Sold_To_Contact__c", "reference", reference_to="Contact"),
    Field("Invoice_Owner__c", "reference", reference_to="Account"),
    Field("Frozen__c", "boolean", default=False),
)

QUOTE = SObject(
    _QUOTE,
    "0Q0",
    (
        ID,
        NAME,
        Field("QuoteNumber", "string", length=30, auto_number="{:08d}", createable=False, updateable=False),
        Field(
            "OpportunityId",
            "reference",
            reference_to="Opportunity",
            child_relationship="Quotes",
            required=True,
            updateable=False,
            cascade=True,
        ),
        Field(
            "AccountId",
            "reference",
            reference_to="Account",
            createable=False,
            updateable=False,
            formula=_account_of_opportunity,
        ),
        Field("ContactId", "reference", reference_to="Contact", child_relationship="Quotes"),
        Field("Pricebook2Id", "reference", reference_to="Pricebook2"),
        Field("Status", "picklist", length=40, picklist=_STATUSES, restricted=True, default="Draft"),
        Field("ExpirationDate", "date"),
        Field("Description", "textarea", length=32000),
        Field("Email", "email", length=80),
        Field("Phone", "string", length=40),
        *_address("Billing"),
        *_address("Shipping"),
        *_PACKAGE_FIELDS,
        Field("LineItemCount", "int", createable=False, updateable=False, formula=count_of(_LINE, "QuoteId")),
        Field("Tax", "currency", precision=18, scale=2),
        Field("ShippingHandling", "currency", precision=18, scale=2),
        Field("Discount", "percent", precision=5, scale=2, createable=False, updateable=False, formula=_discount),
        read_only_money("Subtotal", sum_of(_LINE, "QuoteId", "Subtotal")),
        read_only_money("TotalPrice", sum_of(_LINE, "QuoteId", "TotalPrice")),
        read_only_money("GrandTotal", _grand_total),
        CURRENCY,
        *system_fields(),
    ),
)

QUOTE_LINE_ITEM = SObject(
    _LINE,
    "0QL",
    (
        ID,
        Field(
            "QuoteId",
            "reference",
            reference_to="Quote",
            child_relationship="QuoteLineItems",
            required=True,
            updateable=False,
            cascade=True,
        ),
        Field("LineNumber", "string", length=20, auto_number="{:08d}", createable=False, updateable=False),
        Field("Product2Id", "reference", reference_to="Product2", required=True, updateable=False),
        Field("PricebookEntryId", "reference", reference_to="PricebookEntry", updateable=False),
        Field("Quantity", "double", precision=12, scale=2, required=True),
        Field("UnitPrice", "currency", precision=18, scale=2, required=True),
        Field("Discount", "percent", precision=5, scale=2),
        Field("Description", "string"),
        Field("ServiceDate", "date"),
        Field("SortOrder", "int", precision=9),
        Field("Bundle_Parent__c", "string", length=18),
        read_only_money("Subtotal", _line_subtotal),
        read_only_money("TotalPrice", _line_total),
        CURRENCY,
        *system_fields(owned=False),
    ),
)
