"""Locks on the objects that a write touches.

Source: Stripe's "Rate limits", "Object lock timeouts": writes to one object happen one after another, and one that
waits too long for its turn is answered 429 `lock_timeout`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from sandbox.vendors.stripe.wire.errors import lock_timeout


class ObjectLocks:
    """One lock per object id, made when it is first wanted and forgotten with its last user."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: dict[str, int] = {}

    @asynccontextmanager
    async def held(self, object_ids: Iterable[str]) -> AsyncIterator[None]:
        """Hold the locks of all `object_ids`. Raises StripeError `lock_timeout` when one is not free in time."""
        async with AsyncExitStack() as stack:
            # Always in the same order, so that two writes cannot wait for each other.
            for object_id in sorted(set(object_ids)):
                await stack.enter_async_context(self._one(object_id))
            yield

    @asynccontextmanager
    async def _one(self, object_id: str) -> AsyncIterator[None]:
        lock = self._locks.setdefault(object_id, asyncio.Lock())
        self._users[object_id] = self._users.get(object_id, 0) + 1
        try:
            try:
                await asyncio.wait_for(lock.acquire(), self._wait_s)
            except TimeoutError as error:
                raise lock_timeout() from error
            try:
                yield
            finally:
                lock.release()
        finally:
            self._users[object_id] -= 1
            if not self._users[object_id]:
                del self._users[object_id], self._locks[object_id]
