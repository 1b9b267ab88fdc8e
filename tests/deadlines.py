"""The deadlines that a process tier in this process gives the parts of an account's overview."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace

import pytest

from process_api.accounts import account_overview


@contextmanager
def over_once_left(left: int) -> Iterator[None]:
    """Deadlines that are over as soon as that many are left, and all others have been met."""
    running: list[asyncio.Timeout] = []

    @asynccontextmanager
    async def deadline(_within_s: float) -> AsyncIterator[None]:
        async with asyncio.timeout(None) as limit:
            running.append(limit)
            try:
                yield
            finally:
                running.remove(limit)
                if len(running) == left:
                    for each in running:
                        each.reschedule(asyncio.get_running_loop().time())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(account_overview, "asyncio", SimpleNamespace(gather=asyncio.gather, timeout=deadline))
        yield
