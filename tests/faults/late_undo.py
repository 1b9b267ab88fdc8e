"""The saga with one guard off: what a step made is known only once the step is done."""

from typing import Any

import pytest

import process_api.engine.saga
from process_api.engine.flows import StepState
from process_api.engine.progress import begin_attempt, end_step


def register_undo_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step counts as begun only once it is done."""
    positions: dict[tuple[str, str], int] = {}

    async def begin(connection: Any, **attempt: Any) -> None:
        positions[attempt["flow_id"], attempt["step"]] = attempt["position"]
        if attempt["direction"] == "undo":
            await begin_attempt(connection, **attempt)

    async def end(connection: Any, **step: Any) -> None:
        if step["state"] is StepState.done:
            position = positions[step["flow_id"], step["step"]]
            await begin_attempt(
                connection,
                flow_id=step["flow_id"],
                step=step["step"],
                position=position,
                direction="forward",
                attempt=99,
                executor_id="mutation",
            )
        await end_step(connection, **step)

    monkeypatch.setattr(process_api.engine.saga, "begin_attempt", begin)
    monkeypatch.setattr(process_api.engine.saga, "end_step", end)
