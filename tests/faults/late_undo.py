"""The saga with one guard off: what a step made is known only once the step is done."""

from typing import Any

import pytest
from sqlalchemy import select

import process_api.engine.attempts
from process_api.database.tables import flows
from process_api.engine.flows import StepState
from process_api.engine.progress import begin_attempt, end_step


def register_undo_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step counts as begun only once it is done."""
    positions: dict[tuple[str, str], int] = {}

    async def begin(connection: Any, **attempt: Any) -> Any:
        positions[attempt["flow_id"], attempt["step"]] = attempt["position"]
        if attempt["direction"] == "undo":
            return await begin_attempt(connection, **attempt)
        return (await connection.execute(select(flows).where(flows.c.flow_id == attempt["flow_id"]))).one()

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

    monkeypatch.setattr(process_api.engine.attempts, "begin_attempt", begin)
    monkeypatch.setattr(process_api.engine.attempts, "end_step", end)
