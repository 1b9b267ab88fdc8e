"""A worker with one guard switched off: what a test sees of it then shows that the test can see the guard.

QUOTEWAY_TEST_WITHOUT   the guard: one of GUARDS; empty: all are on
QUOTEWAY_TEST_ENDED     the file that has a line for each execution of a flow that has ended, or was laid aside
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from process_api.engine.worker_lease import Lease
from process_api.settings import ProcessSettings
from process_api.worker import run_worker
from shared.settings import load_settings


async def nothing(*_: Any) -> None:
    """Instead of a guard that waits for the database."""


def allowed(*_: Any) -> None:
    """Instead of a guard that asks its own memory."""


def counted(flow: Any) -> Any:
    """Tell of each execution that ends."""

    @contextmanager
    def watched(self: Lease) -> Iterator[None]:
        try:
            with flow(self):
                yield
        finally:
            with Path(os.environ.get("QUOTEWAY_TEST_ENDED", os.devnull)).open("a") as ended:
                ended.write("one\n")

    return watched


GUARDS: dict[str, dict[str, Any]] = {
    "recovery": {"_take_over_orphans": nothing},
    "lease": {"require": allowed, "fence": nothing},
    "handing back": {"_hand_back": nothing},
}

if __name__ == "__main__":
    setattr(Lease, "flow", counted(Lease.flow))  # noqa: B010 a method's name
    for name, substitute in GUARDS.get(os.environ["QUOTEWAY_TEST_WITHOUT"], {}).items():
        setattr(Lease, name, substitute)
    asyncio.run(run_worker(load_settings(ProcessSettings, os.environ)))
