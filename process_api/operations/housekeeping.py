"""A worker's housekeeping beside its flows: deletes old rows, and admits flows that wait for nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from process_api.access.idempotency import prune_keys
from process_api.database.store import Store
from process_api.engine.queueing.account_admission import let_waiting_in
from process_api.orders.contacts import forget_contacts
from shared.problem import Unavailable

_log = logging.getLogger(__name__)
_EVERY_S = 3600.0
# Every ended order is checked, so not every hour.
_CONTACTS_EVERY_S = 86_400.0
# How long an order may wait behind one that a defect ended without giving up its slot.
_LINES_EVERY_S = 60.0


@dataclass
class Housekeeping:
    """Housekeeping in rounds, on every worker; concurrent rounds divide the work."""

    store: Store
    idempotency_kept_days: int
    contacts_kept_days: int = 30
    every_s: float = _EVERY_S
    lines_every_s: float = _LINES_EVERY_S
    contacts_every_s: float = _CONTACTS_EVERY_S
    _tasks: list[asyncio.Task[None]] = field(default_factory=list, init=False)

    def start(self) -> None:
        """Start with a first round now: a worker may never live for an hour."""
        self._tasks = [
            asyncio.create_task(_keep(self._forget_keys, self.every_s), name="housekeeping: keys"),
            asyncio.create_task(_keep(self._forget_contacts, self.contacts_every_s), name="housekeeping: contacts"),
            asyncio.create_task(_keep(self._let_waiting_in, self.lines_every_s), name="housekeeping: lines"),
        ]

    async def stop(self) -> None:
        """Stop, in the middle of a round if need be: the next one continues."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _forget_keys(self) -> None:
        forgotten = await prune_keys(self.store, self.idempotency_kept_days)
        if forgotten:
            _log.info("%d idempotency keys forgotten after %d days", forgotten, self.idempotency_kept_days)

    async def _forget_contacts(self) -> None:
        forgotten = await forget_contacts(self.store, self.contacts_kept_days)
        if forgotten:
            _log.info("contacts of %d orders forgotten %d days after their end", forgotten, self.contacts_kept_days)

    async def _let_waiting_in(self) -> None:
        await let_waiting_in(self.store)


async def _keep(round_: Callable[[], Awaitable[None]], every_s: float) -> None:
    while True:
        try:
            await round_()
        except Unavailable as error:
            _log.warning("housekeeping put off: %s", error.detail)
        except Exception:  # noqa: BLE001 see below
            # No failure here may end later rounds: the table would grow unnoticed.
            _log.exception("housekeeping failed")
        await asyncio.sleep(every_s)
