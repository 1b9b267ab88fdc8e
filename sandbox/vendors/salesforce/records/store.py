"""The org's records: typed, indexed, soft-deleted, with references that hold and external ids that stay unique."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sandbox.vendors.journal import Journal
from sandbox.vendors.salesforce.errors import SalesforceError, entity_is_deleted, not_found
from sandbox.vendors.salesforce.records.field_values import render_for_journal, require_fields
from sandbox.vendors.salesforce.records.ids import IdGenerator
from sandbox.vendors.salesforce.records.row_locks import RowLocks
from sandbox.vendors.salesforce.records.schema import Field, Record, Schema, SObject, Value
from sandbox.vendors.salesforce.records.unit_of_work import UnitOfWork

FieldIndex = dict[str, dict[str, None]]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who writes: a user's id, and the id of the HTTP request for the journal."""

    user_id: str
    request_id: str


def _utc_second() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class Store:
    """Every write is all or nothing and, once final, one journal entry. Values are those of `field_values`."""

    def __init__(self, schema: Schema, journal: Journal, now: Callable[[], datetime] = _utc_second) -> None:
        self.schema = schema
        self.work = UnitOfWork()
        self.locks = RowLocks()
        self.now = now
        self._journal = journal
        self._ids = IdGenerator()
        self._records: dict[str, dict[str, Record]] = {one.name: {} for one in schema}
        self._index: dict[tuple[str, str], FieldIndex] = {
            (one.name, field.name): {}
            for one in schema
            for field in one.fields
            if field.is_indexed and not field.formula
        }
        self._auto_numbers: dict[tuple[str, str], int] = {}

    # Reading

    def records(self, sobject: SObject, *, with_deleted: bool = False) -> Iterator[Record]:
        for record in self._records[sobject.name].values():
            if with_deleted or not record["IsDeleted"]:
                yield record

    def get(self, sobject: SObject, record_id: str) -> Record | None:
        """Return the record, deleted or not."""
        return self._records[sobject.name].get(record_id)

    def require(self, sobject: SObject, record_id: str) -> Record:
        """Return the live record. Raises NOT_FOUND or ENTITY_IS_DELETED."""
        record = self.get(sobject, record_id)
        if record is None:
            raise not_found()
        if record["IsDeleted"]:
            raise entity_is_deleted()
        return record

    def is_indexed(self, sobject: SObject, field: Field) -> bool:
        return field.kind == "id" or (sobject.name, field.name) in self._index

    def find(self, sobject: SObject, field: Field, value: str, *, with_deleted: bool = False) -> list[Record]:
        """Records whose id or indexed `field` equals `value` (text without regard to case)."""
        table = self._records[sobject.name]
        if field.kind == "id":
            found = [table[value]] if value in table else []
        else:
            found = [table[record_id] for record_id in self._index[sobject.name, field.name].get(_key(value), {})]
        return [record for record in found if with_deleted or not record["IsDeleted"]]

    def value(self, record: Record, field: Field) -> Value:
        return field.formula(record, self) if field.formula else record.get(field.name)

    # What formulas look at (schema.RecordReader)

    def parent(self, record: Record, reference: str) -> Record | None:
        target = record.get(reference)
        sobject = self.schema.object_of_id(target) if isinstance(target, str) else None
        return self.get(sobject, str(target)) if sobject else None

    def children(self, record: Record, object_name: str, reference: str) -> Iterable[Record]:
        sobject, field = self._named(object_name, reference)
        return self.find(sobject, field, str(record["Id"]))

    def compute(self, object_name: str, record: Record, field_name: str) -> Value:
        return self.value(record, self._named(object_name, field_name)[1])

    def _named(self, object_name: str, field_name: str) -> tuple[SObject, Field]:
        sobject = self.schema.object_named(object_name)
        field = sobject.stored_field(field_name) if sobject else None
        if sobject is None or field is None:
            raise LookupError(f"the catalogue has no {object_name}.{field_name}")
        return sobject, field

    # Writing

    def create(self, sobject: SObject, given: dict[str, Value], actor: Actor) -> Record:
        if not sobject.createable:
            message = f"entity type cannot be inserted: {sobject.name}"
            raise SalesforceError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message, fields=())
        values = {field.name: field.default for field in sobject.fields if not field.formula} | given
        require_fields(sobject, values, values)
        if sobject.field_named("OwnerId") and not values["OwnerId"]:
            values["OwnerId"] = actor.user_id
        self._check(sobject, values, given)
        _require_rules(sobject, None, values)
        with self.work.savepoint():
            values |= self._numbers(sobject)
            values |= {
                "Id": self._ids.new_id(sobject.key_prefix),
                "CreatedDate": self.now(),
                "CreatedById": actor.user_id,
            }
            return self._write(sobject, values, actor, "created")

    def seed(self, sobject: SObject, values: dict[str, Value], user_id: str) -> Record:
        """Put a record of the seed data in place: read-only fields are allowed, and no journal entry is made.

        Values of fields that the org's profile does not have are left out.
        """
        sobject = self.schema.object_named(sobject.name) or sobject
        defaults = {field.name: field.default for field in sobject.fields if not field.formula}
        stamps = dict.fromkeys(("CreatedDate", "LastModifiedDate", "SystemModstamp"), self.now())
        authors = {"CreatedById": user_id, "LastModifiedById": user_id}
        known = {name: value for name, value in values.items() if sobject.stored_field(name)}
        values = defaults | self._numbers(sobject) | stamps | authors | known
        values["Id"] = values["Id"] or self._ids.new_id(sobject.key_prefix)
        if sobject.field_named("OwnerId") and not values["OwnerId"]:
            values["OwnerId"] = user_id
        with self.work.savepoint():
            self._put(sobject, str(values["Id"]), values)
        return values

    def update(self, sobject: SObject, record: Record, given: dict[str, Value], actor: Actor) -> Record:
        values = {**record, **given}
        require_fields(sobject, values, given)
        self._check(sobject, values, given)
        _require_rules(sobject, record, values)
        with self.work.savepoint():
            return self._write(sobject, values, actor, "updated")

    def delete(self, sobject: SObject, record: Record, actor: Actor) -> None:
        """Into the recycle bin, with the records whose master it is."""
        self.locks.require(self._touched(sobject, record))
        with self.work.savepoint():
            for relationship in self.schema.children_of(sobject):
                if relationship.reference.cascade:
                    for child in self.find(relationship.child, relationship.reference, str(record["Id"])):
                        self.delete(relationship.child, child, actor)
            self._write(sobject, {**record, "IsDeleted": True}, actor, "deleted")

    def merge(self, sobject: SObject, master: Record, merged: Record, actor: Actor) -> None:
        """Merge two records: references to `merged` then refer to `master`, and `merged` is deleted and names it."""
        with self.work.savepoint():
            for other in self.schema:
                for field in other.fields:
                    if field.reference_to != sobject.name or field.formula or field.name == "MasterRecordId":
                        continue
                    for record in self.find(other, field, str(merged["Id"])):
                        self._write(other, {**record, field.name: master["Id"]}, actor, "updated")
            self._write(sobject, {**merged, "IsDeleted": True, "MasterRecordId": master["Id"]}, actor, "deleted")

    def _write(self, sobject: SObject, values: dict[str, Value], actor: Actor, action: str) -> Record:
        now = self.now()
        values |= {"LastModifiedDate": now, "LastModifiedById": actor.user_id, "SystemModstamp": now}
        self._put(sobject, str(values["Id"]), values)
        self._record_when_final(sobject, values, actor, action)
        return values

    def _check(self, sobject: SObject, values: dict[str, Value], given: dict[str, Value]) -> None:
        for name in given:
            field = sobject.field_named(name)
            value = values[name]
            if field is None or not isinstance(value, str):
                continue
            if field.reference_to:
                self._check_reference(field, value)
            if field.unique:
                self._check_unique(sobject, field, value, values.get("Id"))
        self.locks.require(self._touched(sobject, values))

    def _check_reference(self, field: Field, target_id: str) -> None:
        target = self.schema.object_of_id(target_id)
        if target is None or target.name != field.reference_to:
            message = f"{field.label}: id value of incorrect type: {target_id}"
            raise SalesforceError("MALFORMED_ID", message, fields=[field.name])
        record = self.get(target, target_id)
        if record is None:
            raise SalesforceError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", fields=[field.name])
        if record["IsDeleted"]:
            raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted", fields=[field.name])

    def _check_unique(self, sobject: SObject, field: Field, value: str, own_id: Value) -> None:
        for other in self.find(sobject, field, value):
            if other["Id"] != own_id:
                message = f"duplicate value found: {field.name} duplicates value on record with id: {other['Id']}"
                raise SalesforceError("DUPLICATE_VALUE", message, fields=())

    def _touched(self, sobject: SObject, values: Record) -> list[str]:
        """Ids that a write to the record locks: its own and those of the records it hangs on."""
        named = [values.get("Id"), *(values.get(one.name) for one in sobject.fields if one.child_relationship)]
        return [one for one in named if isinstance(one, str)]

    def _numbers(self, sobject: SObject) -> dict[str, Value]:
        numbers: dict[str, Value] = {}
        for field in sobject.fields:
            if field.auto_number:
                number = self._auto_numbers.get((sobject.name, field.name), 0) + 1
                # As in Salesforce, a number is not given out again when the write is taken back.
                self._auto_numbers[sobject.name, field.name] = number
                numbers[field.name] = field.auto_number.format(number)
        return numbers

    def skip_numbers_to(self, sobject: SObject, field_name: str, number: int) -> None:
        """Continue an auto number after the seed data's own numbers."""
        key = (sobject.name, field_name)
        self._auto_numbers[key] = max(number, self._auto_numbers.get(key, 0))

    def _put(self, sobject: SObject, record_id: str, record: Record | None) -> None:
        table = self._records[sobject.name]
        before = table.get(record_id)
        self._reindex(sobject, record_id, before, record)
        if record is None:
            del table[record_id]
        else:
            table[record_id] = record
        self.work.on_undo(lambda: self._restore(sobject, record_id, before))

    def _restore(self, sobject: SObject, record_id: str, before: Record | None) -> None:
        table = self._records[sobject.name]
        self._reindex(sobject, record_id, table.get(record_id), before)
        if before is None:
            del table[record_id]
        else:
            table[record_id] = before

    def _reindex(self, sobject: SObject, record_id: str, before: Record | None, after: Record | None) -> None:
        for field in sobject.fields:
            index = self._index.get((sobject.name, field.name))
            if index is None:
                continue
            old, new = (one.get(field.name) if one else None for one in (before, after))
            if old == new:
                continue
            if isinstance(old, str):
                index[_key(old)].pop(record_id, None)
            if isinstance(new, str):
                index.setdefault(_key(new), {})[record_id] = None

    def _record_when_final(self, sobject: SObject, record: Record, actor: Actor, action: str) -> None:
        external = next((one for one in sobject.fields if one.external_id and one.unique), None)
        external_id = record.get(external.name) if external else None
        data = {one.name: render_for_journal(self.value(record, one)) for one in sobject.fields}
        self.work.when_final(
            lambda: self._journal.record(
                action=action,
                object_type=sobject.name,
                object_id=str(record["Id"]),
                request_id=actor.request_id,
                external_id=external_id if isinstance(external_id, str) else None,
                data=data,
            )
        )


def _require_rules(sobject: SObject, before: Record | None, after: Record) -> None:
    for rule in sobject.rules:
        if rule.violated(before, after):
            code = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
            raise SalesforceError(code, rule.message, fields=[rule.field_name])


def _key(value: str) -> str:
    return value.casefold()
