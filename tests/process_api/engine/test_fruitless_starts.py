"""A flow that many workers in a row have begun with is held back before it is counted (decision 0053)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from process_api.engine import crash_loops
from process_api.engine.crash_loops import count_start


class CountedFlow:
    """A flow's count, as the database would answer for it: both the store and the lease of its worker."""

    def __init__(self, starts: int) -> None:
        self.starts = starts
        self.counted = False

    @asynccontextmanager
    async def transaction(self, tenant: str) -> AsyncIterator["CountedFlow"]:
        assert tenant == "nordwind"
        yield self

    async def fence(self, _connection: Any) -> None:
        """The lease holds."""

    async def execute(self, statement: Any) -> "CountedFlow":
        compiled = statement.compile()
        bound = [value for name, value in compiled.params.items() if "fruitless_starts_2" in name]
        self.counted = not str(compiled).startswith("SELECT") and not (bound and self.starts >= bound[0])
        self.starts += self.counted
        return self

    def scalar_one(self) -> int:
        return self.starts

    def one_or_none(self) -> SimpleNamespace | None:
        flow = {"status": "queued", "generation": 1, "fruitless_starts": self.starts}
        return SimpleNamespace(**flow) if self.counted else None


async def begin(flow: CountedFlow, monkeypatch: pytest.MonkeyPatch, *, dies: bool = False) -> list[tuple[float, int]]:
    """Begin with the flow. Returns each pause, in seconds, with the count while it lasted."""
    pauses = []

    async def sleep(pause_s: float) -> None:
        pauses.append((pause_s, flow.starts))
        if dies:
            raise asyncio.CancelledError

    # That module's own name only: one that never lets others go on would be everyone's on this loop.
    monkeypatch.setattr(crash_loops, "asyncio", SimpleNamespace(sleep=sleep))
    store: Any = flow
    await count_start(store, store, "nordwind.ord_1")
    return pauses


async def test_the_first_starts_are_counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = CountedFlow(0)

    for starts in (1, 2, 3):
        assert await begin(flow, monkeypatch) == []
        assert flow.starts == starts


@pytest.mark.parametrize(
    ("starts", "least_s", "most_s"), [(3, 0.5, 1), (4, 1, 2), (6, 4, 8), (9, 15, 30), (99, 15, 30)]
)
async def test_later_ones_after_a_pause_that_grows_with_the_count(
    monkeypatch: pytest.MonkeyPatch, starts: int, least_s: float, most_s: float
) -> None:
    flow = CountedFlow(starts)

    [(pause_s, meanwhile)] = await begin(flow, monkeypatch)

    assert least_s <= pause_s <= most_s
    assert (meanwhile, flow.starts) == (starts, starts + 1)


async def test_a_death_during_the_pause_counts_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = CountedFlow(3)

    with pytest.raises(asyncio.CancelledError):
        await begin(flow, monkeypatch, dies=True)

    assert flow.starts == 3
