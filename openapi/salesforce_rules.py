"""Lint rules for Salesforce External Services; each docstring tells the incident and the way out.

They run on the profile (experience_api/external_services.py) at every check of the contracts.
"""

import re
from collections.abc import Callable

from openapi.document_walk import all_schemas, body_properties, named_schemas, nodes, properties, recursions
from openapi.documents import Document, formatted, operations_of

Rule = Callable[[Document, Document | None], list[str]]

SIZE_MAX = 10_000_000
OPERATIONS_MAX = 40
SCHEMAS_MAX = 150
DESCRIPTION_CHARS_MAX = 1333
ANSWER_SECONDS_MAX = 8
MEDIA_TYPES = frozenset({"application/json", "application/x-www-form-urlencoded", "text/plain"})
METHODS = frozenset({"get", "post", "put", "patch", "delete"})
NOT_IN_3_0 = frozenset(
    """
    const $defs prefixItems contains unevaluatedProperties unevaluatedItems dependentSchemas dependentRequired if then
    else propertyNames examples contentEncoding contentMediaType $dynamicRef $schema webhooks
    """.split()  # noqa: SIM905 a list of words reads better as text
)
# Apex's reserved words (Apex Developer Guide, "Reserved Keywords"), including those reserved for later.
APEX_RESERVED_WORDS = frozenset(
    """
    abstract activate and any array as asc autonomous begin bigdecimal blob boolean break bulk by byte case cast catch
    char class collect commit const continue currency date datetime decimal default delete desc do double else end enum
    exception exit export extends false final finally float for from global goto group having hint if implements import
    in inner insert instanceof int integer interface into join like limit list long loop map merge new not null nulls
    number object of on or order outer override package parallel pragma private protected public retrieve return
    rollback select set sharing short sobject sort static string super switch synchronized system testmethod then this
    throw time transaction trigger true try type undelete update upsert using virtual void webservice when where while
    """.split()  # noqa: SIM905 a hundred words read better as text
)
# RFC 9457's name; Salesforce's importer renames it, and none of our Apex reads it.
EXEMPT = frozenset({("Problem", "type")})
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
OPERATION_ID = re.compile(r"[a-z][A-Za-z0-9]{0,59}")
MONEY = re.compile(r"(.*[a-z])?([Aa]mount|[Pp]rice|[Qq]uantity|[Pp]ercent)([A-Z].*)?")
# What other clients find in a header must be in the body here.
IN_THE_BODY = {
    "ETag": "version",
    "Location": "statusUrl",
    "Retry-After": "retryAfterSeconds",
    "Deprecation": "warnings",
}
ANONYMOUS_ARRAY_ITEMS = frozenset({"string", "integer", "boolean"})


def rule_1_is_openapi_3_0(document: Document, _: Document | None) -> list[str]:
    """Check that the document is OpenAPI 3.0, the version that External Services reads.

    A 3.1 document that was only relabelled imports without an error and loses every nullable property: `type` as a
    list is not understood. Way out: experience_api/external_services.py converts; teach it the construct.
    """
    found = [] if re.fullmatch(r"3\.0\.\d", document["openapi"]) else [f"openapi is {document['openapi']}."]
    for where, schema in all_schemas(document):
        if isinstance(schema.get("type"), list) or schema.get("type") == "null":
            found.append(f"{where}: type is {schema['type']}; 3.0 says nullable.")
        if isinstance(schema.get("exclusiveMinimum"), int | float) and schema["exclusiveMinimum"] is not True:
            found.append(f"{where}: exclusiveMinimum is a number; in 3.0 it is a flag beside minimum.")
        found += [f"{where}: {word} is not in 3.0." for word in NOT_IN_3_0 & set(schema)]
    return found + [f"{word} is not in 3.0." for word in {"webhooks", "jsonSchemaDialect"} & set(document)]


def rule_2_is_small_enough(document: Document, _: Document | None) -> list[str]:
    """Check the size: an org takes 10 MB a document and 3,000 active operations in all.

    A document over the limit fails to register with a message about something else. Way out: a document for each
    capability.
    """
    size, operations = len(formatted(document).encode()), len(list(operations_of(document)))
    schemas = len(document["components"]["schemas"])
    found = [f"The document has {size} bytes, more than {SIZE_MAX}."] if size > SIZE_MAX else []
    found += [f"{operations} operations are more than {OPERATIONS_MAX}."] if operations > OPERATIONS_MAX else []
    return found + ([f"{schemas} schemas are more than {SCHEMAS_MAX}."] if schemas > SCHEMAS_MAX else [])


def rule_3_methods_and_bodies(document: Document, _: Document | None) -> list[str]:
    """Check the methods: only GET, POST, PUT, PATCH and DELETE are imported, and Apex sends no body with a GET.

    A search with a body on GET arrived without its criteria and returned everything. Way out: POST.
    """
    found = []
    for path, method, operation in operations_of(document):
        if method not in METHODS:
            found.append(f"{method.upper()} {path}: this method is not imported.")
        if method == "get" and "requestBody" in operation:
            found.append(f"GET {path} has a body.")
    return found


def rule_4_media_types(document: Document, _: Document | None) -> list[str]:
    """Check media types: `application/json`, forms and `text/plain`. An unknown one drops the whole operation.

    Errors as `application/problem+json` made every operation vanish from Flow. Way out: the experience tier answers
    problems as plain JSON unless `application/problem+json` is asked for.
    """
    found = []
    for path, method, operation in operations_of(document):
        contents = [("its body", operation.get("requestBody", {}).get("content", {}))]
        contents += [(status, answer.get("content", {})) for status, answer in operation["responses"].items()]
        for where, content in contents:
            found += [
                f"{method.upper()} {path}, {where}: {media_type} is not known."
                for media_type in content
                if media_type not in MEDIA_TYPES
            ]
    return found


def rule_5_headers_are_in_the_body(document: Document, _: Document | None) -> list[str]:
    """Check that headers are repeated in the body: a Flow never sees an answer's headers.

    A Flow polled without a pause, since Retry-After was only a header. Way out: `ETag` as `version`, `Location` as
    `statusUrl`, `Retry-After` as `retryAfterSeconds`, the deprecation as `warnings`, a replay as `replayed`.
    """
    found = []
    for path, method, operation in operations_of(document):
        takes_key = any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", []))
        for status, answer in operation["responses"].items():
            in_body = body_properties(document, answer)
            for header in answer.get("headers", {}):
                member = IN_THE_BODY.get(header)
                # A problem needs no warnings: its sender is told in the answers that succeed.
                if member and member not in in_body and not (member == "warnings" and int(status) >= 400):
                    found.append(f"{method.upper()} {path} {status}: {header} is not in the body as {member}.")
            if takes_key and int(status) < 300 and "replayed" not in in_body:
                found.append(f"{method.upper()} {path} {status}: a replay is not in the body as replayed.")
    return found


def rule_6_names(document: Document, _: Document | None) -> list[str]:
    """Check names: operations become Apex methods and schemas Apex classes, so they are unique, short identifiers.

    `get-order` and `getOrder` became one method, and the later won. Way out: camelCase, 60 characters at most. Headers
    are exempt.
    """
    found, seen = [], set()
    for path, method, operation in operations_of(document):
        name = operation["operationId"]
        if not OPERATION_ID.fullmatch(name):
            found.append(f"{method.upper()} {path}: {name} is no operation id for Apex.")
        if name.lower() in seen:
            found.append(f"{method.upper()} {path}: {name} is there twice.")
        seen.add(name.lower())
        found += [
            f"{method.upper()} {path}: the parameter {parameter['name']} is no name for Apex."
            for parameter in operation.get("parameters", [])
            if parameter["in"] != "header" and not NAME.fullmatch(parameter["name"])
        ]
    found += [f"The schema {name} is no name for Apex." for name in named_schemas(document) if not NAME.fullmatch(name)]
    return found + [
        f"{schema}.{name} is no name for Apex." for schema, name, _ in properties(document) if not NAME.fullmatch(name)
    ]


def rule_7_reserved_words(document: Document, _: Document | None) -> list[str]:
    """Check property names: Apex keywords do not compile, and Apex ignores case.

    `currency` and `order` as properties let the registration through and broke every generated class. Way out:
    `currencyIsoCode`, `orderId`. RFC 9457's `type` is exempt.
    """
    found = [
        f"{schema}.{name} is a reserved word of Apex."
        for schema, name, _ in properties(document)
        if name.lower() in APEX_RESERVED_WORDS and (schema, name) not in EXEMPT
    ]
    found += [
        f"{method.upper()} {path}: the parameter {parameter['name']} is a reserved word of Apex."
        for path, method, operation in operations_of(document)
        for parameter in operation.get("parameters", [])
        if parameter["name"].lower() in APEX_RESERVED_WORDS
    ]
    for name, schema in named_schemas(document).items():
        names = [each.lower() for each in schema.get("properties", {})]
        found += [f"{name}: two properties differ only by case."] if len(set(names)) < len(names) else []
    names = [name.lower() for name in named_schemas(document)]
    return found + (["Two schemas differ only by case."] if len(set(names)) < len(names) else [])


def rule_8_types_are_plain(document: Document, _: Document | None) -> list[str]:
    """Check that every property has one type that Apex has, and every list has named or plain items.

    A property with `oneOf` became an Object whose members no Flow can reach; a recursive type failed the import. Way
    out: a struct of its own, an empty text instead of null.
    """
    found = []
    for where, schema in all_schemas(document):
        bad = {"oneOf", "anyOf", "not", "patternProperties"} & set(schema)
        found += [f"{where}: {word} has no counterpart in Apex." for word in bad]
        reference = schema.get("$ref", "#/components/schemas/")
        if not reference.startswith("#/components/schemas/"):
            found.append(f"{where}: {reference} is not a type of this document.")
    for schema_name, name, described in properties(document):
        if not {"$ref", "type", "allOf"} & set(described):
            found.append(f"{schema_name}.{name} has no type.")
        items = described.get("items", {"$ref": ""})
        if "$ref" not in items and items.get("type") not in ANONYMOUS_ARRAY_ITEMS:
            found.append(f"{schema_name}.{name} is a list of something without a name.")
    for path, method, operation in operations_of(document):
        found += [
            f"{method.upper()} {path}: a parameter without a name or a type."
            for parameter in operation.get("parameters", [])
            if not parameter.get("name") or "type" not in parameter.get("schema", {})
        ]
    return found + recursions(document)


def rule_9_money_text_and_emptiness(document: Document, _: Document | None) -> list[str]:
    """Check that money and quantities are text with a pattern, descriptions short, and answers never empty.

    The incidents: 0.1 + 0.2 in Apex, a description cut in the middle, and a 204 that a Flow takes for a fault. Way out:
    decimal strings; 1,333 characters; `{}` or `[]`.
    """
    found = []
    for schema, name, described in properties(document):
        if described.get("type") == "number":
            found.append(f"{schema}.{name} is a number: say money and quantities as text.")
        if MONEY.fullmatch(name) and not (described.get("type") == "string" and "pattern" in described):
            found.append(f"{schema}.{name} has to be text with a pattern.")
    for where, node in nodes(document, ""):
        text = node.get("description")
        if isinstance(text, str) and len(text) > DESCRIPTION_CHARS_MAX:
            found.append(f"{where}: a description of {len(text)} characters, more than {DESCRIPTION_CHARS_MAX}.")
    for path, method, operation in operations_of(document):
        for status, answer in operation["responses"].items():
            if status == "204" or "content" not in answer:
                found.append(f"{method.upper()} {path} {status} has no body.")
    return found


def rule_10_nothing_registered_is_taken_away(document: Document, published: Document | None) -> list[str]:
    """Check that nothing registered is removed: Salesforce refuses a newer document that lacks what a Flow or Apex may
    use.

    A renamed operation kept an org on last year's document, and nobody noticed. Way out: a new version beside the old.
    Without a published document there is nothing to compare with.
    """
    if published is None:
        return []
    found = []
    now = {operation["operationId"]: (path, method, operation) for path, method, operation in operations_of(document)}
    for path, method, operation in operations_of(published):
        name = operation["operationId"]
        if name not in now:
            found.append(f"The operation {name} is gone.")
            continue
        if now[name][:2] != (path, method):
            found.append(f"The operation {name} has moved to {now[name][1].upper()} {now[name][0]}.")
        here = {parameter["name"] for parameter in now[name][2].get("parameters", [])}
        found += [
            f"{name}: the required parameter {parameter['name']} is gone."
            for parameter in operation.get("parameters", [])
            if parameter.get("required") and parameter["name"] not in here
        ]
    for name, schema in named_schemas(published).items():
        if name not in named_schemas(document):
            found.append(f"The type {name} is gone.")
            continue
        here = set(named_schemas(document)[name].get("properties", {}))
        gone = [each for each in schema.get("required", []) if each not in here]
        found += [f"{name}: the required property {each} is gone." for each in gone]
    return found


def rule_11_answers_in_time(document: Document, _: Document | None) -> list[str]:
    """Check that each operation answers within 8 s, or is 202 and polled: Apex waits 10 s by default.

    A slow ERP made a Lightning page fail after 10 s although the order was taken. Way out: 202 with `statusUrl`.
    """
    found = []
    for path, method, operation in operations_of(document):
        within = operation.get("x-quoteway-answer-within-seconds")
        polled = "202" in operation["responses"] and "statusUrl" in body_properties(
            document, operation["responses"]["202"]
        )
        if not polled and (within is None or within > ANSWER_SECONDS_MAX):
            found.append(f"{method.upper()} {path} promises no answer within {ANSWER_SECONDS_MAX} s.")
    return found


def rule_12_says_nothing_of_security(document: Document, _: Document | None) -> list[str]:
    """Check that the document has no `security`: External Services ignores it, and a Named Credential decides.

    A team believed that the scheme in the document was in force. Way out: leave it out, and let the service refuse.
    """
    found = ["The document names security schemes."] if "securitySchemes" in document["components"] else []
    found += ["The document has a security requirement."] if "security" in document else []
    return found + [
        f"{method.upper()} {path} has a security requirement."
        for path, method, operation in operations_of(document)
        if "security" in operation
    ]


RULES: tuple[Rule, ...] = (
    rule_1_is_openapi_3_0,
    rule_2_is_small_enough,
    rule_3_methods_and_bodies,
    rule_4_media_types,
    rule_5_headers_are_in_the_body,
    rule_6_names,
    rule_7_reserved_words,
    rule_8_types_are_plain,
    rule_9_money_text_and_emptiness,
    rule_10_nothing_registered_is_taken_away,
    rule_11_answers_in_time,
    rule_12_says_nothing_of_security,
)


def lint(document: Document, published: Document | None) -> dict[str, list[str]]:
    """Return the findings by rule; rules without findings are left out."""
    findings = {rule.__name__: rule(document, published) for rule in RULES}
    return {name: found for name, found in findings.items() if found}
