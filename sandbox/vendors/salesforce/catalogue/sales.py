"""Accounts with their contacts, opportunities, products and price books."""

from sandbox.vendors.salesforce.catalogue.fields import CURRENCY, ID, NAME, system_fields
from sandbox.vendors.salesforce.records.schema import Field, Record, RecordReader, SObject, Value


def _full_name(contact: Record, _: RecordReader) -> Value:
    return " ".join(str(part) for part in (contact.get("FirstName"), contact.get("LastName")) if part)


def _master_of(object_name: str) -> Field:
    """Return the field that names a merged record's master: only a deleted record has it."""
    return Field("MasterRecordId", "reference", reference_to=object_name, createable=False, updateable=False)


ACCOUNT = SObject(
    "Account",
    "001",
    (
        ID,
        _master_of("Account"),
        NAME,
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
        Field("Bill_To_Contact__c", "reference", reference_to="Contact"),
        CURRENCY,
        *system_fields(),
    ),
)

CONTACT = SObject(
    "Contact",
    "003",
    (
        ID,
        _master_of("Contact"),
        Field("AccountId", "reference", reference_to="Account", child_relationship="Contacts"),
        Field("FirstName", "string", length=40),
        Field("LastName", "string", length=80, required=True),
        Field("Name", "string", length=121, createable=False, updateable=False, formula=_full_name),
        Field("Email", "email", length=80),
        Field("Phone", "string", length=40),
        CURRENCY,
        *system_fields(),
    ),
)

OPPORTUNITY = SObject(
    "Opportunity",
    "006",
    (
        ID,
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
        CURRENCY,
        *system_fields(),
    ),
)

PRODUCT = SObject(
    "Product2",
    "01t",
    (
        ID,
        NAME,
        Field("ProductCode", "string"),
        Field("Description", "textarea", length=4000),
        Field("IsActive", "boolean", default=False),
        Field("Family", "picklist", length=40, picklist=("goods", "service")),
        Field("Recurrence__c", "picklist", length=20, picklist=("none", "month", "year"), restricted=True),
        Field("Usage__c", "boolean", default=False),
        CURRENCY,
        *system_fields(owned=False),
    ),
)

PRICEBOOK = SObject(
    "Pricebook2",
    "01s",
    (
        ID,
        NAME,
        Field("IsActive", "boolean", default=False),
        Field("IsStandard", "boolean", createable=False, updateable=False, default=False),
        *system_fields(owned=False),
    ),
)

PRICEBOOK_ENTRY = SObject(
    "PricebookEntry",
    "01u",
    (
        ID,
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
        CURRENCY,
        *system_fields(owned=False),
    ),
)
