"""Each durable workflow is a span of its flow's kind, in the trace that is stored with the flow."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from process_api.engine import executor, trace

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class StoredFlow:
    """A flow as the database knows it."""

    @asynccontextmanager
    async def transaction(self, _tenant: str) -> AsyncIterator["StoredFlow"]:
        yield self

    async def execute(self, _query: Any) -> "StoredFlow":
        return self

    def one_or_none(self) -> SimpleNamespace:
        return SimpleNamespace(kind="toy", traceparent=TRACEPARENT, decision_traceparent=None)


@pytest.mark.parametrize(("part", "number"), [("begin", "generation"), ("run", "generation"), ("sweep", "look")])
async def test_a_workflow_is_a_span_of_its_kind_and_part(
    monkeypatch: pytest.MonkeyPatch, part: str, number: str
) -> None:
    spans: list[tuple[str, str, dict[str, Any]]] = []

    @contextmanager
    def resumed_span(name: str, traceparent: str, *, links: Any, attributes: dict[str, Any]) -> Iterator[Any]:
        assert links == ()
        spans.append((name, traceparent, dict(attributes)))
        yield SimpleNamespace(note=spans[-1][2].update)

    async def workflow(_flow_id: str, _counted: int) -> str:
        return "done"

    monkeypatch.setattr(trace, "tracing_is_on", lambda: True)
    monkeypatch.setattr(trace, "resumed_span", resumed_span)
    store: Any = StoredFlow()

    assert await trace.traced_flow(part, lambda: store, number)(workflow)("nordwind.toy_1", 2) == "done"

    about = {"quoteway.flow_id": "nordwind.toy_1", f"quoteway.{number}": 2, "quoteway.outcome": "done"}
    assert spans == [(f"toy.{part}", TRACEPARENT, about)]


def test_every_registered_workflow_is_traced() -> None:
    assert {part for _, part, _, _ in executor.WORKFLOWS} == {"begin", "run", "sweep"}
