"""The examples in a tier's contract: recorded answers of a running sandbox, kept with the tier's code.

Each operation has a file, `examples/<operationId>.json`; `examples/problems.json` has the refusals that all operations
share. `python -m sandbox.contract_examples` records them; nobody writes them by hand.
"""

from pathlib import Path
from typing import Any

import msgspec

from shared.contract.answers import is_problem

PROBLEMS = "problems"


class RecordedRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A recorded request. `parameters` are by name, wherever they are sent."""

    summary: str
    parameters: dict[str, str | int | bool] = {}
    body: Any = None


class RecordedAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A recorded answer."""

    summary: str
    body: Any


class OperationExamples(msgspec.Struct, frozen=True, kw_only=True):
    """The examples of one operation: requests by name, answers by status and name."""

    requests: dict[str, RecordedRequest] = {}
    responses: dict[str, dict[str, RecordedAnswer]] = {}


def load_examples(folder: Path | None) -> dict[str, OperationExamples]:
    """Return the examples by operation id, and the shared problems under `problems`. Raises msgspec.DecodeError."""
    if folder is None:
        return {}
    return {
        path.stem: msgspec.json.decode(path.read_bytes(), type=OperationExamples)
        for path in sorted(folder.glob("*.json"))
    }


def add_examples(document: dict[str, Any], examples: dict[str, OperationExamples]) -> None:
    """Put the examples into a document: once under `components`, and by reference where they apply."""
    shared: dict[str, Any] = {}
    common = examples.get(PROBLEMS, OperationExamples())
    for methods in document["paths"].values():
        for operation in methods.values():
            own = examples.get(operation["operationId"], OperationExamples())
            _add_requests(operation, own, shared)
            for status, answer in operation["responses"].items():
                prefix, found = operation["operationId"], own.responses.get(status, {})
                if not found and is_problem(answer):
                    prefix, found = PROBLEMS, common.responses.get(status, {})
                _add_answers(answer, f"{prefix}.{status}", found, shared)
    if shared:
        document["components"]["examples"] = shared


def _add_requests(operation: dict[str, Any], own: OperationExamples, shared: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        values = {
            name: {"summary": request.summary, "value": request.parameters[parameter["name"]]}
            for name, request in own.requests.items()
            if parameter["name"] in request.parameters
        }
        if values:
            parameter["examples"] = values
    for media in operation.get("requestBody", {}).get("content", {}).values():
        bodies = {name: request for name, request in own.requests.items() if request.body is not None}
        if bodies:
            media["examples"] = {}
        for name, request in bodies.items():
            key = f"{operation['operationId']}.request.{name}"
            shared[key] = {"summary": request.summary, "value": request.body}
            media["examples"][name] = {"$ref": f"#/components/examples/{key}"}


def _add_answers(answer: dict[str, Any], prefix: str, found: dict[str, RecordedAnswer], shared: dict[str, Any]) -> None:
    for name, recorded in found.items():
        key = f"{prefix}.{name}"
        shared[key] = {"summary": recorded.summary, "value": recorded.body}
        for media in answer.get("content", {}).values():
            media.setdefault("examples", {})[name] = {"$ref": f"#/components/examples/{key}"}
