"""How long tests wait: for a condition, never for a time.

A limit only ends a hang. It says nothing of how quick anything is: beside other work a machine is many times slower.
"""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable

# Well below pytest's limit for a whole test (pyproject.toml), so that it is the wait that says where the test stands.
HANG_S = 600.0
# A lease that no worker loses only because its machine is busy. No test waits for its end.
LONG_LEASE_S = 120.0
# Fixtures ask for a token once, and use it for as long as a whole folder of tests takes.
TOKEN_LIFE_S = 6 * 3600
_POLL_S = 0.05


async def until(so: Callable[[], bool | Awaitable[bool]], within_s: float = HANG_S) -> None:
    """Wait until it is so. Raises TimeoutError.

    `within_s` is for what must not become so: nothing else depends on a time.
    """
    async with asyncio.timeout(within_s):
        while True:
            found = so()
            if await found if isawaitable(found) else found:
                return
            await asyncio.sleep(_POLL_S)
