"""A worker whose flows stop for good where the file QUOTEWAY_TEST_STOP says when the flow begins.

A point is `before` or `after` a step with its direction (`before book_erp_order.undo`), `join_line` or `end_order`. The
flow that stops takes the file away.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

from process_api.engine import executor, saga
from process_api.settings import ProcessSettings
from process_api.worker import run_worker
from shared.settings import load_settings

STOP = Path(os.environ.get("QUOTEWAY_TEST_STOP", os.devnull))
_points: dict[str, str] = {}


def point_of(flow_id: str) -> str:
    """Return where a flow stops, as the file said when it began; empty where it goes on."""
    if flow_id not in _points:
        _points[flow_id] = STOP.read_text() if STOP.is_file() else ""
    return _points[flow_id]


async def stop_at(flow_id: str, point: str) -> None:
    """Stop for good, if this flow stops here."""
    if point_of(flow_id) == point:
        await asyncio.to_thread(STOP.unlink)
        await asyncio.Event().wait()


def around(name: str, flow_at: int) -> Any:
    """Stop before and after a function of the executor, whose argument at `flow_at` is the flow's id."""

    def replacement(function: Any) -> Any:
        async def stopping(*arguments: Any) -> Any:
            await stop_at(arguments[flow_at], f"before {name}")
            done = await function(*arguments)
            await stop_at(arguments[flow_at], f"after {name}")
            return done

        return stopping

    return replacement


def before_calls(call: Any) -> Any:
    """Stop before a step is made: that it begins is written down."""

    async def stopping(step: Any, direction: str, context: Any) -> Any:
        await stop_at(context.flow_id, f"before {step.name}.{direction}")
        return await call(step, direction, context)

    return stopping


def after_attempts(attempt_once: Any) -> Any:
    """Stop after a step was made: that it is done is written down, and the library does not know."""

    async def stopping(self: Any, flow_id: str, step: Any, direction: str, attempt: int, **more: Any) -> Any:
        outcome = await attempt_once(self, flow_id, step, direction, attempt, **more)
        await stop_at(flow_id, f"after {step.name}.{direction}")
        return outcome

    return stopping


if __name__ == "__main__":
    for owner, name, replacement in (
        (saga, "_call", before_calls),
        (saga.Saga, "_attempt_once", after_attempts),
        (executor, "join_line", around("join_line", 0)),
        (executor, "end_flow", around("end_order", 3)),
    ):
        setattr(owner, name, replacement(getattr(owner, name)))
    asyncio.run(run_worker(load_settings(ProcessSettings, os.environ)))
