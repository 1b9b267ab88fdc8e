"""Several reads at the same time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def parallel_reads() -> AsyncIterator[asyncio.TaskGroup]:
    """A group for reads that do not depend on each other. The first one that fails ends the others, and its error is
    raised as it is; nothing goes on in the background once the block is left. Not for writes: one that is cut off may
    have happened."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
