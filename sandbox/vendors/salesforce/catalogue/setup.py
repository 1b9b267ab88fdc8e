"""The org itself and its users."""

from sandbox.vendors.salesforce.catalogue.fields import ID, system_fields
from sandbox.vendors.salesforce.records.schema import Field, SObject

USER = SObject(
    "User",
    "005",
    (
        ID,
        Field("Username", "string", length=80, required=True, unique=True),
        Field("Name", "string", length=121, required=True),
        Field("Email", "email", length=128),
        Field("IsActive", "boolean", default=True),
        *system_fields(owned=False),
    ),
    createable=False,
)

ORGANIZATION = SObject(
    "Organization",
    "00D",
    (
        ID,
        Field("Name", "string", length=80),
        Field("InstanceName", "string", length=5),
        Field("IsSandbox", "boolean"),
        Field("OrganizationType", "picklist", picklist=("Enterprise Edition",)),
        Field("DefaultCurrencyIsoCode", "string", length=3),
        *system_fields(owned=False),
    ),
    createable=False,
)
