"""The worker: runs flows. `python -m process_api.worker`.

The process API only enqueues flows; any number of workers on the same PostgreSQL run them. Each also publishes events
and applies webhooks.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from process_api.database.notices import EVENTS, INBOX, Notices
from process_api.database.retention import keep_tables_small, rules_of
from process_api.database.store import Store
from process_api.engine.executor import Engine, start_engine
from process_api.engine.intents import Intents
from process_api.engine.queueing.queues import QUEUES
from process_api.engine.steps import Patience
from process_api.engine.worker_lease import Lease, new_executor_id
from process_api.inbox.webhook_inbox import SUBSCRIPTION, InboxWorker
from process_api.kinds import KINDS
from process_api.operations.business_metrics import BusinessMetrics
from process_api.operations.housekeeping import Housekeeping
from process_api.outbox.event_delivery import EventRelay
from process_api.pricing.discount_policy import DiscountPolicy
from process_api.resources import Resources
from process_api.settings import ProcessSettings
from process_api.subscriptions.mirror import SubscriptionMirror
from process_api.system_client import SystemClient, connect_system
from shared.outbound.http_client import Transport
from shared.redis_connection import RedisStreams
from shared.settings import load_settings_or_exit
from shared.telemetry.metrics import metrics_are_served
from shared.telemetry.process_telemetry import start_telemetry


@dataclass
class Worker:
    """A running worker: its engine, and its other tasks."""

    engine: Engine
    store: Store
    lease: Lease
    patience: Patience
    system: SystemClient
    housekeeping: Housekeeping
    notices: Notices

    async def stop(self, *, drain_s: float | None = None) -> None:
        """Stop the engine, which gives running flows `drain_s` seconds, and close everything."""
        await self.housekeeping.stop()
        await self.notices.stop()
        await self.engine.stop(drain_s)
        await self.system.tokens.close()
        await self.system.client.close()
        await self.store.close()


async def start_worker(
    settings: ProcessSettings, *, transport: Transport | None = None, issuer_transport: Transport | None = None
) -> Worker:
    """Start this process's worker. Tests replace the system API's network with `transport`."""
    store = Store(settings.database_url)
    lease = Lease(store, new_executor_id(), settings.lease_s)
    system = replace(connect_system(settings, transport, issuer_transport), before_write=lease.require)
    patience = Patience(
        settings.step_attempts_max, settings.step_backoff_s, settings.step_backoff_max_s, settings.settle_s
    )
    resources = Resources(store, system, Intents(store), DiscountPolicy.of(settings), settings.legal_entities())
    engine = await start_engine(settings, store=store, lease=lease, patience=patience, kinds=KINDS, resources=resources)
    housekeeping = Housekeeping(store, settings.idempotency_kept_days, settings.contacts_kept_days)
    housekeeping.start()
    notices = Notices(settings.database_url, {queue: partial(engine.wake, queue) for queue in QUEUES})
    notices.start()
    return Worker(engine, store, lease, patience, system, housekeeping, notices)


async def run_worker(settings: ProcessSettings, told: Mapping[str, str] | None = None) -> None:
    """Run a worker until SIGTERM or SIGINT. `told` are additions to its ready line."""
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
    relay = EventRelay(worker.store, streams, settings.event_poll_s, settings.event_stream_length, worker.patience)
    # A store of its own, so that webhooks that wait for a hanging billing take no connections from flows and
    # heartbeats.
    inbox_store = Store(settings.database_url, connections_max=settings.inbox_concurrency + 1)
    inbox = InboxWorker(
        inbox_store,
        {SUBSCRIPTION: SubscriptionMirror(worker.system)},
        worker.patience,
        settings.inbox_poll_s,
        settings.inbox_kept_days,
        settings.inbox_concurrency,
    )
    worker.notices.listeners |= {EVENTS: relay.wake, INBOX: inbox.wake}
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
