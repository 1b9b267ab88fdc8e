"""Finds what became of a record that a query does not find: queries omit deleted records, queryAll does not.

Source: SOAP API Developer Guide, "merge()": the losing accounts of a merge are deleted, and their MasterRecordId names
the one that stayed. They are kept for 15 days, as in the recycle bin.
"""

from dataclasses import dataclass

import msgspec

from shared.problem import Rejected
from system_api.crm.salesforce.api import SalesforceApi
from system_api.crm.salesforce.errors import VENDOR
from system_api.crm.salesforce.schema import ObjectDescription

_MERGES_FOLLOWED_MAX = 10


class _Record(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="Id")
    deleted: bool = msgspec.field(name="IsDeleted", default=False)
    master_id: str | None = msgspec.field(name="MasterRecordId", default=None)


class _Records(msgspec.Struct, frozen=True):
    records: list[_Record]


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a record: the id of the one that replaced it, or None if it was deleted."""

    record_id: str
    living_id: str | None

    def living_or_refuse(self, noun: str) -> str:
        """Return the id of the record that replaced it. Raises Rejected if it was deleted."""
        if self.living_id is None:
            raise Rejected(
                f"The {noun} {self.record_id} was deleted in {VENDOR}: restore it there, or sell to another one.",
                reason_code=f"{noun}_deleted",
                vendor=VENDOR,
            )
        return self.living_id


async def fate_of(api: SalesforceApi, described: ObjectDescription, record_id: str) -> Fate | None:
    """Return what became of the record, through all its merges; None if the org does not know it (any more)."""
    fields = ["Id", "IsDeleted"] + (["MasterRecordId"] if described.field_named("MasterRecordId") else [])
    wanted = record_id
    for _ in range(_MERGES_FOLLOWED_MAX):
        soql = f"SELECT {', '.join(fields)} FROM {described.name} WHERE Id = '{wanted}'"  # noqa: S608 callers let only letters and digits in
        found = (await api.query(soql, _Records, deleted=True)).records
        if not found:
            return None if wanted == record_id else Fate(record_id, None)
        if not found[0].deleted:
            return Fate(record_id, found[0].id)
        if found[0].master_id is None:
            return Fate(record_id, None)
        wanted = found[0].master_id
    return Fate(record_id, None)
