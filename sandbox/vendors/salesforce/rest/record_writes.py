"""The four writes every resource shares (sobjects, collections, tree), from JSON body to stored record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.vendors.salesforce.errors import SalesforceError, entity_is_deleted, not_found
from sandbox.vendors.salesforce.org.org import Org
from sandbox.vendors.salesforce.records import ids
from sandbox.vendors.salesforce.records.field_values import read_fields, read_value
from sandbox.vendors.salesforce.records.schema import Field, Record, SObject
from sandbox.vendors.salesforce.records.store import Actor


@dataclass(frozen=True, slots=True)
class SaveResult:
    """`notes` are remarks that Salesforce puts among the errors of a success (a published event's UUID)."""

    record_id: str
    created: bool
    notes: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"id": self.record_id, "success": True, "errors": self.notes}

    def as_upsert_json(self) -> dict[str, Any]:
        return {**self.as_json(), "created": self.created}


class SeveralMatchesError(Exception):
    """An external id that several records have (HTTP 300)."""

    def __init__(self, record_ids: list[str]) -> None:
        super().__init__(f"{len(record_ids)} records have this external id")
        self.record_ids = record_ids


def create_record(org: Org, sobject: SObject, body: Mapping[str, Any], actor: Actor) -> SaveResult:
    values = read_fields(sobject, body, creating=True)
    if sobject.is_event:
        with org.store.work.savepoint():
            event_uuid = org.events.publish(sobject, values, actor)
        # The id says nothing, as the platform events guide states; the UUID is what identifies the event.
        note = {"statusCode": "OPERATION_ENQUEUED", "message": event_uuid, "fields": []}
        return SaveResult(ids.case_safe(f"{sobject.key_prefix}xx0000000001"), created=True, notes=[note])
    return SaveResult(str(org.store.create(sobject, values, actor)["Id"]), created=True)


def update_record(org: Org, sobject: SObject, record_id: str, body: Mapping[str, Any], actor: Actor) -> SaveResult:
    record = find_by_id(org, sobject, record_id)
    org.store.update(sobject, record, read_fields(sobject, body, creating=False), actor)
    return SaveResult(str(record["Id"]), created=False)


def upsert_record(
    org: Org,
    sobject: SObject,
    key: Field,
    raw_value: str,
    body: Mapping[str, Any],
    actor: Actor,
    *,
    update_only: bool = False,
) -> SaveResult:
    """Raises SeveralMatchesError when the external id is not unique among the records."""
    if key.kind == "id":
        return update_record(org, sobject, raw_value, body, actor)
    value = read_value(sobject, key, raw_value)
    if not isinstance(value, str):
        raise not_found()
    matches = org.store.find(sobject, key, value)
    if len(matches) > 1:
        raise SeveralMatchesError([str(match["Id"]) for match in matches])
    if matches:
        given = read_fields(sobject, body, creating=False, named_in_url=key.name)
        return SaveResult(str(org.store.update(sobject, matches[0], given, actor)["Id"]), created=False)
    if update_only:
        raise not_found()
    given = read_fields(sobject, body, creating=True, named_in_url=key.name)
    return SaveResult(str(org.store.create(sobject, given | {key.name: value}, actor)["Id"]), created=True)


def delete_record(org: Org, sobject: SObject, record: Record, actor: Actor) -> None:
    org.store.delete(sobject, record, actor)


def find_by_id(org: Org, sobject: SObject, record_id: str) -> Record:
    """Raises NOT_FOUND for an id that is none, is another object's or unknown; ENTITY_IS_DELETED for a deleted one."""
    normal = ids.normalize(record_id)
    if normal is None or not normal.startswith(sobject.key_prefix) or sobject.is_event:
        raise not_found(f"Provided external ID field does not exist or is not accessible: {record_id}")
    return org.store.require(sobject, normal)


def find_by_external_id(org: Org, sobject: SObject, key: Field, raw_value: str) -> Record:
    """Raises NOT_FOUND, or SeveralMatchesError."""
    if key.kind == "id":
        return find_by_id(org, sobject, raw_value)
    matches = org.store.find(sobject, key, raw_value)
    if len(matches) > 1:
        raise SeveralMatchesError([str(match["Id"]) for match in matches])
    if not matches:
        raise not_found()
    return matches[0]


def external_id_field(sobject: SObject, name: str) -> Field:
    """Raises NOT_FOUND when the field is no external id (Id itself counts as one)."""
    key = sobject.field_named(name)
    if key is None or not (key.external_id or key.kind == "id"):
        raise not_found(f"Provided external ID field does not exist or is not accessible: {name}")
    return key


def object_of_record(org: Org, record_id: object) -> tuple[SObject, Record]:
    """Return the object and record behind any id.

    Raises MALFORMED_ID, INVALID_CROSS_REFERENCE_KEY or ENTITY_IS_DELETED.
    """
    normal = ids.normalize(record_id) if isinstance(record_id, str) else None
    sobject = org.store.schema.object_of_id(normal) if normal else None
    if normal is None or sobject is None:
        raise SalesforceError("MALFORMED_ID", f"malformed id {record_id}", fields=["Id"])
    record = org.store.get(sobject, normal)
    if record is None:
        raise SalesforceError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", fields=())
    if record["IsDeleted"]:
        raise entity_is_deleted()
    return sobject, record
