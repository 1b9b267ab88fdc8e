"""The objects of Quoteway's own package: an order as a seller sees it, and the event that tells of its status."""

from sandbox.vendors.salesforce.catalogue.fields import CURRENCY, ID, decimal, system_fields
from sandbox.vendors.salesforce.records.schema import Field, SObject, ValidationRule

ORDER_OBJECT = "Quoteway_Order__c"
ORDER_STATUS_EVENT = "Quoteway_Order_Status__e"

# As in the package's validationRules/Version_Only_Grows.validationRule-meta.xml.
VERSION_ONLY_GROWS = ValidationRule(
    "Version_Only_Grows",
    "Version__c",
    "This record already shows a newer version of the order.",
    lambda before, after: before is not None and decimal(after.get("Version__c")) < decimal(before.get("Version__c")),
)

QUOTEWAY_ORDER = SObject(
    ORDER_OBJECT,
    "a00",
    (
        ID,
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
        CURRENCY,
        *system_fields(),
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
