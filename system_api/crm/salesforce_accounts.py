"""Salesforce's accounts as its REST API gives them, and what a user may do with a record.

`Legal_Entity__c` and `VAT_Id__c` are fields that Quoteway's Salesforce package brings along.
"""

import msgspec
from msgspec import field

from shared.canonical import Account, Address
from system_api.crm.salesforce_fields import checked, required

ACCOUNT_FIELDS = (
    "Id, Name, Legal_Entity__c, CurrencyIsoCode, VAT_Id__c, "
    "BillingStreet, BillingPostalCode, BillingCity, BillingStateCode, BillingCountryCode"
)
ACCESS_FIELDS = "RecordId, HasReadAccess, HasEditAccess"


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


def account_of(record: AccountRecord) -> Account:
    """The account. Raises Rejected (`incomplete_record`) where Salesforce lacks what no order can do without."""
    what = f"Account {record.name}"
    return checked(
        Account(
            account_id=record.id,
            name=record.name,
            legal_entity=required(record.legal_entity, what, "Legal_Entity__c"),
            currency=required(record.currency, what, "CurrencyIsoCode"),
            billing_address=_address(record),
            vat_id=record.vat_id,
        ),
        what,
    )


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
