"""What Salesforce imports: a real 3.0 document, held to its twelve rules, each with documents that break it."""

from copy import deepcopy
from typing import Any

import pytest

from experience_api.external_services import ProfileError, salesforce_profile
from openapi.documents import operations_of
from openapi.generate import salesforce_profiles
from openapi.salesforce_rules import RULES, lint
from tests.contracts.broken_profiles import BROKEN, Breaks

# It was read from Apex's grammar, and is what the lint is about: a slip in the list must not go unseen.
SURELY_RESERVED = {"type", "class", "order", "list", "date", "number", "limit", "currency", "end"}


@pytest.fixture(scope="session")
def profile(documents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The profile of the oldest version."""
    return salesforce_profile(documents["experience-v1"])


def test_every_profile_keeps_the_rules(documents: dict[str, dict[str, Any]]) -> None:
    profiles = salesforce_profiles(documents)

    assert len(profiles) == len([name for name in documents if name.startswith("experience-")]) > 0
    for path, profile in profiles.items():
        assert lint(profile, None) == {}, path.name


def test_there_are_twelve_rules_each_with_its_story_and_its_way_out() -> None:
    assert [rule.__name__.split("_")[1] for rule in RULES] == [str(number) for number in range(1, 13)]
    for rule in RULES:
        assert rule.__doc__, rule
        assert "Way out:" in rule.__doc__.replace("\n    ", " "), rule
    assert sorted(BROKEN) == list(range(1, 13))


@pytest.mark.parametrize(
    ("number", "breaks"),
    [(number, breaks) for number, cases in BROKEN.items() for breaks in cases],
    ids=lambda value: value.__name__ if callable(value) else str(value),
)
def test_a_document_that_breaks_a_rule_is_found_out_by_that_rule(
    profile: dict[str, Any], number: int, breaks: Breaks
) -> None:
    broken = deepcopy(profile)
    breaks(broken)

    findings = lint(broken, profile)

    assert RULES[number - 1].__name__ in findings, findings
    # With the rule switched off nobody else would have noticed, but where one change breaks two rules by its nature.
    expected = {RULES[each - 1].__name__ for each in (number, *BOTH.get(breaks.__name__, ()))}
    assert set(findings) == expected


# What is taken away or renamed is also missed by whoever registered the document before.
BOTH = {
    "entity_tag_only_in_a_header": (10,),
    "address_only_in_a_header": (10,),
    "replay_not_told": (10,),
    "deprecation_only_in_a_header": (10,),
    "operation_id_with_a_dash": (10,),
    "operation_id_too_long": (10,),
    "operation_ids_alike": (10,),
}


def test_it_is_another_document_than_the_3_1_one(profile: dict[str, Any], documents: dict[str, dict[str, Any]]) -> None:
    """Relabelling the 3.1 document would not do: the rules find much in it."""
    assert len(lint(documents["experience-v1"], None)) >= 3
    assert profile["openapi"] == "3.0.3"
    assert "/health/ready" not in profile["paths"]


def test_nullable_constant_and_bounds_are_said_as_3_0_says_them() -> None:
    document = minimal(
        {
            "name": {"oneOf": [{"type": "string", "maxLength": 5}, {"type": "null"}], "description": "A name."},
            "kind": {"const": "fixed"},
            "part": {"anyOf": [{"$ref": "#/components/schemas/Part"}, {"type": "null"}]},
            "count": {"type": ["integer", "null"], "exclusiveMinimum": 0, "examples": [1, 2]},
            "text": {"type": "string", "pattern": r"^[a-z]$(?!\n)"},
            "labels": {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
        }
    )

    converted = salesforce_profile(document)["components"]["schemas"]["Answer"]["properties"]

    assert converted == {
        "name": {"type": "string", "maxLength": 5, "nullable": True, "description": "A name."},
        "kind": {"type": "string", "enum": ["fixed"]},
        "part": {"allOf": [{"$ref": "#/components/schemas/Part"}], "nullable": True},
        "count": {"type": "integer", "nullable": True, "minimum": 0, "exclusiveMinimum": True, "example": 1},
        "text": {"type": "string", "pattern": "^[a-z]$"},
        "labels": {"type": "object", "additionalProperties": {"type": "string", "nullable": True}},
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": ["string", "integer"]},
        {"type": "array", "prefixItems": [{"type": "string"}]},
        {"type": "object", "patternProperties": {"^a": {"type": "string"}}},
        {"type": "string", "contentEncoding": "base64"},
    ],
)
def test_what_3_0_cannot_say_is_refused_and_not_dropped(schema: dict[str, Any]) -> None:
    with pytest.raises(ProfileError, match="Answer"):
        salesforce_profile(minimal({"value": schema}))


def test_an_answer_that_is_never_plain_json_is_refused() -> None:
    document = minimal({})
    content = document["paths"]["/v1/answers"]["get"]["responses"]["200"]["content"]
    content["application/problem+json"] = content.pop("application/json")

    with pytest.raises(ProfileError, match="application/json"):
        salesforce_profile(document)


def test_the_list_of_reserved_words_has_those_that_every_one_trips_over(profile: dict[str, Any]) -> None:
    for word in SURELY_RESERVED:
        broken = deepcopy(profile)
        broken["components"]["schemas"]["OrderView"]["properties"][word] = {"type": "string"}
        assert "rule_7_reserved_words" in lint(broken, None), word


def minimal(properties: dict[str, Any]) -> dict[str, Any]:
    """A 3.1 document with one operation and one type."""
    answer = {
        "description": "Fine.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}},
    }
    operation = {
        "operationId": "getAnswer",
        "summary": "An answer",
        "description": "An answer.",
        "tags": ["answers"],
        "security": [{"accessToken": ["answers:read"]}],
        "responses": {"200": answer},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Answers",
            "version": "1.0.0",
            "description": "Answers.",
            "license": {"name": "Apache-2.0"},
            "contact": {"name": "Quoteway platform team"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": "answers", "description": "Answers."}],
        "paths": {"/v1/answers": {"get": operation}},
        "components": {
            "schemas": {
                "Answer": {"type": "object", "properties": properties},
                "Part": {"type": "object", "properties": {"name": {"type": "string"}}},
            }
        },
    }


def test_every_field_of_an_answer_is_there_so_that_its_type_is_plain(profile: dict[str, Any]) -> None:
    bodies = [operation.get("requestBody", {}) for _, _, operation in operations_of(profile)]
    asked = {body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2] for body in bodies if body}
    assert asked
    for name, schema in profile["components"]["schemas"].items():
        if name not in {"Problem", *asked} and "properties" in schema:
            assert set(schema["required"]) == set(schema["properties"]), name


def test_money_stands_beside_its_currency(profile: dict[str, Any]) -> None:
    beside = [
        (name, property_name)
        for name, schema in profile["components"]["schemas"].items()
        for property_name in schema.get("properties", {})
        if property_name.endswith(("Amount", "Price", "amountDue"))
    ]

    assert len(beside) > 15
    for name, property_name in beside:
        assert "currencyIsoCode" in profile["components"]["schemas"][name]["properties"], f"{name}.{property_name}"
