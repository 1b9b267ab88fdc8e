"""The worker: runs flows. `python -m process_api.worker`.

The process API only puts flows into the queue; any number of workers on the same PostgreSQL take them out. Each also
publishes events and applies webhooks.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress

from process_api.business_metrics import BusinessMetrics
from process_api.event_delivery import EventRelay
from process_api.executor import start_worker
from process_api.retention import keep_tables_small, rules_of
from process_api.settings import ProcessSettings
from process_api.store import Store
from process_api.webhook_inbox import InboxWorker
from shared.metrics import metrics_are_served
from shared.redis_connection import RedisStreams
from shared.settings import load_settings_or_exit
from shared.telemetry import start_telemetry


async def run_worker(settings: ProcessSettings, told: Mapping[str, str] | None = None) -> None:
    """Run a worker until SIGTERM or SIGINT. `told`: what else its ready line says."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    probe = Store(settings.database_url)
    missing = await probe.ready()
    await probe.close()
    if missing:
        sys.stderr.write(f"The worker cannot start: {missing}.\n")
        sys.exit(2)
    worker = await start_worker(settings)
    sys.stdout.write(json.dumps({"ready": True, "executorId": worker.lease.executor_id, **(told or {})}) + "\n")
    sys.stdout.flush()
    streams = RedisStreams(settings.redis_url)
    relay = EventRelay(worker.store, streams, settings.event_poll_s, settings.event_stream_length, worker.saga.patience)
    # Connections of its own: what waits for a billing that hangs takes none from flows and heartbeats.
    inbox_store = Store(settings.database_url, connections_max=settings.inbox_concurrency + 1)
    inbox = InboxWorker(
        inbox_store,
        worker.system,
        worker.saga.patience,
        settings.inbox_poll_s,
        settings.inbox_kept_days,
        settings.inbox_concurrency,
    )
    beside = [
        asyncio.create_task(relay.run(), name="event relay"),
        asyncio.create_task(inbox.run(), name="webhook inbox"),
        asyncio.create_task(keep_tables_small(worker.store, rules_of(settings)), name="retention"),
    ]
    if metrics_are_served():
        beside.append(asyncio.create_task(BusinessMetrics(worker.store).run(), name="business metrics"))
    await stopping.wait()
    for task in beside:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await inbox_store.close()
    await streams.close()
    await worker.stop()


if __name__ == "__main__":
    chosen = load_settings_or_exit(ProcessSettings, os.environ, "The worker")
    asyncio.run(run_worker(chosen, start_telemetry(chosen, "quoteway-worker")))
