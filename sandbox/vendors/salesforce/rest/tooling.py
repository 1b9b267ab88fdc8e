"""The Tooling API, as far as it tells which validation rules an object has.

Source: Tooling API, "ValidationRule": ValidationName, Active, ErrorMessage; EntityDefinition is the rule's object.
"""

from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.records.ids import case_safe
from sandbox.vendors.salesforce.rest.calls import Answer, Call, Resource
from sandbox.vendors.salesforce.soql.lexer import unescape
from sandbox.vendors.salesforce.soql.parser import Comparison, Path, SelectedField, parse

_KEY_PREFIX = "03d"
_OBJECT = "EntityDefinition.QualifiedApiName"


def query(call: Call) -> Answer:
    """SELECT … FROM ValidationRule WHERE EntityDefinition.QualifiedApiName = '…'; nothing else is told."""
    asked = parse(call.query.get("q", ""))
    match asked.where:
        case Comparison(left=Path(text=left), operator="=", right=right) if left.lower() == _OBJECT.lower():
            name = unescape(asked.text, right)
        case _:
            raise SalesforceError("MALFORMED_QUERY", f"the sandbox's Tooling API filters by {_OBJECT} only")
    if asked.source.text.lower() != "validationrule":
        raise SalesforceError("INVALID_TYPE", f"sObject type '{asked.source.text}' is not supported.")
    sobject = call.org.store.schema.object_named(name)
    records = []
    for number, rule in enumerate(sobject.rules if sobject else (), start=1):
        values = {
            "Id": case_safe(f"{_KEY_PREFIX}QW0{number:09d}"),
            "ValidationName": rule.name,
            "Active": True,
            "ErrorMessage": rule.message,
        }
        selected = [one.path.text for one in asked.selected if isinstance(one, SelectedField)]
        unknown = [one for one in selected if one not in values]
        if unknown:
            raise SalesforceError("INVALID_FIELD", f"No such column '{unknown[0]}' on entity 'ValidationRule'.")
        records.append({"attributes": {"type": "ValidationRule"}, **{one: values[one] for one in selected}})
    return Answer(200, {"size": len(records), "totalSize": len(records), "done": True, "records": records})


RESOURCES = (Resource("GET", "tooling/query", query),)
