"""An org's objects and fields as our integration user sees them, from Salesforce's describe.

Describe shows what field-level security allows: a hidden field looks like a missing one. An org is described object by
object when a record is first read, again after an hour, and when Salesforce says that a queried field does not exist.
"""

import asyncio
import time
from dataclasses import dataclass

import msgspec
from msgspec import field

from system_api.crm.salesforce.api import SalesforceApi

KEPT_S = 3600.0
# A missing field is looked for again after this time, when somebody may have mended the org; not with every request.
MISSING_KEPT_S = 60.0


class FieldDescription(msgspec.Struct, frozen=True):
    """The attributes of a field that we look at."""

    name: str
    type: str = "string"
    length: int = 0
    custom: bool = False
    createable: bool = True
    updateable: bool = True
    nillable: bool = True
    defaulted: bool = field(name="defaultedOnCreate", default=False)
    external_id: bool = field(name="externalId", default=False)
    relationship: str | None = field(name="relationshipName", default=None)
    refers_to: list[str] = field(name="referenceTo", default=[])

    @property
    def must_be_given(self) -> bool:
        """Whether a new record is refused without a value for it."""
        return self.createable and not self.nillable and not self.defaulted and self.type != "boolean"


class ChildRelationship(msgspec.Struct, frozen=True):
    """Records of another object that refer to this one."""

    child: str = field(name="childSObject")
    reference: str = field(name="field")
    name: str | None = field(name="relationshipName", default=None)


class ObjectDescription(msgspec.Struct):
    """An object with its fields."""

    name: str
    createable: bool = True
    updateable: bool = True
    fields: list[FieldDescription] = []
    children: list[ChildRelationship] = field(name="childRelationships", default=[])
    _by_name: dict[str, FieldDescription] = {}

    def __post_init__(self) -> None:
        self._by_name = {each.name.lower(): each for each in self.fields}

    def field_named(self, name: str) -> FieldDescription | None:
        return self._by_name.get(name.lower())

    def parent_named(self, relationship: str) -> FieldDescription | None:
        """Return the reference field for a relationship name in a path, such as AccountId for Account."""
        wanted = relationship.lower()
        return next((each for each in self.fields if (each.relationship or "").lower() == wanted), None)

    def child_relationship(self, child: str, reference: str) -> str | None:
        """Return the relationship name of `child` records in a query of this object."""
        for each in self.children:
            if (each.child.lower(), each.reference.lower()) == (child.lower(), reference.lower()):
                return each.name
        return None


@dataclass(frozen=True, slots=True)
class Found:
    """A field at the end of a path, with the path in the org's spelling."""

    path: str
    field: FieldDescription


class OrgSchema:
    """The objects of one org, described once each."""

    def __init__(self, api: SalesforceApi) -> None:
        self._api = api
        self._objects: dict[str, ObjectDescription | None] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._read_at = 0.0

    def forget(self) -> None:
        """Describe everything again at its next use."""
        self._objects.clear()

    def forget_what_is_old(self, kept_s: float = KEPT_S) -> bool:
        """Drop descriptions if they are older than that. Returns whether they were."""
        if not self._objects or time.monotonic() - self._read_at < kept_s:
            return False
        self.forget()
        return True

    async def describe(self, name: str) -> ObjectDescription | None:
        """Return the object; None if the org has none of that name, or hides it from us."""
        if not self._objects:
            self._read_at = time.monotonic()
        async with self._locks.setdefault(name, asyncio.Lock()):
            if name not in self._objects:
                self._objects[name] = await self._api.get(f"/sobjects/{name}/describe", ObjectDescription)
            return self._objects[name]

    async def find(self, object_name: str, path: str) -> Found | None:
        """Return the field at the end of a path such as Account.Legal_Entity__c; None if the org lacks a part of it."""
        *parents, last = path.split(".")
        described = await self.describe(object_name)
        spelled: list[str] = []
        for name in parents:
            reference = described.parent_named(name) if described else None
            if reference is None or not reference.relationship or not reference.refers_to:
                return None
            spelled.append(reference.relationship)
            described = await self.describe(reference.refers_to[0])
        found = described.field_named(last) if described else None
        return Found(".".join([*spelled, found.name]), found) if found else None
