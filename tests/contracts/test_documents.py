"""The documents are complete: valid OpenAPI, every operation described, every problem named."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.routes import HTTPRoute

from openapi.documents import FOLDER, TierDocuments, operations_of
from openapi.generate import generate
from shared.contract.document import ContractError, build_document, resolved
from shared.operations.operation import audit_class_of

DOCUMENTS = ["experience-v1", "experience-v2", "process-v1", "system-v1"]
# What answers without a token: probes, a vendor that signs, and what tiers need before they can judge a token.
PUBLIC = {"getLiveness", "getReadiness", "receiveStripeWebhook", "getRevokedTokens"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_operation_says_who_answers_for_it_and_how_it_is_guarded(
    documents: dict[str, dict[str, Any]], name: str
) -> None:
    for path, method, operation in operations_of(documents[name]):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        assert operation["tags"], where
        assert set(operation["tags"]) <= {tag["name"] for tag in documents[name]["tags"]}, where
        if operation["security"]:
            for member in ("owner", "capability", "scopes", "rate-class", "audit-class"):
                assert operation[f"x-quoteway-{member}"], where
            assert operation["security"] == [{"accessToken": operation["x-quoteway-scopes"]}], where


def test_what_is_to_be_in_the_audit_log_first_says_what_is_answered_if_it_cannot_be(tiers: list[TierDocuments]) -> None:
    checked = 0
    for tier in tiers:
        financial = {
            handler.operation_id
            for route in tier.app.routes
            if isinstance(route, HTTPRoute)
            for method, (handler, _) in route.route_handler_map.items()
            if method != "OPTIONS" and audit_class_of(handler.opt) == "financial"
        }
        for document in tier.documents.values():
            for _, _, operation in operations_of(document):
                if operation["operationId"] in financial:
                    assert "504" in operation["responses"], operation["operationId"]
                    checked += 1
    assert checked > 10


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_tag_is_described(documents: dict[str, dict[str, Any]], name: str) -> None:
    assert all(len(tag["description"]) > 10 for tag in documents[name]["tags"])


def test_a_tag_without_a_description_does_not_come_into_a_document(tiers: list[TierDocuments]) -> None:
    app = tiers[0].app
    described = app.state.tier.published.tags.pop("orders")
    try:
        with pytest.raises(ContractError, match="orders"):
            build_document(app)
    finally:
        app.state.tier.published.tags["orders"] = described


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_refusal_is_a_problem_and_says_what_it_means(documents: dict[str, dict[str, Any]], name: str) -> None:
    document = documents[name]
    for path, method, operation in operations_of(document):
        for status, answer in operation["responses"].items():
            found = resolved(document, answer)
            where = f"{method} {path} {status}"
            assert found["description"], where
            assert "X-Correlation-Id" in found["headers"], where
            if int(status) >= 400 and operation["operationId"] != "getReadiness":
                assert set(found["content"]) == {"application/json", "application/problem+json"}, where
                for media in found["content"].values():
                    assert media["schema"] == {"$ref": "#/components/schemas/Problem"}, where


@pytest.mark.parametrize("name", DOCUMENTS)
def test_guarded_operations_name_what_the_policies_can_answer(documents: dict[str, dict[str, Any]], name: str) -> None:
    document = documents[name]
    for path, method, operation in operations_of(document):
        if operation["security"]:
            by_policy = {"400", "401", "403", "429", "500", "503"} | ({"408", "413"} if method != "get" else set())
            assert by_policy <= set(operation["responses"]), f"{method} {path}"
            for status in ("409", "429", "503"):
                if status in operation["responses"]:
                    assert "Retry-After" in resolved(document, operation["responses"][status])["headers"]
            for status in ("401", "403"):
                assert "WWW-Authenticate" in resolved(document, operation["responses"][status])["headers"]


def test_what_a_result_says_in_headers_is_described(documents: dict[str, dict[str, Any]]) -> None:
    experience = documents["experience-v1"]["paths"]
    accepted = experience["/v1/orders"]["post"]["responses"]["202"]["headers"]

    assert accepted["Location"]["required"]
    assert accepted["Retry-After"]["schema"] == {"type": "integer", "minimum": 0, "format": "int32"}
    assert {"RateLimit", "RateLimit-Policy"} <= set(accepted)
    assert "ETag" in experience["/v1/orders/{orderId}"]["get"]["responses"]["200"]["headers"]


def test_nothing_is_open_but_what_has_to_be(documents: dict[str, dict[str, Any]]) -> None:
    for document in documents.values():
        for path, method, operation in operations_of(document):
            assert bool(operation["security"]) is (operation["operationId"] not in PUBLIC), f"{method} {path}"


def test_request_types_are_closed_as_the_service_is(documents: dict[str, dict[str, Any]]) -> None:
    for document in documents.values():
        for path, method, operation in operations_of(document):
            if operation["operationId"] == "receiveStripeWebhook":  # a vendor's own body: it may grow
                continue
            for media in operation.get("requestBody", {}).get("content", {}).values():
                assert resolved(document, media["schema"])["additionalProperties"] is False, f"{method} {path}"


def test_no_schema_is_left_over(documents: dict[str, dict[str, Any]]) -> None:
    for name, document in documents.items():
        text = str(document)
        for schema in document["components"]["schemas"]:
            assert f"'#/components/schemas/{schema}'" in text, f"{name}: {schema}"


def test_the_committed_files_are_what_the_code_says() -> None:
    for path, text in generate().items():
        assert path.read_text() == text, f"{path.relative_to(FOLDER.parent)}: run `python -m openapi.generate --write`"


def test_everything_that_is_taken_is_bounded(documents: dict[str, dict[str, Any]]) -> None:
    unbounded = [
        f"{name} {where}"
        for name, document in documents.items()
        for where, schema in taken(document)
        if not bounded(schema)
    ]

    assert unbounded == []


def taken(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of a parameter or in a request, with its place; references followed."""
    for path, method, operation in operations_of(document):
        where = f"{method} {path}"
        for parameter in operation.get("parameters", []):
            yield from inside(document, parameter["schema"], f"{where} {parameter['name']}")
        if operation["operationId"] != "receiveStripeWebhook":  # a vendor's own body, bounded by its bytes alone
            for media in operation.get("requestBody", {}).get("content", {}).values():
                yield from inside(document, media["schema"], where)


def inside(document: dict[str, Any], schema: dict[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    schema = resolved(document, schema)
    choices = schema.get("oneOf") or schema.get("anyOf")
    if choices:
        for choice in choices:
            yield from inside(
                document, {**choice, **{n: v for n, v in schema.items() if n not in {"oneOf", "anyOf"}}}, where
            )
        return
    yield where, schema
    for name, inner in schema.get("properties", {}).items():
        yield from inside(document, inner, f"{where}/{name}")
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            yield from inside(document, schema[word], f"{where}/{word}")


def bounded(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    if kind == "string":
        return bool({"maxLength", "enum", "const"} & set(schema)) or ends(schema.get("pattern", "*"))
    if kind == "integer":
        return "maximum" in schema or "enum" in schema
    if kind == "array":
        return "maxItems" in schema
    if kind == "object":
        return schema.get("additionalProperties") is False or "maxProperties" in schema
    return True


def ends(pattern: str) -> bool:
    """Whether a pattern bounds the length of what it matches."""
    return pattern.startswith("^") and not {"*", "+"} & set(pattern.replace(r"\+", "")) and ",}" not in pattern


def test_what_is_counted_says_so_in_its_headers(documents: dict[str, dict[str, Any]]) -> None:
    for document in documents.values():
        for path, method, operation in operations_of(document):
            for status, answer in operation["responses"].items():
                counted = bool(operation["security"]) and status not in {"401", "403", "500"}
                headers = resolved(document, answer)["headers"]
                assert ("RateLimit" in headers) is counted, f"{method} {path} {status}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_description_calls_a_field_what_only_our_code_calls_it(
    documents: dict[str, dict[str, Any]], name: str
) -> None:
    text = json.dumps(documents[name])
    for word in set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text)):
        first, *others = word.split("_")
        sent = first + "".join(each.capitalize() for each in others)
        assert f'"{sent}": {{' not in text, (word, sent)
