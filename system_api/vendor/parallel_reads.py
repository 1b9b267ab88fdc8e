"""Runs several reads at the same time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def parallel_reads() -> AsyncIterator[asyncio.TaskGroup]:
    """Yield a task group for independent reads. The first failure cancels the others and is raised as it is.

    Nothing goes on in the background after the block. Not for writes: one that is cancelled may have happened.
    """
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
