"""Accounts (whom Salesforce sells to), customers (whom an ERP books) and their credit."""

from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.canonical.money import Money
from shared.canonical.wire import (
    Canonical,
    CountryCode,
    CurrencyCode,
    LegalEntityCode,
    Percent,
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
    """What a user of the CRM may do with a record. Both are false for a record that does not exist."""

    readable: bool
    editable: bool


UNTAXED = "UNTAXED"
"""The tax code of a sale without any tax, not even one of 0 %."""
CustomerMatch = Literal["strict", "name_and_postal_code"]


class CustomerDraft(Canonical, frozen=True, kw_only=True):
    """What an ERP or a billing platform needs to know of an account to book it as a customer.

    The CRM masters name, address, e-mail and the tax id as the customer states it. `known_vendor_id` is the account's
    customer according to the cross reference, `earlier_vendor_id` the one from before customers were kept by currency.
    `new_as` names a person's decision that the account is none of the similar customers. `match` is how similar those
    have to be. `home_currency` is the legal entity's own. `tax_exempt` is what the ERP says.
    """

    account_id: RecordId
    name: ShortText
    address: Address
    currency: CurrencyCode
    vat_id: ShortText | None = None
    email: ShortText | None = None
    """The e-mail address for invoices: the bill-to contact's."""
    known_vendor_id: RecordId | None = None
    earlier_vendor_id: RecordId | None = None
    new_as: RecordId | None = None
    match: CustomerMatch = "name_and_postal_code"
    home_currency: CurrencyCode | None = None
    tax_exempt: bool | None = None


class CustomerTax(Canonical, frozen=True, kw_only=True):
    """The ERP's taxes for a customer at its delivery address: their names, and their combined rates.

    `rule` is the name of the ERP's reason. Without `codes` nothing is taxed. `instead_of` names the taxes that it
    replaces; an empty list replaces all of them.
    """

    rule: ShortText
    codes: list[ShortText]
    percent: Percent
    instead_of: list[ShortText] = msgspec.field(default_factory=list)


class Customer(Canonical, frozen=True, kw_only=True):
    """An account as an ERP's legal entity books it. `blocked`: the customer is deactivated in the ERP.

    `tax` is None if the ERP leaves taxes to the order.
    """

    account_id: RecordId
    vendor_id: RecordId
    code: ShortText
    name: ShortText
    created: bool = False
    blocked: bool = False
    tax: CustomerTax | None = None


class CustomerEntry(Canonical, frozen=True, kw_only=True):
    """A customer of an ERP or of billing, described so that a person recognises it.

    `matched_by` says what it has in common with the account. `account_ids` are the accounts whose ids the record
    carries.
    """

    vendor_id: RecordId
    number: ShortText
    name: ShortText
    active: bool
    city: ShortText = ""
    postal_code: Annotated[str, Meta(max_length=20)] = ""
    currency: CurrencyCode | None = None
    credit_limit: Money | None = None
    matched_by: list[ShortText] = msgspec.field(default_factory=list)
    account_ids: list[RecordId] = msgspec.field(default_factory=list)


class CustomerCandidates(Canonical, frozen=True, kw_only=True):
    """The customers that may be an account, the likeliest first."""

    candidates: list[CustomerEntry]


class CreditDecision(StrEnum):
    """The answer to a credit check. `unknown`: the ERP could not tell."""

    approved = "approved"
    refused = "refused"
    unknown = "unknown"


class CreditStatus(Canonical, frozen=True, kw_only=True):
    """A customer's credit. Without a `limit` the ERP sets none.

    `decision` says whether the requested amount fits under the limit, together with the exposure.
    """

    account_id: RecordId
    decision: CreditDecision
    reason: ShortText
    exposure: Money
    limit: Money | None = None
    available: Money | None = None
