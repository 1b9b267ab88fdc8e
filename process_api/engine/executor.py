"""Runs flows in a worker's process: the engine and its three durable workflows (begin, run, sweep).

The workflows make no durable steps of the library's: what a flow has come to is in our own rows, and a workflow that
begins again goes on from there (docs/decisions/0093). Of the library they need queues, lanes and recovery.
"""

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from dbos import DBOS, DBOSConfig, _workflow_commands, error
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.store import Store, sqlalchemy_url, when_available
from process_api.engine.crash_loops import Start, count_start, forget_starts
from process_api.engine.ending import (
    ENDED,
    end_flow,
    give_up,
    leave_line,
    note_sweep,
    note_unreported,
    sweep_early_s,
    sweep_in,
)
from process_api.engine.flow_kind import FlowKind
from process_api.engine.flows import tenant_of
from process_api.engine.queueing import account_admission
from process_api.engine.queueing.queue_pace import QueuePace
from process_api.engine.queueing.queues import (
    APPLICATION,
    BEGIN_WORKFLOW,
    EARLIER_QUEUES,
    QUEUES,
    RUN_WORKFLOW,
    SWEEP_WORKFLOW,
    WORKFLOW_VERSION,
    delay,
)
from process_api.engine.saga import Saga, pause
from process_api.engine.steps import Ending, Patience
from process_api.engine.trace import traced_flow
from process_api.engine.worker_lease import Lease, LeaseLost

_POLL_S = 0.05
# DBOS has ended a workflow shortly after its function has; then its place in the lane is free.
_PLACE_FREE_AFTER_S = 0.05
# What looks for flows whose delay is over, and for those with a time limit, of which there are none: DBOS looks every
# second. Delays are minutes, or half of one.
_DELAYS_EVERY_S = 5.0
# Messages between workflows, of which there are none: DBOS looks for them a hundred times a second. An engine that
# stops waits for that look.
_MESSAGES_EVERY_S = 1.0
# DBOS would lay a flow aside that was begun 100 times, as in a night of crashing workers: for good, and nobody is told.
# What counts here is process_api.engine.crash_loops.
_BEGUN_MAX: int | None = None
_DEFECT = "Have the defect mended, then have the flow tried again."
# The retry interval in seconds for a vendor that is down for days.
_SWEEP_PAUSE_MAX_S = 6 * 3600
# How long a flow waits for a worker that knows its kind and step table, before a worker that does not looks again.
_PUT_BACK_S = 30
_log = logging.getLogger(__name__)


class EngineSettings(Protocol):
    """The engine's part of its process's settings."""

    @property
    def database_url(self) -> str:
        """PostgreSQL with the flows."""

    @property
    def log_level(self) -> str:
        """What DBOS says in the log."""

    @property
    def lease_s(self) -> float:
        """Seconds without a heartbeat after which a worker is dead."""

    @property
    def drain_s(self) -> float:
        """Seconds that running flows get to end when a worker stops."""

    @property
    def second_look_s(self) -> int:
        """Seconds after an uncertain end during which late requests may arrive."""

    @property
    def flow_starts_max(self) -> int:
        """How many workers in a row a flow may crash before it is parked."""

    @property
    def worker_concurrency(self) -> int:
        """Flows that one worker runs at once."""

    @property
    def connection_concurrency(self) -> int:
        """Flows that all workers together run at once in a connection's queue."""


@dataclass
class Engine:
    """A running engine: its kinds, and everything to close with it."""

    sagas: dict[str, Saga[Any]]
    store: Store
    lease: Lease
    dbos: DBOS
    drain_s: float
    sweep_after_s: int
    flow_starts_max: int
    pace: QueuePace | None = None
    _looking: bool = field(default=False, init=False)

    def wake(self, queue: str) -> None:
        """Have a queue looked into at once."""
        if self.pace is not None:
            self.pace.wake(queue)

    def place_is_free(self) -> None:
        """Have the queues looked into soon: a flow has ended, and one that waits may take its place."""
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(_PLACE_FREE_AFTER_S, self._look_into_all)

    def _look_into_all(self) -> None:
        self._looking = False
        for queue in QUEUES:
            self.wake(queue)

    async def stop(self, drain_s: float | None = None) -> None:
        """Dequeue no more flows, give running ones `drain_s` seconds, and stop. Other workers resume the rest at once.

        Flows are only interrupted between two attempts: a call to a vendor is always awaited.
        """
        global _engine  # noqa: PLW0603 DBOS registers workflows per process, so there is one engine a process
        for polling in self.dbos.background_thread_stop_events:
            polling.set()
        if self.pace is not None:
            self.pace.end()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.drain_s if drain_s is None else drain_s):
                while self.lease.flows_at_work:  # noqa: ASYNC110 counted in many tasks, of which none is the last
                    await asyncio.sleep(_POLL_S)
        await self.lease.stop()
        await asyncio.to_thread(DBOS.destroy)
        # DBOS sets its own thread pool on the event loop and shuts it down: later work needs a new one.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))
        _engine = None


_engine: Engine | None = None


def running_engine() -> Engine:
    """Return this process's engine."""
    if _engine is None:
        raise RuntimeError("no engine runs in this process")
    return _engine


def _running_store() -> Store:
    return running_engine().store


async def start_engine(
    settings: EngineSettings,
    *,
    store: Store,
    lease: Lease,
    patience: Patience,
    kinds: Mapping[str, FlowKind[Any]],
    resources: Any,
) -> Engine:
    """Start this process's engine for these kinds of flows. `resources` is what their `load` gets."""
    global _engine  # noqa: PLW0603 see Engine.stop
    config: DBOSConfig = {
        "name": APPLICATION,
        "system_database_url": sqlalchemy_url(settings.database_url),
        "executor_id": lease.executor_id,
        "application_version": WORKFLOW_VERSION,
        "run_migrations": False,
        # DBOS would ask before each use of a connection whether it is open. Where it is not, it tries again anyway.
        "db_engine_kwargs": {"pool_pre_ping": False},
        "notification_coalesce_sec": _MESSAGES_EVERY_S,
        # As with our own transactions (`Lease.fence`): a worker that is paused in the middle of one keeps no rows
        # locked for longer than it has its flows. DBOS's own limit is a minute.
        "sys_db_idle_transaction_timeout_sec": settings.lease_s,
        "log_level": settings.log_level,
    }
    _engine = engine = Engine(
        sagas={
            name: Saga(kind, resources, store, patience, lease, settings.second_look_s) for name, kind in kinds.items()
        },
        store=store,
        lease=lease,
        dbos=DBOS(config=config),
        drain_s=settings.drain_s,
        sweep_after_s=settings.second_look_s,
        flow_starts_max=settings.flow_starts_max,
    )
    DBOS.listen_queues([*QUEUES, *EARLIER_QUEUES])
    lease.on_flow_ended = engine.place_is_free
    await lease.start()
    _workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC = _DELAYS_EVERY_S  # noqa: SLF001 it offers no setting
    DBOS.launch()
    engine.pace = QueuePace(engine.dbos.background_thread_stop_events, QUEUES)
    for name in (*QUEUES, *EARLIER_QUEUES):
        await DBOS.register_queue_async(
            name,
            worker_concurrency=settings.worker_concurrency,
            partition_concurrency=settings.connection_concurrency,
        )
    engine.pace.wake_all()
    return engine


# -- the three durable workflows ----------------------------------------------------------------------------------


async def begin_flow(flow_id: str, generation: int = 1) -> str:
    """Run the steps that find the account and legal entity, then hand the flow to its account's admission.

    A generation after the first was started by an operator's decision (process_api.engine.decisions).
    """
    engine = running_engine()
    with engine.lease.flow():
        started = await _start(engine, flow_id)
        if started is None:
            return "given up"
        saga, start = started
        through = saga.kind.connection_known_after
        if start.standing.status in ENDED and through not in start.standing.done:
            return await _follow_up(engine, saga, start, start.standing.status)
        ending = await _run_steps(saga, start, through=through)
        if ending.kind != "succeeded":
            return await _come_to(engine, saga, start, ending)
        await join_line(flow_id, generation)
    return "handed on"


async def run_flow(flow_id: str, generation: int = 1) -> str:
    """Run a flow's steps, record its end with the event, and report an end other than success."""
    engine = running_engine()
    with engine.lease.flow():
        started = await _start(engine, flow_id)
        if started is None:
            return "given up"
        saga, start = started
        if start.standing.generation != generation:
            return "gone on with"
        if start.standing.status in ENDED:
            return await _follow_up(engine, saga, start, start.standing.status)
        return await _come_to(engine, saga, start, await _run_steps(saga, start))


async def sweep_flow(flow_id: str, look: int = 1) -> str:
    """Remove what a late request has left, some minutes after an end with an uncertain outcome.

    While a vendor is down it is retried without limit: nothing else looks for late requests.
    """
    engine = running_engine()
    with engine.lease.flow():
        started = await _start(engine, flow_id)
        if started is None:
            return "given up"
        saga, start = started
        kind, sweep = saga.kind, saga.kind.late_request_sweep
        if sweep is None:
            raise AssertionError(f"flow {flow_id}: {kind.name} sweeps nothing")
        await pause(await sweep_early_s(engine.store, flow_id, engine.sweep_after_s))
        tried = (look - 1) * saga.patience.attempts_max
        looked = await saga.settle(flow_id, sweep, start.standing.last(sweep.name), tried=tried)
        if looked["kind"] in {"unavailable", "unknown"}:
            delay_s = min(engine.sweep_after_s * 2 ** min(look + 1, 16), _SWEEP_PAUSE_MAX_S)
            await _sweep_again(engine, start, look + 1, delay_s)
        if looked["kind"] != "done" or look > 1:
            await note_sweep(engine.store, kind, flow_id, looked["kind"])
    return looked["kind"]


# The names, the part of a flow, the function, and what its second argument counts. The second name is that of the
# release before, for flows it left behind (docs/decisions/0090).
WORKFLOWS = (
    ((BEGIN_WORKFLOW, "order_submission"), "begin", begin_flow, "generation"),
    ((RUN_WORKFLOW, "order_booking"), "run", run_flow, "generation"),
    ((SWEEP_WORKFLOW, "order_second_look"), "sweep", sweep_flow, "look"),
)
for _names, _part, _workflow, _number in WORKFLOWS:
    for _name in _names:
        # DBOS stores the name on the function: each name needs a function of its own, which `traced_flow` creates.
        _traced = traced_flow(_part, _running_store, _number)(_workflow)
        DBOS.workflow(name=_name, max_recovery_attempts=_BEGUN_MAX)(_traced)


# -- their parts --------------------------------------------------------------------------------------------------


async def _start(engine: Engine, flow_id: str) -> tuple[Saga[Any], Start] | None:
    """Return how the flow is run, and how far it has come; None where it is in a crash loop and has been given up."""
    start = await count_start(engine.store, engine.lease, flow_id)
    saga = engine.sagas.get(start.flow.kind)
    if saga is None or not saga.kind.knows(start.flow.step_table):
        await _put_back(engine, flow_id)
        raise LeaseLost
    saga = saga.at(start.flow.step_table)
    if start.count > engine.flow_starts_max:
        await give_up(engine.store, engine.lease, saga.kind, flow_id, engine.flow_starts_max)
        return None
    return saga, start


async def _put_back(engine: Engine, flow_id: str) -> None:
    """Return a flow of an unknown kind or step table to its queue for another worker, as during a deploy."""
    _log.warning("flow %s is of a release that this worker does not know: it goes back to its queue", flow_id)

    async def put_back(connection: AsyncConnection) -> None:
        await engine.lease.fence(connection)
        await forget_starts(connection, flow_id)
        await delay(connection, DBOS.workflow_id or "", engine.lease.executor_id, _PUT_BACK_S)

    await when_available(engine.store, tenant_of(flow_id), put_back)


async def _run_steps(saga: Saga[Any], start: Start, *, through: str | None = None) -> Ending:
    try:
        return await saga.run(start.flow.flow_id, start.standing, through=through)
    except error.DBOSException:
        raise  # DBOS's own error: it cannot continue this workflow, and says why
    except Exception:  # noqa: BLE001 whatever it is, the flow must come to an end
        _log.exception("defect in the saga of %s", start.flow.flow_id)
        return Ending("parked", "", "defect", "Something in our own code failed; the log has the rest.", _DEFECT)


async def _come_to(engine: Engine, saga: Saga[Any], start: Start, ending: Ending) -> str:
    """Write an end other than success down, and do what follows it."""
    if ending.kind == "succeeded":
        return ending.kind
    flow_id = start.flow.flow_id
    await end_flow(engine.store, engine.lease, saga.kind, flow_id, ending, engine.sweep_after_s)
    return await _follow_up(engine, saga, start, ending.kind)


async def _follow_up(engine: Engine, saga: Saga[Any], start: Start, ended: str) -> str:
    """Report an end other than success, and let the next flow of the account in. Doing it again changes nothing."""
    if ended == "succeeded":
        return ended
    kind, flow_id = saga.kind, start.flow.flow_id
    if kind.report_ending is not None:
        told = await saga.settle(flow_id, kind.report_ending, start.standing.last(kind.report_ending.name))
        if told["kind"] != "done":
            await note_unreported(engine.store, kind, flow_id)
    await leave_line(engine.store, engine.lease, flow_id)
    return ended


async def _sweep_again(engine: Engine, start: Start, look: int, delay_s: int) -> None:
    async def put_off(connection: AsyncConnection) -> None:
        await engine.lease.fence(connection)
        await sweep_in(connection, start.flow, look, delay_s)

    await when_available(engine.store, tenant_of(start.flow.flow_id), put_off)


async def join_line(flow_id: str, generation: int) -> None:
    """Enqueue the flow in its legal entity's queue, at once or when it is admitted."""
    engine = running_engine()

    async def join(connection: AsyncConnection) -> None:
        await engine.lease.fence(connection)
        await account_admission.join_line(connection, flow_id, generation)

    await when_available(engine.store, tenant_of(flow_id), join)
