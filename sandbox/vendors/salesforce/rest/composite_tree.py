"""sObject tree: records with their children in one request, all created or none."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.vendors.salesforce.errors import SalesforceError, not_found
from sandbox.vendors.salesforce.org.org import Org
from sandbox.vendors.salesforce.records.schema import ChildRelationship, SObject
from sandbox.vendors.salesforce.records.store import Actor
from sandbox.vendors.salesforce.rest.calls import Answer, Call, Resource
from sandbox.vendors.salesforce.rest.record_writes import create_record

RECORDS_MAX = 200
LEVELS_MAX = 5


@dataclass(slots=True)
class _Planting:
    """One tree request under way."""

    org: Org
    actor: Actor
    created: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    reference_ids: set[str] = field(default_factory=set)

    def plant(self, sobject: SObject, records: list[Any], parent: dict[str, str], level: int) -> None:
        if level > LEVELS_MAX:
            raise SalesforceError("LIMIT_EXCEEDED", f"a tree may be at most {LEVELS_MAX} levels deep")
        for record in records:
            self._plant_one(sobject, record, parent, level)

    def _plant_one(self, sobject: SObject, record: Any, parent: dict[str, str], level: int) -> None:
        reference_id = self._reference_id(record, sobject)
        values = dict(record)
        children = [(one, values.pop(one.name)["records"]) for one in self._relationships(sobject, record)]
        try:
            saved = create_record(self.org, sobject, {**values, **parent}, self.actor)
        except SalesforceError as error:
            self.failed.append({"referenceId": reference_id, "errors": [error.as_save_error()]})
            return
        self.created.append({"referenceId": reference_id, "id": saved.record_id})
        for relationship, below in children:
            self.plant(relationship.child, below, {relationship.reference.name: saved.record_id}, level + 1)

    def _relationships(self, sobject: SObject, record: dict[str, Any]) -> list[ChildRelationship]:
        return [one for one in self.org.store.schema.children_of(sobject) if _is_record_list(record.get(one.name))]

    def _reference_id(self, record: Any, sobject: SObject) -> str:
        attributes = record.get("attributes") if isinstance(record, dict) else None
        if not isinstance(attributes, dict) or str(attributes.get("type", "")).lower() != sobject.name.lower():
            raise SalesforceError("INVALID_INPUT", f"each record here needs attributes with the type {sobject.name}")
        reference_id = attributes.get("referenceId")
        if not isinstance(reference_id, str) or not reference_id or reference_id in self.reference_ids:
            raise SalesforceError("INVALID_INPUT", f"referenceId {reference_id} is missing or used twice")
        self.reference_ids.add(reference_id)
        if len(self.reference_ids) > RECORDS_MAX:
            raise SalesforceError("LIMIT_EXCEEDED", f"a tree may hold at most {RECORDS_MAX} records")
        return reference_id


def create_tree(call: Call, object_name: str) -> Answer:
    sobject = call.org.store.schema.object_named(object_name)
    if sobject is None or sobject.is_event:
        raise not_found()
    records = call.object_body().get("records")
    if not isinstance(records, list):
        raise SalesforceError("INVALID_INPUT", "records must be a list")
    planting = _Planting(call.org, call.actor)
    with call.org.store.work.savepoint() as savepoint:
        planting.plant(sobject, records, {}, level=1)
        if planting.failed:
            savepoint.roll_back()
            return Answer(400, {"hasErrors": True, "results": planting.failed})
    return Answer(201, {"hasErrors": False, "results": planting.created})


def _is_record_list(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("records"), list)


RESOURCES = (Resource("POST", "composite/tree/{object_name}", create_tree),)
