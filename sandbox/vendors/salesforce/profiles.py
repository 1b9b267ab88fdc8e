"""Orgs as they are: what one org has, another lacks, hides or forbids. Profiles can be combined.

single-currency   no CurrencyIsoCode anywhere; amounts are in the organization's currency
no-picklists      no State and Country picklists: no Billing…Code fields, countries and states are free text
cpq               Salesforce CPQ's own objects beside the standard ones, each seeded quote there too
hidden-field      field-level security hides Quote.Start_Date__c from the integration user
read-only-field   the integration user may read Quoteway_Order__c.ERP_Order__c, and not write it
validation-rule   a rule of the org's own refuses Quoteway_Order__c above 1,000 without an approver
required-field    Quoteway_Order__c has a required field that Quoteway knows nothing of
no-package        Quoteway's package is not installed: none of its fields and objects
other-org         another Organization.Id: the same records, as in a refreshed sandbox
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sandbox.vendors.salesforce import catalogue
from sandbox.vendors.salesforce.catalogue.cpq import CPQ_QUOTE, CPQ_QUOTE_LINE
from sandbox.vendors.salesforce.catalogue.fields import decimal
from sandbox.vendors.salesforce.records.ids import case_safe
from sandbox.vendors.salesforce.records.schema import Field, Schema, SObject, ValidationRule

ORGANIZATION_ID = "00DQW0000000001"
OTHER_ORGANIZATION_ID = "00DQW0000000002"
_ALLOWED_WITHOUT_APPROVER = Decimal(1000)
_APPROVAL_RULE = ValidationRule(
    "Large_Orders_Need_An_Approver",
    "Approved_By__c",
    "Orders above 1,000 need an approver.",
    lambda _, after: (
        decimal(after.get("Order_Total__c")) > _ALLOWED_WITHOUT_APPROVER and not after.get("Approved_By__c")
    ),
)
_Objects = dict[str, SObject]
_Change = Callable[[_Objects], None]


@dataclass(frozen=True, slots=True)
class OrgProfile:
    """Which org this is: its own facts, and the names of the profiles that shape it."""

    organization_id: str = case_safe(ORGANIZATION_ID)
    name: str = "Nordwind"
    currency: str = "EUR"
    profiles: tuple[str, ...] = ()

    @classmethod
    def read(cls, seed: Mapping[str, Any], more: Iterable[str] = ()) -> "OrgProfile":
        """Return the seed's `[org]` table, and profiles asked for besides.

        Raises ValueError for one that there is not.
        """
        names = tuple(dict.fromkeys((*seed.get("profiles", ()), *more)))
        unknown = [name for name in names if name not in PROFILES]
        if unknown:
            raise ValueError(f"there is no profile {', '.join(unknown)}; there are {', '.join(PROFILES)}")
        own_id = seed.get("id", OTHER_ORGANIZATION_ID if "other-org" in names else ORGANIZATION_ID)
        return cls(case_safe(own_id), seed.get("name", "Nordwind"), seed.get("currency", "EUR"), names)

    def has(self, profile: str) -> bool:
        return profile in self.profiles

    def schema(self) -> Schema:
        """Return the objects of such an org."""
        objects = {one.name: one for one in catalogue.OBJECTS}
        for name in self.profiles:
            PROFILES[name](objects)
        return Schema(objects.values())


def _without(objects: _Objects, *names: str, only: str | None = None) -> None:
    for sobject in list(objects.values()):
        if only in (None, sobject.name):
            kept = tuple(one for one in sobject.fields if one.name not in names)
            objects[sobject.name] = replace(sobject, fields=kept)


def _change_field(objects: _Objects, object_name: str, field_name: str, **changes: Any) -> None:
    sobject = objects[object_name]
    fields = tuple(replace(one, **changes) if one.name == field_name else one for one in sobject.fields)
    objects[object_name] = replace(sobject, fields=fields)


def _add_field(objects: _Objects, object_name: str, *fields: Field) -> None:
    sobject = objects[object_name]
    objects[object_name] = replace(sobject, fields=(*sobject.fields, *fields))


def _single_currency(objects: _Objects) -> None:
    _without(objects, "CurrencyIsoCode")


def _no_picklists(objects: _Objects) -> None:
    _without(objects, "BillingStateCode", "BillingCountryCode")


def _cpq(objects: _Objects) -> None:
    objects[CPQ_QUOTE.name], objects[CPQ_QUOTE_LINE.name] = CPQ_QUOTE, CPQ_QUOTE_LINE
    lookup = Field("CPQ_Quote__c", "reference", reference_to=CPQ_QUOTE.name)
    _add_field(objects, catalogue.ORDER_OBJECT, lookup)


def _hidden_field(objects: _Objects) -> None:
    _change_field(objects, "Quote", "Start_Date__c", visible=False)


def _read_only_field(objects: _Objects) -> None:
    _change_field(objects, catalogue.ORDER_OBJECT, "ERP_Order__c", createable=False, updateable=False)


def _validation_rule(objects: _Objects) -> None:
    _add_field(objects, catalogue.ORDER_OBJECT, Field("Approved_By__c", "string", length=80))
    order = objects[catalogue.ORDER_OBJECT]
    objects[catalogue.ORDER_OBJECT] = replace(order, rules=(*order.rules, _APPROVAL_RULE))


def _required_field(objects: _Objects) -> None:
    _add_field(objects, catalogue.ORDER_OBJECT, Field("Region__c", "string", length=20, required=True))


def _no_package(objects: _Objects) -> None:
    for name in (catalogue.ORDER_OBJECT, catalogue.ORDER_STATUS_EVENT):
        del objects[name]
    for sobject in list(objects.values()):
        _without(objects, *(one.name for one in sobject.fields if one.is_custom), only=sobject.name)


def _other_org(_: _Objects) -> None:
    """Change the org's id, and nothing else."""


PROFILES: dict[str, _Change] = {
    "single-currency": _single_currency,
    "no-picklists": _no_picklists,
    "cpq": _cpq,
    "hidden-field": _hidden_field,
    "read-only-field": _read_only_field,
    "validation-rule": _validation_rule,
    "required-field": _required_field,
    "no-package": _no_package,
    "other-org": _other_org,
}
