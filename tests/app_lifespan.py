"""An application's start and end around a fixture.

pytest runs a fixture's two halves in different tasks, which the application's own lifespan does not allow: it gets a
task of its own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
from litestar import Litestar


@asynccontextmanager
async def running_app(app: Litestar) -> AsyncIterator[Litestar]:
    """The application, started; ended in order after the block."""
    started, ending = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await ending.wait()

    life = asyncio.create_task(live())
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({life, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if life.done():
        waiting.cancel()
        await life
    yield app
    ending.set()
    await life


def asgi_transport(app: Litestar) -> httpx.ASGITransport:
    """A way into the application without a socket."""
    return httpx.ASGITransport(cast("Any", app))  # the two libraries type the same protocol differently
