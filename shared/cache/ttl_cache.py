"""A TTL cache of answers; concurrent callers with the same question share one request."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

REMEMBERED_S = 30.0
REMEMBERED_MAX = 50_000
K = TypeVar("K")
V = TypeVar("V")


class TtlCache(Generic[K, V]):
    """Remembers answers for `remembered_s` seconds from when they were asked for; of those who ask at once one asks."""

    def __init__(self, remembered_s: float = REMEMBERED_S) -> None:
        self._remembered_s = remembered_s
        self._known: OrderedDict[K, tuple[V, float]] = OrderedDict()
        self._asking: dict[K, asyncio.Task[V]] = {}

    def find(self, key: K) -> V | None:
        """Return the cached answer, or None."""
        found = self.find_with_time(key)
        return None if found is None else found[0]

    def find_with_time(self, key: K) -> tuple[V, float] | None:
        """Return the cached answer with the time at which it was requested."""
        found = self._known.get(key)
        if found is None or monotonic() - found[1] >= self._remembered_s:
            return None
        return found

    def keep(self, key: K, value: V, asked_at: float) -> None:
        """Cache an answer; drops the oldest if there are too many."""
        self._known[key] = (value, asked_at)
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)

    async def ask(self, key: K, question: Callable[[], Awaitable[tuple[V, float]]]) -> V:
        """Return the answer to `question`, cached from then on.

        Everyone who waits gets an error, which is not cached.
        """
        task = self._asking.get(key)
        # A finished task that is still listed has an answer from before this question, and awaiting it would not yield.
        # A caller that asks until the answer is new enough would then loop forever and block the event loop.
        if task is None or task.done():
            # A task of its own: its first caller may be cancelled while others wait.
            task = self._asking[key] = asyncio.create_task(self._answer(key, question))
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    async def _answer(self, key: K, question: Callable[[], Awaitable[tuple[V, float]]]) -> V:
        value, asked_at = await question()
        self.keep(key, value, asked_at)
        return value

    def _forget(self, key: K, done: asyncio.Task[V]) -> None:
        if self._asking.get(key) is done:
            del self._asking[key]
        if not done.cancelled():
            done.exception()  # retrieved, even if nobody waits for it any more
