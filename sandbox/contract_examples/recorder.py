"""Calls a running tier and keeps requests and answers by operation."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec

from shared.contract.examples import PROBLEMS, OperationExamples, RecordedAnswer, RecordedRequest

# The same in every recording, so that a new one only differs where something changed.
CORRELATION_ID = "0f8e0c5e2a6f4f43a2b5c77d6a1d3b10"
_TIMEOUT_S = 30.0


class RecordingError(Exception):
    """The sandbox's answer does not fit the scene; the message says why."""


@dataclass(frozen=True)
class Asked:
    """A request and its expected status. `parameters` are by name, wherever they are sent."""

    operation_id: str
    name: str
    summary: str
    status: int = 200
    parameters: dict[str, str | int | bool] = field(default_factory=dict)
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Recorder:
    """A tier with an authorised client. `tokens` are other clients', for scopes that only they have."""

    tier: str
    client: httpx.Client
    tokens: dict[str, str] = field(default_factory=dict)
    recorded: dict[str, dict[str, dict[str, RecordedAnswer]]] = field(default_factory=dict)
    requests: dict[str, dict[str, RecordedRequest]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        paths = self.client.get("/openapi.json").raise_for_status().json()["paths"]
        self.operations = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, methods in paths.items()
            for method, operation in methods.items()
        }

    def ask(self, asked: Asked) -> Any:
        """Send a request and keep it with its answer. Returns the body. Raises RecordingError for another status."""
        answer = self.send(asked)
        body = self.keep(asked.operation_id, asked.name, asked.summary, answer, asked.status)
        if asked.status < 300:
            sent = msgspec.json.decode(asked.body) if isinstance(asked.body, bytes) else asked.body
            self.requests.setdefault(asked.operation_id, {})[asked.name] = RecordedRequest(
                summary=asked.summary, parameters=asked.parameters, body=sent
            )
        return body

    def keep(self, place: str, name: str, summary: str, answer: httpx.Response, status: int) -> Any:
        """Keep an answer, and return its body. Raises RecordingError for another status."""
        if answer.status_code != status:
            raise RecordingError(
                f"{self.tier} {place} ({name}) answered {answer.status_code} instead of {status}: {answer.text[:400]}"
            )
        if not answer.content:
            return None
        body = answer.json()
        answers = self.recorded.setdefault(place, {}).setdefault(str(status), {})
        answers[name] = RecordedAnswer(summary=summary, body=body)
        return body

    def send(self, asked: Asked) -> httpx.Response:
        """Send a request without keeping anything."""
        method, path, operation = self.operations[asked.operation_id]
        places = {each["name"]: each["in"] for each in operation.get("parameters", [])}
        query: dict[str, str] = {}
        headers = {"X-Correlation-Id": CORRELATION_ID}
        for scope in operation.get("x-quoteway-scopes", []):
            if scope in self.tokens:
                headers["Authorization"] = f"Bearer {self.tokens[scope]}"
        headers.update(asked.headers)
        for name, value in asked.parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if places[name] == "path":
                path = path.replace(f"{{{name}}}", text)
            elif places[name] == "query":
                query[name] = text
            else:
                headers[name] = text
        if asked.body is not None:
            headers["Content-Type"] = "application/json"
        content = asked.body if isinstance(asked.body, bytes) else msgspec.json.encode(asked.body)
        return self.client.request(
            method,
            path,
            params=query or None,
            headers=headers,
            content=content if asked.body is not None else None,
            timeout=_TIMEOUT_S,
        )

    def without(self) -> list[str]:
        """Return the operations without an example of success. An answer without a body needs none."""
        return sorted(
            operation_id
            for operation_id, (_, _, operation) in self.operations.items()
            for status in operation["responses"]
            if status.startswith("2") and "content" in operation["responses"][status]
            if not self.recorded.get(operation_id, {}).get(status)
        )

    def save(self, folder: Path) -> int:
        """Write a file for each operation, replacing the old ones. Returns the number of answers in them."""
        folder.mkdir(exist_ok=True)
        for old in folder.glob("*.json"):
            old.unlink()
        self._share_problems()
        kept = 0
        for name in sorted({*self.recorded, *self.requests}):
            examples = OperationExamples(
                requests=self.requests.get(name, {}), responses=dict(sorted(self.recorded.get(name, {}).items()))
            )
            encoded = msgspec.json.format(msgspec.json.encode(examples), indent=2)
            (folder / f"{name}.json").write_bytes(encoded + b"\n")
            kept += sum(len(answers) for answers in examples.responses.values())
        return kept

    def _share_problems(self) -> None:
        """Use a refusal that one operation recorded for the operations where it was not provoked."""
        shared = self.recorded.setdefault(PROBLEMS, {})
        for operation_id, by_status in sorted(self.recorded.items()):
            for status, answers in by_status.items():
                name, found = next(iter(answers.items()))
                # Health's 503 answer is no problem document.
                if int(status) >= 400 and status not in shared and "type" in found.body:
                    summary = f"{found.summary} (of {operation_id})"
                    shared[status] = {name: RecordedAnswer(summary=summary, body=found.body)}
