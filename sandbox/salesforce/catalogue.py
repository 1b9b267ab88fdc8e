"""The objects this org has: the standard ones around quotes, and the two that Quoteway brings along."""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal

from sandbox.salesforce.schema import Field, Record, RecordReader, Schema, SObject, ValidationRule, Value

CENT = Decimal("0.01")
CURRENCIES = ("EUR", "USD")
ORDER_OBJECT = "Quoteway_Order__c"
ORDER_STATUS_EVENT = "Quoteway_Order_Status__e"


def _decimal(value: Value) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(0)


def _line_subtotal(line: Record, _: RecordReader) -> Value:
    return (_decimal(line["Quantity"]) * _decimal(line["UnitPrice"])).quantize(CENT, ROUND_HALF_UP)


def _line_total(line: Record, _: RecordReader) -> Value:
    share = 1 - _decimal(line["Discount"]) / 100
    return (_decimal(line["Quantity"]) * _decimal(line["UnitPrice"]) * share).quantize(CENT, ROUND_HALF_UP)


def _sum_of_lines(field_name: str) -> Callable[[Record, RecordReader], Value]:
    def total(quote: Record, reader: RecordReader) -> Value:
        lines = reader.children(quote, "QuoteLineItem", "QuoteId")
        return sum((_decimal(reader.compute("QuoteLineItem", line, field_name)) for line in lines), Decimal("0.00"))

    return total


def _line_count(quote: Record, reader: RecordReader) -> Value:
    return sum(1 for _ in reader.children(quote, "QuoteLineItem", "QuoteId"))


def _account_of_opportunity(quote: Record, reader: RecordReader) -> Value:
    opportunity = reader.parent(quote, "OpportunityId")
    return None if opportunity is None else opportunity["AccountId"]


def _system_fields(*, owned: bool = True) -> tuple[Field, ...]:
    owner = (Field("OwnerId", "reference", reference_to="User"),) if owned else ()
    return (
        *owner,
        Field("IsDeleted", "boolean", createable=False, updateable=False, default=False),
        Field("CreatedDate", "datetime", createable=False, updateable=False),
        Field("CreatedById", "reference", reference_to="User", createable=False, updateable=False),
        Field("LastModifiedDate", "datetime", createable=False, updateable=False),
        Field("LastModifiedById", "reference", reference_to="User", createable=False, updateable=False),
        Field("SystemModstamp", "datetime", createable=False, updateable=False),
    )


# As in the package's validationRules/Version_Only_Grows.validationRule-meta.xml.
VERSION_ONLY_GROWS = ValidationRule(
    "Version_Only_Grows",
    "Version__c",
    "This record already shows a newer version of the order.",
    lambda before, after: _decimal(after["Version__c"]) < _decimal(before["Version__c"]),
)
_ID = Field("Id", "id", length=18, createable=False, updateable=False)
_NAME = Field("Name", "string", required=True)
_CURRENCY = Field("CurrencyIsoCode", "picklist", length=3, picklist=CURRENCIES, restricted=True, default="EUR")


def _read_only_money(name: str, formula: Callable[[Record, RecordReader], Value]) -> Field:
    return Field(name, "currency", precision=18, scale=2, createable=False, updateable=False, formula=formula)


ACCOUNT = SObject(
    "Account",
    "001",
    (
        _ID,
        _NAME,
        Field("AccountNumber", "string", length=40),
        Field("Type", "picklist", picklist=("Customer", "Prospect", "Partner")),
        Field("BillingStreet", "textarea"),
        Field("BillingCity", "string", length=40),
        Field("BillingState", "string", length=80),
        Field("BillingStateCode", "string", length=10),
        Field("BillingPostalCode", "string", length=20),
        Field("BillingCountry", "string", length=80),
        Field("BillingCountryCode", "string", length=10),
        Field("Phone", "string", length=40),
        Field("Website", "string"),
        Field("Legal_Entity__c", "string", length=20),
        Field("VAT_Id__c", "string", length=20),
        _CURRENCY,
        *_system_fields(),
    ),
)

OPPORTUNITY = SObject(
    "Opportunity",
    "006",
    (
        _ID,
        Field("Name", "string", length=120, required=True),
        Field("AccountId", "reference", reference_to="Account", child_relationship="Opportunities"),
        Field(
            "StageName",
            "picklist",
            picklist=("Prospecting", "Proposal/Price Quote", "Negotiation/Review", "Closed Won", "Closed Lost"),
            required=True,
        ),
        Field("CloseDate", "date", required=True),
        Field("Amount", "currency", precision=18, scale=2),
        Field("Description", "textarea", length=32000),
        _CURRENCY,
        *_system_fields(),
    ),
)

QUOTE = SObject(
    "Quote",
    "0Q0",
    (
        _ID,
        _NAME,
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
        Field("Pricebook2Id", "reference", reference_to="Pricebook2"),
        Field(
            "Status",
            "picklist",
            length=40,
            picklist=(
                "Draft",
                "Needs Review",
                "In Review",
                "Approved",
                "Rejected",
                "Presented",
                "Accepted",
                "Denied",
            ),
            restricted=True,
            default="Draft",
        ),
        Field("ExpirationDate", "date"),
        Field("Description", "textarea", length=32000),
        Field("Revision__c", "double", precision=9, scale=0),
        Field("Legal_Entity__c", "string", length=20),
        Field("LineItemCount", "int", createable=False, updateable=False, formula=_line_count),
        _read_only_money("Subtotal", _sum_of_lines("Subtotal")),
        _read_only_money("TotalPrice", _sum_of_lines("TotalPrice")),
        _read_only_money("GrandTotal", _sum_of_lines("TotalPrice")),
        _CURRENCY,
        *_system_fields(),
    ),
)

QUOTE_LINE_ITEM = SObject(
    "QuoteLineItem",
    "0QL",
    (
        _ID,
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
        Field("SortOrder", "int", precision=9),
        _read_only_money("Subtotal", _line_subtotal),
        _read_only_money("TotalPrice", _line_total),
        _CURRENCY,
        *_system_fields(owned=False),
    ),
)

PRODUCT = SObject(
    "Product2",
    "01t",
    (
        _ID,
        _NAME,
        Field("ProductCode", "string"),
        Field("Description", "textarea", length=4000),
        Field("IsActive", "boolean", default=False),
        Field("Family", "picklist", length=40, picklist=("goods", "service")),
        Field("Recurrence__c", "picklist", length=20, picklist=("none", "month", "year"), restricted=True),
        _CURRENCY,
        *_system_fields(owned=False),
    ),
)

PRICEBOOK = SObject(
    "Pricebook2",
    "01s",
    (
        _ID,
        _NAME,
        Field("IsActive", "boolean", default=False),
        Field("IsStandard", "boolean", createable=False, updateable=False, default=False),
        *_system_fields(owned=False),
    ),
)

PRICEBOOK_ENTRY = SObject(
    "PricebookEntry",
    "01u",
    (
        _ID,
        Field(
            "Pricebook2Id",
            "reference",
            reference_to="Pricebook2",
            child_relationship="PricebookEntries",
            required=True,
            updateable=False,
            cascade=True,
        ),
        Field(
            "Product2Id",
            "reference",
            reference_to="Product2",
            child_relationship="PricebookEntries",
            required=True,
            updateable=False,
            cascade=True,
        ),
        Field("UnitPrice", "currency", precision=18, scale=2, required=True),
        Field("IsActive", "boolean", default=False),
        _CURRENCY,
        *_system_fields(owned=False),
    ),
)

USER = SObject(
    "User",
    "005",
    (
        _ID,
        Field("Username", "string", length=80, required=True, unique=True),
        Field("Name", "string", length=121, required=True),
        Field("Email", "email", length=128),
        Field("IsActive", "boolean", default=True),
        *_system_fields(owned=False),
    ),
    createable=False,
)

ORGANIZATION = SObject(
    "Organization",
    "00D",
    (
        _ID,
        Field("Name", "string", length=80),
        Field("InstanceName", "string", length=5),
        Field("IsSandbox", "boolean"),
        Field("OrganizationType", "picklist", picklist=("Enterprise Edition",)),
        *_system_fields(owned=False),
    ),
    createable=False,
)

QUOTEWAY_ORDER = SObject(
    ORDER_OBJECT,
    "a00",
    (
        _ID,
        Field("Name", "string", length=80, auto_number="QO-{:05d}", createable=False, updateable=False),
        Field("Order_Id__c", "string", length=64, external_id=True, unique=True, required=True),
        Field("Account__c", "reference", reference_to="Account", child_relationship="Quoteway_Orders__r"),
        Field("Quote__c", "reference", reference_to="Quote", child_relationship="Quoteway_Orders__r"),
        Field("Status__c", "picklist", length=40),
        Field("ERP_Order__c", "string", length=100),
        # Not unique: two records with one number are how an upsert comes to match several (HTTP 300).
        Field("ERP_Order_Number__c", "string", length=100, external_id=True),
        Field("Subscription__c", "string", length=100),
        Field("Failure_Reason__c", "textarea", length=1000),
        Field("Version__c", "double", precision=18, scale=0),
        Field("Order_Total__c", "currency", precision=18, scale=2),
        _CURRENCY,
        *_system_fields(),
    ),
    rules=(VERSION_ONLY_GROWS,),
)

QUOTEWAY_ORDER_STATUS = SObject(
    ORDER_STATUS_EVENT,
    "e00",
    (
        Field("ReplayId", "string", length=1000, createable=False),
        Field("EventUuid", "string", length=36, createable=False),
        Field("CreatedDate", "datetime", createable=False),
        Field("CreatedById", "reference", reference_to="User", createable=False),
        Field("Order_Id__c", "string", length=64, required=True),
        Field("Status__c", "string", length=40),
        Field("Version__c", "double", precision=18, scale=0),
    ),
    queryable=False,
)

SCHEMA = Schema(
    (
        ACCOUNT,
        OPPORTUNITY,
        QUOTE,
        QUOTE_LINE_ITEM,
        PRODUCT,
        PRICEBOOK,
        PRICEBOOK_ENTRY,
        USER,
        ORGANIZATION,
        QUOTEWAY_ORDER,
        QUOTEWAY_ORDER_STATUS,
    )
)
