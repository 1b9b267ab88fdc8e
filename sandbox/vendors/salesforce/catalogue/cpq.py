"""The objects of Salesforce CPQ (its managed package's prefix is SBQQ), as far as a quote with its lines needs them.

Names as in Salesforce CPQ's developer guide ("CPQ API QuoteModel") and in public code that reads them: the relationship
SBQQ__LineItems__r leads from a quote to its lines; SBQQ__NetTotal__c is a line's net, SBQQ__NetAmount__c the quote's.
"""

from decimal import Decimal

from sandbox.vendors.salesforce.catalogue.fields import (
    CURRENCY,
    ID,
    count_of,
    decimal,
    read_only_money,
    rounded,
    sum_of,
    system_fields,
)
from sandbox.vendors.salesforce.records.schema import Field, Record, RecordReader, SObject, Value

_QUOTE, _LINE = "SBQQ__Quote__c", "SBQQ__QuoteLine__c"
_STATUSES = ("Draft", "In Review", "Approved", "Denied", "Presented", "Accepted", "Rejected")


def _of_product(name: str) -> Field:
    """Return a formula field that repeats a field of the line's product."""

    def value(line: Record, reader: RecordReader) -> Value:
        product = reader.parent(line, "SBQQ__Product__c")
        return None if product is None else product.get(name)

    renamed = {"ProductCode": "SBQQ__ProductCode__c", "Name": "SBQQ__ProductName__c"}[name]
    return Field(renamed, "string", createable=False, updateable=False, formula=value)


def _net_total(line: Record, reader: RecordReader) -> Value:
    share = 1 - decimal(line["SBQQ__Discount__c"]) / 100
    multiplier = decimal(line["SBQQ__ProrateMultiplier__c"]) or Decimal(1)
    gross = decimal(line["SBQQ__Quantity__c"]) * decimal(line["SBQQ__ListPrice__c"]) * multiplier
    return rounded(gross * share, reader.parent(line, "SBQQ__Quote__c") or line)


CPQ_QUOTE = SObject(
    _QUOTE,
    "a0Q",
    (
        ID,
        Field("Name", "string", length=80, auto_number="Q-{:05d}", createable=False, updateable=False),
        Field("SBQQ__Account__c", "reference", reference_to="Account", child_relationship="SBQQ__Quotes__r"),
        Field("SBQQ__Opportunity2__c", "reference", reference_to="Opportunity", child_relationship="SBQQ__Quotes2__r"),
        Field("SBQQ__PrimaryContact__c", "reference", reference_to="Contact"),
        Field("SBQQ__Primary__c", "boolean", default=False),
        Field("SBQQ__Status__c", "picklist", picklist=_STATUSES, default="Draft"),
        Field("SBQQ__Type__c", "picklist", picklist=("Quote", "Amendment", "Renewal"), default="Quote"),
        Field("SBQQ__StartDate__c", "date"),
        Field("SBQQ__EndDate__c", "date"),
        Field("SBQQ__SubscriptionTerm__c", "double", precision=5, scale=0),
        Field("SBQQ__ExpirationDate__c", "date"),
        Field("SBQQ__PaymentTerms__c", "picklist", picklist=("Due on Receipt", "Net 30", "Net 60")),
        Field(
            "SBQQ__BillingFrequency__c",
            "picklist",
            picklist=("Monthly", "Quarterly", "Semiannual", "Annual", "Invoice Plan"),
        ),
        Field("SBQQ__LineItemCount__c", "double", createable=False, updateable=False, formula=count_of(_LINE, _QUOTE)),
        read_only_money("SBQQ__NetAmount__c", sum_of(_LINE, _QUOTE, "SBQQ__NetTotal__c")),
        CURRENCY,
        *system_fields(),
    ),
)

CPQ_QUOTE_LINE = SObject(
    _LINE,
    "a0L",
    (
        ID,
        Field("Name", "string", length=80, auto_number="QL-{:07d}", createable=False, updateable=False),
        Field(
            "SBQQ__Quote__c",
            "reference",
            reference_to=_QUOTE,
            child_relationship="SBQQ__LineItems__r",
            required=True,
            updateable=False,
            cascade=True,
        ),
        Field("SBQQ__Number__c", "double", precision=5, scale=0),
        Field("SBQQ__Product__c", "reference", reference_to="Product2"),
        _of_product("ProductCode"),
        _of_product("Name"),
        Field("SBQQ__Description__c", "textarea", length=32000),
        Field("SBQQ__Quantity__c", "double", precision=14, scale=2, required=True),
        Field("SBQQ__ListPrice__c", "currency", precision=18, scale=2),
        Field("SBQQ__Discount__c", "percent", precision=10, scale=4),
        Field("SBQQ__ProrateMultiplier__c", "double", precision=14, scale=4),
        read_only_money("SBQQ__NetTotal__c", _net_total),
        Field("SBQQ__StartDate__c", "date"),
        Field("SBQQ__EndDate__c", "date"),
        Field("SBQQ__ChargeType__c", "picklist", picklist=("One-Time", "Recurring", "Usage")),
        Field("SBQQ__BillingFrequency__c", "picklist", picklist=("Monthly", "Quarterly", "Annual")),
        Field("SBQQ__BillingType__c", "picklist", picklist=("Advance", "Arrears")),
        Field("SBQQ__RequiredBy__c", "reference", reference_to=_LINE),
        CURRENCY,
        *system_fields(owned=False),
    ),
)
