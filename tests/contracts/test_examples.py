"""The examples are real: recorded, complete, and exactly what the types of the code say."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from openapi.documents import TierDocuments, operations_of
from shared.contract.document import resolved
from shared.contract.examples import PROBLEMS, OperationExamples, load_examples
from shared.problem import Problem

TIERS = ["experience", "process", "system"]


def tier_of(tiers: list[TierDocuments], name: str) -> TierDocuments:
    return next(tier for tier in tiers if tier.tier == name)


def examples_of(tier: TierDocuments) -> dict[str, OperationExamples]:
    return load_examples(tier.app.state.tier.published.examples)


def handlers(tier: TierDocuments) -> dict[str, HTTPRouteHandler]:
    return {
        str(handler.operation_id): handler
        for route in tier.app.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if method != "OPTIONS" and handler.operation_id
    }


def answer_type(handler: HTTPRouteHandler) -> Any:
    """What the handler answers: the inside of a Response."""
    kind = handler.parsed_fn_signature.return_type
    return (
        kind.inner_types[0].annotation
        if kind.inner_types and kind.is_subclass_of(object) and kind.origin
        else kind.annotation
    )


def assert_same(again: Any, recorded: Any, where: str) -> None:
    """The recording is what the type says, but for members that were added since and are not set."""
    if isinstance(recorded, dict):
        assert set(recorded) <= set(again), where
        assert not any(again[name] for name in set(again) - set(recorded)), where
        for name, value in recorded.items():
            assert_same(again[name], value, f"{where}/{name}")
    elif isinstance(recorded, list):
        assert len(again) == len(recorded), where
        for one, other in zip(again, recorded, strict=True):
            assert_same(one, other, where)
    else:
        assert again == recorded, where


@pytest.mark.parametrize("name", TIERS)
def test_every_recorded_answer_is_exactly_one_of_the_type(tiers: list[TierDocuments], name: str) -> None:
    tier = tier_of(tiers, name)
    known = handlers(tier)
    for operation_id, examples in examples_of(tier).items():
        assert operation_id == PROBLEMS or operation_id in known, f"{operation_id} is no operation any more"
        for status, answers in examples.responses.items():
            for example, recorded in answers.items():
                refused = int(status) >= 400 and operation_id != "getReadiness"
                kind = Problem if refused else answer_type(known[operation_id])
                again = msgspec.to_builtins(msgspec.convert(recorded.body, kind))
                assert_same(again, recorded.body, f"{operation_id} {status} {example}")


@pytest.mark.parametrize("name", TIERS)
def test_every_recorded_request_is_one_that_the_operation_takes(tiers: list[TierDocuments], name: str) -> None:
    tier = tier_of(tiers, name)
    known = handlers(tier)
    for operation_id, examples in examples_of(tier).items():
        for request in examples.requests.values():
            data = known[operation_id].parsed_fn_signature.parameters.get("data")
            assert (data is not None) or request.body is None or operation_id == "receiveStripeWebhook", operation_id
            if data is not None:
                msgspec.convert(request.body, data.annotation)


@pytest.mark.parametrize("name", TIERS)
def test_every_operation_shows_its_success_and_every_refusal(tiers: list[TierDocuments], name: str) -> None:
    tier = tier_of(tiers, name)
    missing = []
    for document in tier.documents.values():
        for _, _, operation in operations_of(document):
            for status, answer in operation["responses"].items():
                found = resolved(document, answer)
                shown = all(media.get("examples") for media in found.get("content", {}).values())
                if not shown:
                    missing.append(f"{operation['operationId']} {status}")
    assert missing == [], "record them: python -m sandbox.contract_examples"


@pytest.mark.parametrize("name", TIERS)
def test_examples_in_the_documents_fit_their_schemas(tiers: list[TierDocuments], name: str) -> None:
    checked = 0
    for document in tier_of(tiers, name).documents.values():
        for where, schema, value in shown_examples(document):
            validator = jsonschema.Draft202012Validator({**schema, "components": document["components"]})
            assert [error.message for error in validator.iter_errors(value)] == [], where
            checked += 1
    assert checked > 30


def shown_examples(document: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Every example with the schema that it stands beside."""
    for path, method, operation in operations_of(document):
        where = f"{method} {path}"
        for parameter in operation.get("parameters", []):
            for example in parameter.get("examples", {}).values():
                yield f"{where} {parameter['name']}", parameter["schema"], example["value"]
        contents = [operation.get("requestBody", {}).get("content", {})]
        contents += [resolved(document, answer).get("content", {}) for answer in operation["responses"].values()]
        for content in contents:
            for media in content.values():
                for name, example in media.get("examples", {}).items():
                    yield f"{where} {name}", media["schema"], resolved(document, example)["value"]
