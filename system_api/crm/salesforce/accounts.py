"""Salesforce's accounts, read through the connection's name map, and a user's access to a record."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import field

from shared.canonical import Account, Address
from shared.canonical.states import COUNTRIES_WITH_STATES, state_code
from system_api.crm.salesforce.fields import checked, incomplete, required
from system_api.crm.salesforce.places import country_code
from system_api.crm.salesforce.rows import Record, Row
from system_api.crm.salesforce.schema import OrgSchema
from system_api.crm.salesforce.selection import Selection, absent_currency, fields_missing, require_fields
from system_api.vendor.salesforce_map import SalesforceFields, SalesforceObjects

ACCESS_FIELDS = "RecordId, HasReadAccess, HasEditAccess"
# An org has codes or free text.
_PLACES = frozenset({"country_code", "country", "state_code", "state"})
_REGION = re.compile(r"[A-Z0-9]{1,3}")


class AccessRecord(msgspec.Struct, frozen=True):
    """A row of UserRecordAccess."""

    readable: bool = field(name="HasReadAccess")
    editable: bool = field(name="HasEditAccess")


class AccessPage(msgspec.Struct, frozen=True):
    """The answer to a query of UserRecordAccess."""

    records: list[AccessRecord]


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """The query for an account in this org, and where its values are in the answer."""

    select: str
    paths: dict[str, str]


def may_be_absent(fields: SalesforceFields) -> frozenset[str]:
    """Return our names of optional fields: of a place, which has two forms, and of its currency."""
    return _PLACES | absent_currency(fields.account.currency)


async def plan_accounts(schema: OrgSchema, objects: SalesforceObjects, fields: SalesforceFields) -> AccountPlan:
    """Return the plan for this org. Raises Unavailable if mapped fields are missing, naming all of them."""
    account = Selection(schema, objects.account)
    await account.require_object()
    await account.take_all(fields.account, but=frozenset(), optional=may_be_absent(fields))
    require_fields(account)
    if not {"country_code", "country"} & set(account.paths):
        raise fields_missing([f"{fields.account.country_code or fields.account.country} of {objects.account}"])
    return AccountPlan(", ".join(account.columns), account.paths)


def account_of(plan: AccountPlan, record: Record, org_currency: str | None) -> Account:
    """Return the account. Raises Rejected (`incomplete_record`) if a value that every order needs is missing."""
    row = Row(record, plan.paths)
    name = required(row.text("name"), f"Account {row.id}", plan.paths["name"], "/name")
    what = f"Account {name}"
    legal_entity = required(
        row.text("legal_entity"), what, plan.paths.get("legal_entity", "legal entity"), "/legalEntity"
    )
    currency = row.text("currency") or org_currency
    values: dict[str, Any] = {
        "account_id": row.id,
        "name": name,
        "legal_entity": legal_entity,
        "currency": required(currency, what, plan.paths.get("currency", "currency"), "/currency"),
        "billing_address": _address(row, what),
        "vat_id": row.text("vat_id"),
    }
    return checked(Account(**values), what)


def _address(row: Row, what: str) -> Address | None:
    country = row.text("country_code")
    written = row.text("country")
    if not country and written:
        country = country_code(written)
        if country is None:
            raise incomplete(
                f"{what}: {row.paths['country']} is {written!r}, which is not a country that is known here",
                "/billingAddress/country",
            )
    if not country:
        return None
    return Address(
        street=row.block("street") or "",
        postal_code=row.text("postal_code") or "",
        city=row.text("city") or "",
        country=country,
        region=_region(row, country, what),
    )


def _region(row: Row, country: str, what: str) -> str | None:
    """Return the state's ISO 3166-2 code. A free text must be understood only if addresses or taxes need the state.

    A code of the org's own is returned unchanged: readiness reports it (`unknown_state`).
    """
    code, written = row.text("state_code"), row.text("state")
    if code:
        return state_code(country, code) or code
    if not written:
        return None
    if country in COUNTRIES_WITH_STATES:
        found = state_code(country, written)
        if found is None:
            raise incomplete(
                f"{what}: {row.paths['state']} is {written!r}, which is not a state of {country}",
                "/billingAddress/region",
            )
        return found
    return written if _REGION.fullmatch(written) else None
