"""What the org says about its objects: describe global and describe."""

from typing import Any

from sandbox.vendors.salesforce.records.schema import Field, Schema, SObject

_XSD_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
}


def describe_global(schema: Schema, base_path: str) -> dict[str, Any]:
    return {
        "encoding": "UTF-8",
        "maxBatchSize": 200,
        "sobjects": [describe_summary(sobject, base_path) for sobject in schema],
    }


def describe_summary(sobject: SObject, base_path: str) -> dict[str, Any]:
    address = f"{base_path}/sobjects/{sobject.name}"
    changeable = sobject.createable and not sobject.is_event
    return {
        "name": sobject.name,
        "label": sobject.label,
        "labelPlural": f"{sobject.label}s",
        "keyPrefix": sobject.key_prefix,
        "custom": sobject.is_custom,
        "createable": sobject.createable,
        "updateable": changeable,
        "deletable": changeable,
        "queryable": sobject.queryable,
        "retrieveable": sobject.queryable,
        "searchable": False,
        "urls": {"sobject": address, "describe": f"{address}/describe", "rowTemplate": f"{address}/{{ID}}"},
    }


def describe_object(schema: Schema, sobject: SObject, base_path: str) -> dict[str, Any]:
    relationships = [
        {
            "relationshipName": one.name,
            "childSObject": one.child.name,
            "field": one.reference.name,
            "cascadeDelete": one.reference.cascade,
        }
        for one in schema.children_of(sobject)
        if one.reference.visible
    ]
    fields = [_describe_field(field) for field in sobject.visible_fields]
    return {**describe_summary(sobject, base_path), "childRelationships": relationships, "fields": fields}


def _describe_field(field: Field) -> dict[str, Any]:
    is_text = field.kind in ("string", "textarea", "email", "picklist")
    is_decimal = field.kind in ("double", "currency", "percent")
    return {
        "name": field.name,
        "label": field.label,
        "type": field.kind,
        "soapType": _XSD_TYPES.get(field.kind, "xsd:string"),
        "length": field.length if is_text else 18 if field.kind in ("id", "reference") else 0,
        "digits": field.precision if field.kind == "int" else 0,
        "precision": field.precision if is_decimal else 0,
        "scale": field.scale if is_decimal else 0,
        "custom": field.is_custom,
        "createable": field.createable,
        "updateable": field.updateable,
        "nillable": not field.required and field.kind not in ("id", "boolean"),
        "defaultedOnCreate": field.default is not None or field.name == "OwnerId",
        "calculated": field.formula is not None,
        "autoNumber": bool(field.auto_number),
        "externalId": field.external_id,
        "unique": field.unique,
        "idLookup": field.external_id or field.kind == "id",
        "filterable": not (field.kind == "textarea" and field.length > 255),
        "cascadeDelete": field.cascade,
        "referenceTo": [field.reference_to] if field.reference_to else [],
        "relationshipName": field.relationship or None,
        "restrictedPicklist": field.restricted,
        "picklistValues": [
            {"active": True, "defaultValue": value == field.default, "label": value, "value": value}
            for value in field.picklist
        ],
    }
