"""What Salesforce External Services can import: the naming and typing rules, checked on the generated document."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from experience_api.app import create_app
from experience_api.settings import ExperienceSettings
from shared.contract import build_document

NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
OPERATION_ID = re.compile(r"[a-z][A-Za-z0-9]{0,59}")
# Apex's reserved words (Apex Developer Guide, "Reserved Keywords"), those reserved for later among them.
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
# RFC 9457 names it so; the rules exempt it.
EXEMPT = {("Problem", "type")}
AMOUNT = re.compile(r".*(Amount|Price)|amountDue")


@pytest.fixture(scope="module")
def document(settings: ExperienceSettings) -> dict[str, Any]:
    return build_document(create_app(settings))


@pytest.fixture(scope="module")
def schemas(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = document["components"]["schemas"]
    return found


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def properties(schemas: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, schema in schemas.items():
        for property_name, described in schema.get("properties", {}).items():
            yield name, property_name, described


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nodes(inner)
    if isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


def referenced(schema: Any) -> set[str]:
    return {node["$ref"].rsplit("/", 1)[1] for node in nodes(schema) if "$ref" in node}


def test_all_operations_are_there(operations: list[tuple[str, str, dict[str, Any]]]) -> None:
    assert {(method, path, operation["operationId"]) for method, path, operation in operations} == {
        ("post", "/v1/orders", "submitOrder"),
        ("get", "/v1/orders/{orderId}", "getOrder"),
        ("get", "/v1/accounts/{accountId}/overview", "getAccountOverview"),
        ("get", "/v1/accounts/{accountId}/credit-status", "getCreditStatus"),
        ("get", "/v1/accounts/{accountId}/invoices", "listInvoices"),
        ("post", "/v1/quotes/{quoteId}/pricing-preview", "previewPricing"),
        ("get", "/health/live", "getLiveness"),
        ("get", "/health/ready", "getReadiness"),
    }


def test_rule_5_what_clients_need_from_headers_is_in_the_body(schemas: dict[str, dict[str, Any]]) -> None:
    accepted = schemas["OrderAccepted"]["properties"]
    assert {"statusUrl", "retryAfterSeconds", "replayed", "warnings"} <= set(accepted)
    assert {"version", "retryAfterSeconds", "warnings"} <= set(schemas["OrderView"]["properties"])
    assert "retryAfterSeconds" in schemas["Problem"]["properties"]


def test_rule_6_operation_ids(operations: list[tuple[str, str, dict[str, Any]]]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations]

    assert [name for name in ids if not OPERATION_ID.fullmatch(name)] == []
    assert len({name.lower() for name in ids}) == len(ids)


def test_rule_6_names(document: dict[str, Any], schemas: dict[str, dict[str, Any]]) -> None:
    parameters = [
        node["name"] for node in nodes(document["paths"]) if node.get("in") in {"path", "query"} and "schema" in node
    ]
    names = [*schemas, *(name for _, name, _ in properties(schemas)), *parameters]

    assert [name for name in names if not NAME.fullmatch(name)] == []
    assert set(parameters) == {"orderId", "accountId", "quoteId", "openOnly", "pageSize", "cursor"}


def test_rule_7_no_apex_reserved_word_is_a_property_or_parameter(
    document: dict[str, Any], schemas: dict[str, dict[str, Any]]
) -> None:
    reserved = [
        (schema, name)
        for schema, name, _ in properties(schemas)
        if name.lower() in APEX_RESERVED_WORDS and (schema, name) not in EXEMPT
    ]
    parameters = [node["name"] for node in nodes(document["paths"]) if "in" in node and "schema" in node]

    assert reserved == []
    assert [name for name in parameters if name.lower() in APEX_RESERVED_WORDS] == []


def test_rule_7_no_names_differ_by_case_only(schemas: dict[str, dict[str, Any]]) -> None:
    for schema in schemas.values():
        names = [name.lower() for name in schema.get("properties", {})]
        assert len(set(names)) == len(names)
    assert len({name.lower() for name in schemas}) == len(schemas)


def test_rule_8_every_property_is_typed_and_no_array_is_anonymous(schemas: dict[str, dict[str, Any]]) -> None:
    for schema, name, described in properties(schemas):
        assert "$ref" in described or isinstance(described.get("type"), str), f"{schema}.{name} has no type"
        if described.get("type") == "array":
            items = described["items"]
            assert "$ref" in items or items["type"] in {"string", "integer", "boolean"}, f"{schema}.{name}"


def test_rule_8_no_construct_that_external_services_cannot_read(document: dict[str, Any]) -> None:
    for node in nodes(document):
        assert not {"oneOf", "anyOf", "allOf", "not", "patternProperties"} & set(node), node
        named = node.get("type")
        assert named != "null", node
        assert not isinstance(named, list), node


def test_rule_8_references_are_local_and_not_recursive(schemas: dict[str, dict[str, Any]]) -> None:
    def reach(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"{' > '.join(above)} > {name}"
        for inner in referenced(schemas[name]):
            reach(inner, (*above, name))

    for name in schemas:
        reach(name, ())


def test_rule_9_money_is_a_string_with_a_pattern_beside_its_currency(schemas: dict[str, dict[str, Any]]) -> None:
    amounts = [(schema, name, described) for schema, name, described in properties(schemas) if AMOUNT.fullmatch(name)]

    assert len(amounts) > 15
    for schema, name, described in amounts:
        assert described["type"] == "string", f"{schema}.{name}"
        assert "pattern" in described, f"{schema}.{name}"
        assert "currencyIsoCode" in schemas[schema]["properties"], f"{schema}.{name}"
    assert all(described.get("type") != "number" for _, _, described in properties(schemas))


def test_rule_9_descriptions_are_short_enough(document: dict[str, Any]) -> None:
    descriptions = [node["description"] for node in nodes(document) if isinstance(node.get("description"), str)]

    assert max(map(len, descriptions)) <= 1333


def test_every_answer_field_is_required_so_that_its_type_is_plain(schemas: dict[str, dict[str, Any]]) -> None:
    for name, schema in schemas.items():
        if name not in {"Problem", "Health"} and "properties" in schema:
            assert set(schema["required"]) == set(schema["properties"]), name


def test_every_operation_declares_its_policy_its_tag_and_documented_parameters(
    operations: list[tuple[str, str, dict[str, Any]]],
) -> None:
    for _, path, operation in operations:
        assert operation["tags"], path
        assert operation.get("description"), path
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), f"{path} {parameter['name']}"
        if not path.startswith("/health"):
            assert operation["x-quoteway-owner"], path
            assert operation["security"][0]["accessToken"] == operation["x-quoteway-scopes"] != [], path


def test_a_get_has_no_body_and_no_operation_answers_204(operations: list[tuple[str, str, dict[str, Any]]]) -> None:
    for method, path, operation in operations:
        assert method != "get" or "requestBody" not in operation, path
        assert "204" not in operation["responses"], path


def test_problems_are_offered_as_plain_json_first_of_all(
    document: dict[str, Any],
    operations: list[tuple[str, str, dict[str, Any]]],
) -> None:
    shared_answers = document["components"]["responses"]
    for _, path, operation in operations:
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and not path.startswith("/health"):
                found = shared_answers[answer["$ref"].rsplit("/", 1)[1]] if "$ref" in answer else answer
                assert set(found["content"]) == {"application/json", "application/problem+json"}, path
