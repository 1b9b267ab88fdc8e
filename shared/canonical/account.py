"""Accounts (whom Salesforce sells to), customers (whom an ERP books) and their credit."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from shared.canonical.money import Money
from shared.canonical.wire import (
    Canonical,
    CountryCode,
    CurrencyCode,
    LegalEntityCode,
    RecordId,
    ShortText,
)


class Address(Canonical, frozen=True, kw_only=True):
    """A postal address. `region` is the ISO 3166-2 subdivision without its country, such as CA."""

    street: ShortText
    postal_code: Annotated[str, Meta(max_length=20)]
    city: ShortText
    country: CountryCode
    region: Annotated[str, Meta(pattern=r"^[A-Z0-9]{1,3}$")] | None = None


class Account(Canonical, frozen=True, kw_only=True):
    """An account as the CRM knows it."""

    account_id: RecordId
    name: ShortText
    legal_entity: LegalEntityCode
    currency: CurrencyCode
    billing_address: Address | None = None
    vat_id: ShortText | None = None


class RecordAccess(Canonical, frozen=True, kw_only=True):
    """What a user of the CRM may do with a record. A record that does not exist may be neither read nor edited."""

    readable: bool
    editable: bool


class CustomerDraft(Canonical, frozen=True, kw_only=True):
    """What an ERP or a billing platform needs to know of an account to book it as a customer."""

    account_id: RecordId
    name: ShortText
    address: Address
    currency: CurrencyCode
    vat_id: ShortText | None = None
    email: ShortText | None = None
    """Where invoices are mailed to: the bill-to contact's."""


class Customer(Canonical, frozen=True, kw_only=True):
    """An account as an ERP's legal entity books it."""

    account_id: RecordId
    vendor_id: RecordId
    code: ShortText
    name: ShortText
    created: bool = False


class CreditDecision(StrEnum):
    """The answer to a credit check. `unknown`: the ERP could not tell."""

    approved = "approved"
    refused = "refused"
    unknown = "unknown"


class CreditStatus(Canonical, frozen=True, kw_only=True):
    """What a customer may still owe. Without a `limit` the ERP sets none.

    `decision` is about the amount asked for: whether it fits under the limit beside the exposure.
    """

    account_id: RecordId
    decision: CreditDecision
    reason: ShortText
    exposure: Money
    limit: Money | None = None
    available: Money | None = None
