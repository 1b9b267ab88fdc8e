"""What a worker does beside its flows: it forgets what need not be kept any longer."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field

from process_api.idempotency import prune_keys
from process_api.store import Store
from shared.problem import Unavailable

_log = logging.getLogger(__name__)
_EVERY_S = 3600.0


@dataclass
class Housekeeping:
    """Once an hour, on every worker: what two of them do at the same time, only one of them does."""

    store: Store
    idempotency_kept_days: int
    every_s: float = _EVERY_S
    _task: asyncio.Task[None] | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin, with a first round now: a worker may never live for an hour."""
        self._task = asyncio.create_task(self._keep(), name="housekeeping")

    async def stop(self) -> None:
        """End, in the middle of a round if need be: the next one goes on."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _keep(self) -> None:
        while True:
            try:
                forgotten = await prune_keys(self.store, self.idempotency_kept_days)
                if forgotten:
                    _log.info("%d idempotency keys forgotten after %d days", forgotten, self.idempotency_kept_days)
            except Unavailable as error:
                _log.warning("housekeeping put off: %s", error.detail)
            except Exception:  # noqa: BLE001 see below
                # Nothing that goes wrong here may end the rounds to come: the table would grow unnoticed.
                _log.exception("housekeeping failed")
            await asyncio.sleep(self.every_s)
