"""A worker with one guard switched off: what a test sees of it then shows that the test can see the guard."""

import asyncio
import os
from typing import Any

from process_api.lease import Lease
from process_api.settings import ProcessSettings
from process_api.worker import run_worker
from shared.settings import load_settings


async def nothing(*_: Any) -> None:
    """Instead of a guard that waits for the database."""


def allowed(*_: Any) -> None:
    """Instead of a guard that asks its own memory."""


GUARDS: dict[str, dict[str, Any]] = {
    "recovery": {"_take_over_orphans": nothing},
    "lease": {"require": allowed, "fence": nothing},
    "handing back": {"_hand_back": nothing},
}

if __name__ == "__main__":
    for name, substitute in GUARDS[os.environ["QUOTEWAY_TEST_WITHOUT"]].items():
        setattr(Lease, name, substitute)
    asyncio.run(run_worker(load_settings(ProcessSettings, os.environ)))
