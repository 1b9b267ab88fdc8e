"""The sobjects resources: describe, and single records by id and by external id."""

from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.records.field_values import render
from sandbox.vendors.salesforce.records.schema import Field, Record, SObject
from sandbox.vendors.salesforce.rest.calls import Answer, Call, Resource
from sandbox.vendors.salesforce.rest.describe import describe_global, describe_object, describe_summary
from sandbox.vendors.salesforce.rest.record_writes import (
    SeveralMatchesError,
    create_record,
    delete_record,
    external_id_field,
    find_by_external_id,
    find_by_id,
    update_record,
    upsert_record,
)
from sandbox.vendors.salesforce.soql.projection import attributes


def list_objects(call: Call) -> Answer:
    return Answer(200, describe_global(call.org.store.schema, call.base_path))


def read_object(call: Call, object_name: str) -> Answer:
    sobject = call.org.object_named(object_name)
    return Answer(200, {"objectDescribe": describe_summary(sobject, call.base_path), "recentItems": []})


def describe(call: Call, object_name: str) -> Answer:
    sobject = call.org.object_named(object_name)
    return Answer(200, describe_object(call.org.store.schema, sobject, call.base_path))


def create(call: Call, object_name: str) -> Answer:
    sobject = call.org.object_named(object_name)
    saved = create_record(call.org, sobject, call.object_body(), call.actor)
    location = f"{call.base_path}/sobjects/{sobject.name}/{saved.record_id}"
    return Answer(201, saved.as_json(), {"Location": location})


def read(call: Call, object_name: str, record_id: str) -> Answer:
    sobject = call.org.object_named(object_name)
    return Answer(200, print_record(call, sobject, find_by_id(call.org, sobject, record_id)))


def update(call: Call, object_name: str, record_id: str) -> Answer:
    sobject = call.org.object_named(object_name)
    update_record(call.org, sobject, record_id, call.object_body(), call.actor)
    return Answer(204)


def delete(call: Call, object_name: str, record_id: str) -> Answer:
    sobject = call.org.object_named(object_name)
    delete_record(call.org, sobject, find_by_id(call.org, sobject, record_id), call.actor)
    return Answer(204)


def read_by_external_id(call: Call, object_name: str, field_name: str, value: str) -> Answer:
    sobject = call.org.object_named(object_name)
    key = external_id_field(sobject, field_name)
    try:
        return Answer(200, print_record(call, sobject, find_by_external_id(call.org, sobject, key, value)))
    except SeveralMatchesError as several:
        return _several(call, sobject, several)


def upsert(call: Call, object_name: str, field_name: str, value: str) -> Answer:
    """201 created, 200 updated, 300 several matches."""
    sobject = call.org.object_named(object_name)
    key = external_id_field(sobject, field_name)
    update_only = call.query.get("updateOnly", "").lower() == "true"
    try:
        saved = upsert_record(call.org, sobject, key, value, call.object_body(), call.actor, update_only=update_only)
    except SeveralMatchesError as several:
        return _several(call, sobject, several)
    location = f"{call.base_path}/sobjects/{sobject.name}/{saved.record_id}"
    return Answer(
        201 if saved.created else 200, saved.as_upsert_json(), {"Location": location} if saved.created else {}
    )


def delete_by_external_id(call: Call, object_name: str, field_name: str, value: str) -> Answer:
    sobject = call.org.object_named(object_name)
    key = external_id_field(sobject, field_name)
    try:
        delete_record(call.org, sobject, find_by_external_id(call.org, sobject, key, value), call.actor)
    except SeveralMatchesError as several:
        return _several(call, sobject, several)
    return Answer(204)


def print_record(call: Call, sobject: SObject, record: Record) -> dict[str, object]:
    """Return all fields, or those of the `fields` parameter and the id."""
    return print_fields(call, sobject, record, asked_fields(sobject, call.query.get("fields")))


def print_fields(call: Call, sobject: SObject, record: Record, fields: list[Field]) -> dict[str, object]:
    printed: dict[str, object] = {"attributes": attributes(sobject, record, call.version)}
    printed |= {field.name: render(call.org.store.value(record, field)) for field in fields}
    return {**printed, "Id": record["Id"]}


def asked_fields(sobject: SObject, names: str | None) -> list[Field]:
    """Raises INVALID_FIELD for a name that is no column."""
    if not names:
        return list(sobject.visible_fields)
    fields = []
    for name in names.split(","):
        field = sobject.field_named(name.strip())
        if field is None:
            message = f"No such column '{name.strip()}' on sobject of type {sobject.name}"
            raise SalesforceError("INVALID_FIELD", message)
        fields.append(field)
    return fields


def _several(call: Call, sobject: SObject, several: SeveralMatchesError) -> Answer:
    base = f"{call.base_path}/sobjects/{sobject.name}"
    return Answer(300, [f"{base}/{record_id}" for record_id in several.record_ids])


RESOURCES = (
    Resource("GET", "sobjects", list_objects),
    Resource("GET", "sobjects/{object_name}", read_object),
    Resource("POST", "sobjects/{object_name}", create),
    Resource("GET", "sobjects/{object_name}/describe", describe),
    Resource("GET", "sobjects/{object_name}/{record_id}", read),
    Resource("PATCH", "sobjects/{object_name}/{record_id}", update),
    Resource("DELETE", "sobjects/{object_name}/{record_id}", delete),
    Resource("GET", "sobjects/{object_name}/{field_name}/{value}", read_by_external_id),
    Resource("PATCH", "sobjects/{object_name}/{field_name}/{value}", upsert),
    Resource("DELETE", "sobjects/{object_name}/{field_name}/{value}", delete_by_external_id),
)
