"""Notices: PostgreSQL tells a worker that something waits for it, so that it need not look all the time.

Whoever writes something down that a worker has to see says so in the same transaction (`tell`), and PostgreSQL passes
it on when that is committed. A notice can be lost: while a worker's connection is broken, or behind a pool that keeps
no sessions. Nothing may rest on one: every worker also looks now and then by itself.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.direct import run

_log = logging.getLogger(__name__)
CHANNEL = "quoteway"
# What is told of, beside the names of the queues that flows wait in.
EVENTS, INBOX = "events", "inbox"
_AGAIN_S, _AGAIN_MAX_S = 1.0, 30.0
Heard = Callable[[], None]


async def tell(connection: AsyncConnection, topic: str) -> None:
    """Wake the workers that wait for this, once the caller's transaction is committed."""
    await run(connection, "SELECT pg_notify(%(channel)s, %(topic)s)", channel=CHANNEL, topic=topic)


@dataclass
class Notices:
    """Listens for as long as a worker lives. Each topic has one listener, which is called in the worker's loop."""

    database_url: str
    listeners: dict[str, Heard] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._listen(), name="notices")

    async def stop(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _listen(self) -> None:
        again_s = _AGAIN_S
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self.database_url, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    again_s = _AGAIN_S
                    # What was told before this, nobody here has heard.
                    for heard in list(self.listeners.values()):
                        heard()
                    async for notice in connection.notifies():
                        if notice.payload in self.listeners:
                            self.listeners[notice.payload]()
            except (psycopg.Error, OSError) as error:
                _log.warning("notices are not heard, workers look by themselves: %s", type(error).__name__)
            await asyncio.sleep(again_s)
            again_s = min(again_s * 2, _AGAIN_MAX_S)
