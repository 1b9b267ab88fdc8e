"""A worker in the tests' own process."""

import asyncio

from process_api import worker as process_worker
from process_api.settings import ProcessSettings
from shared.outbound.http_client import Transport


async def start_worker(settings: ProcessSettings, *, transport: Transport) -> process_worker.Worker:
    """As process_api.worker's, and every flow runs on this loop, as in a worker's process.

    Between two tests the loop stands still. DBOS would run a flow that it dequeues then on a loop of its own, and what
    the flow shares with the tests (the tiers' connections to Redis) would belong to two loops. Now it waits.
    """
    worker = await process_worker.start_worker(settings, transport=transport)
    loops, here = worker.engine.dbos._background_event_loop, asyncio.get_running_loop()
    assert loops.target_loop() is here
    loops.target_loop = lambda: here  # type: ignore[method-assign] # it asks nobody which loop to take
    return worker
