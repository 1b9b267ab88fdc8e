"""sObject collections: up to 200 records in one request, all or nothing when asked for."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.records import ids
from sandbox.vendors.salesforce.records.schema import SObject
from sandbox.vendors.salesforce.rest.calls import Answer, Call, Resource
from sandbox.vendors.salesforce.rest.record_writes import (
    SaveResult,
    SeveralMatchesError,
    create_record,
    delete_record,
    external_id_field,
    object_of_record,
    update_record,
    upsert_record,
)
from sandbox.vendors.salesforce.rest.sobjects import asked_fields, print_fields

RECORDS_MAX = 200
RETRIEVED_MAX = 2000
CHUNKS_MAX = 10
_ROLLED_BACK = SalesforceError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)

Save = Callable[[dict[str, Any]], dict[str, Any]]


def create(call: Call) -> Answer:
    records = _records(call)

    def save(record: dict[str, Any]) -> dict[str, Any]:
        return create_record(call.org, _object_of(call, record), record, call.actor).as_json()

    return _save_each(call, records, save, all_or_none=_all_or_none(call))


def update(call: Call) -> Answer:
    records = _records(call)

    def save(record: dict[str, Any]) -> dict[str, Any]:
        record_id, values = _take(record, "Id")
        sobject, found = object_of_record(call.org, record_id)
        if sobject is not _object_of(call, record):
            raise SalesforceError("MALFORMED_ID", f"Record ID: id value of incorrect type: {record_id}", fields=["Id"])
        return update_record(call.org, sobject, str(found["Id"]), values, call.actor).as_json()

    return _save_each(call, records, save, all_or_none=_all_or_none(call))


def upsert(call: Call, object_name: str, field_name: str) -> Answer:
    sobject = call.org.object_named(object_name)
    key = external_id_field(sobject, field_name)
    records = _records(call)
    values_given = Counter(str(_take(record, key.name)[0]).casefold() for record in records)

    def save(record: dict[str, Any]) -> dict[str, Any]:
        value, values = _take(record, key.name)
        if _object_of(call, record) is not sobject:
            raise SalesforceError("INVALID_TYPE", f"every record must be of type {sobject.name}")
        if not isinstance(value, str) or not value:
            raise SalesforceError("MISSING_ARGUMENT", f"{key.name} not specified", fields=())
        if values_given[value.casefold()] > 1:
            raise SalesforceError("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", fields=[key.name])
        return _upsert(call, sobject, key.name, value, values).as_upsert_json()

    return _save_each(call, records, save, all_or_none=_all_or_none(call), failed_extra={"created": False})


def _upsert(call: Call, sobject: SObject, key_name: str, value: str, values: dict[str, Any]) -> SaveResult:
    key = external_id_field(sobject, key_name)
    try:
        return upsert_record(call.org, sobject, key, value, values, call.actor)
    except SeveralMatchesError as several:
        message = f"{key.name}: more than one record found for external id field: [{', '.join(several.record_ids)}]"
        raise SalesforceError("DUPLICATE_EXTERNAL_ID", message, fields=[key.name]) from several


def delete(call: Call) -> Answer:
    record_ids = [one for one in call.query.get("ids", "").split(",") if one]
    if not record_ids:
        raise SalesforceError("MISSING_ARGUMENT", "the parameter ids is missing")
    _limit(len(record_ids))

    def remove(request: dict[str, Any]) -> dict[str, Any]:
        sobject, record = object_of_record(call.org, request["Id"])
        delete_record(call.org, sobject, record, call.actor)
        return {"id": record["Id"], "success": True, "errors": []}

    all_or_none = call.query.get("allOrNone", "").lower() == "true"
    return _save_each(call, [{"Id": one} for one in record_ids], remove, all_or_none=all_or_none)


def retrieve(call: Call, object_name: str) -> Answer:
    record_ids, names = call.query.get("ids", "").split(","), call.query.get("fields", "")
    return _retrieve(call, object_name, record_ids, names)


def retrieve_by_post(call: Call, object_name: str) -> Answer:
    body = call.object_body()
    record_ids, names = body.get("ids"), body.get("fields")
    if not isinstance(record_ids, list) or not isinstance(names, list):
        raise SalesforceError("INVALID_INPUT", "ids and fields must be lists")
    return _retrieve(call, object_name, [str(one) for one in record_ids], ",".join(map(str, names)))


def _retrieve(call: Call, object_name: str, record_ids: Sequence[str], names: str) -> Answer:
    sobject = call.org.object_named(object_name)
    if not names:
        raise SalesforceError("MISSING_ARGUMENT", "name at least one field")
    if len(record_ids) > RETRIEVED_MAX:
        raise SalesforceError("LIMIT_EXCEEDED", f"at most {RETRIEVED_MAX} records can be retrieved at once")
    fields = asked_fields(sobject, names)
    found: list[dict[str, object] | None] = []
    for record_id in record_ids:
        normal = ids.normalize(record_id)
        if normal is None or not normal.startswith(sobject.key_prefix):
            raise SalesforceError("MALFORMED_ID", f"malformed id {record_id}", fields=["Id"])
        record = call.org.store.get(sobject, normal)
        found.append(print_fields(call, sobject, record, fields) if record and not record["IsDeleted"] else None)
    return Answer(200, found)


def _save_each(
    call: Call,
    records: Sequence[dict[str, Any]],
    save: Save,
    *,
    all_or_none: bool,
    failed_extra: dict[str, Any] | None = None,
) -> Answer:
    """Return each record's result in the order of the request; with `all_or_none` one failure takes all back."""
    results: list[dict[str, Any]] = []
    with call.org.store.work.savepoint() as savepoint:
        for record in records:
            try:
                results.append(save(record))
            except SalesforceError as error:
                results.append(_failed(error, failed_extra))
        if all_or_none and not all(result["success"] for result in results):
            savepoint.roll_back()
            results = [_failed(_ROLLED_BACK, failed_extra) if result["success"] else result for result in results]
    return Answer(200, results)


def _failed(error: SalesforceError, extra: dict[str, Any] | None) -> dict[str, Any]:
    return {"success": False, "errors": [error.as_save_error()], **(extra or {})}


def _records(call: Call) -> list[dict[str, Any]]:
    records = call.object_body().get("records")
    if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
        raise SalesforceError("INVALID_INPUT", "records must be a list of objects")
    _limit(len(records))
    if sum(1 for _ in groupby(records, key=_type_name)) > CHUNKS_MAX:
        message = f"records of one type must stand together: at most {CHUNKS_MAX} chunks of types are allowed"
        raise SalesforceError("LIMIT_EXCEEDED", message)
    return records


def _limit(count: int) -> None:
    if count > RECORDS_MAX:
        message = f"record limit reached. cannot submit more than {RECORDS_MAX} records in a single request"
        raise SalesforceError("LIMIT_EXCEEDED", message)


def _all_or_none(call: Call) -> bool:
    return call.object_body().get("allOrNone") is True


def _type_name(record: dict[str, Any]) -> str:
    attributes = record.get("attributes")
    name = attributes.get("type") if isinstance(attributes, dict) else None
    return name if isinstance(name, str) else ""


def _object_of(call: Call, record: dict[str, Any]) -> SObject:
    name = _type_name(record)
    sobject = call.org.store.schema.object_named(name)
    if sobject is None:
        problem = f"sObject type '{name}' is not supported." if name else "the record lacks attributes.type"
        raise SalesforceError("INVALID_TYPE", problem)
    return sobject


def _take(record: dict[str, Any], name: str) -> tuple[Any, dict[str, Any]]:
    """Return the value under `name` in any letter case, and the record without it."""
    rest = {key: value for key, value in record.items() if key.lower() != name.lower()}
    return next((value for key, value in record.items() if key.lower() == name.lower()), None), rest


RESOURCES = (
    Resource("POST", "composite/sobjects", create),
    Resource("PATCH", "composite/sobjects", update),
    Resource("DELETE", "composite/sobjects", delete),
    Resource("GET", "composite/sobjects/{object_name}", retrieve),
    Resource("POST", "composite/sobjects/{object_name}", retrieve_by_post),
    Resource("PATCH", "composite/sobjects/{object_name}/{field_name}", upsert),
)
