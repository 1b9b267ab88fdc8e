"""Runs flows in a worker's process: the engine and its three durable workflows (begin, run, sweep).

The names of the durable steps are stored in the database: a running flow replays them by name, so they stay even if the
function is renamed.
"""

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from dbos import DBOS, DBOSConfig, StepOptions, error
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.store import Store, sqlalchemy_url, when_available
from process_api.engine import account_admission
from process_api.engine.account_turns import LocalTurns
from process_api.engine.crash_loops import count_start, forget_starts
from process_api.engine.ending import (
    end_flow,
    give_up,
    leave_line,
    note_sweep,
    note_unreported,
    sweep_early_s,
    was_uncertain,
)
from process_api.engine.flow_kind import FlowKind
from process_api.engine.flows import lane_of, tenant_of
from process_api.engine.queues import (
    APPLICATION,
    BEGIN_WORKFLOW,
    EARLIER_QUEUES,
    QUEUES,
    RUN_WORKFLOW,
    SWEEP_WORKFLOW,
    WORKFLOW_VERSION,
    delay,
    in_sweep,
)
from process_api.engine.saga import Saga, pause
from process_api.engine.steps import Ending, Patience
from process_api.engine.trace import traced_flow
from process_api.engine.worker_lease import Lease, LeaseLost

_POLL_S = 0.05
_QUEUE_POLL_S = 0.1
# Only flows of an earlier release are in these queues, and each poll costs a transaction.
_EARLIER_QUEUE_POLL_S = 1.0
# DBOS would silently drop a flow that was started 100 times, as in a night of crashing workers. The count that matters
# is in process_api.engine.crash_loops.
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

    async def stop(self, drain_s: float | None = None) -> None:
        """Dequeue no more flows, give running ones `drain_s` seconds, and stop. Other workers resume the rest at once.

        Flows are only interrupted between two attempts: a call to a vendor is always awaited.
        """
        global _engine  # noqa: PLW0603 DBOS registers workflows per process, so there is one engine a process
        for polling in self.dbos.background_thread_stop_events:
            polling.set()
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
        # As with our own transactions (`Lease.fence`): a worker that is paused in one keeps no row locks beyond its
        # lease. DBOS's own limit is a minute.
        "sys_db_idle_transaction_timeout_sec": settings.lease_s,
        "log_level": settings.log_level,
    }
    # One for all kinds: flows of one account run one at a time, whatever their kind.
    turns = LocalTurns()
    _engine = engine = Engine(
        sagas={name: Saga(kind, resources, store, patience, lease, turns) for name, kind in kinds.items()},
        store=store,
        lease=lease,
        dbos=DBOS(config=config),
        drain_s=settings.drain_s,
        sweep_after_s=settings.second_look_s,
        flow_starts_max=settings.flow_starts_max,
    )
    DBOS.listen_queues([*QUEUES, *EARLIER_QUEUES])
    await lease.start()
    DBOS.launch()
    for name in (*QUEUES, *EARLIER_QUEUES):
        await DBOS.register_queue_async(
            name,
            worker_concurrency=settings.worker_concurrency,
            partition_concurrency=settings.connection_concurrency,
            polling_interval_sec=_QUEUE_POLL_S if name in QUEUES else _EARLIER_QUEUE_POLL_S,
        )
    return engine


# -- the three durable workflows ----------------------------------------------------------------------------------


async def begin_flow(flow_id: str, generation: int = 1) -> str:
    """Run the steps that find the account and legal entity, then hand the flow to its account's admission.

    A generation after the first was started by an operator's decision (process_api.engine.decisions).
    """
    engine = running_engine()
    with engine.lease.flow():
        saga = await _start(engine, flow_id)
        if saga is None:
            return "given up"
        ending = await _run_steps(saga, flow_id, generation, through=saga.kind.connection_known_after)
        if ending.kind != "succeeded":
            await _come_to(engine, saga, flow_id, ending)
            return ending.kind
        await DBOS.run_step_async({"name": "join_line"}, join_line, flow_id, generation)
    return "handed on"


async def run_flow(flow_id: str, generation: int = 1) -> str:
    """Run a flow's steps, record its end with the event, and report an end other than success."""
    engine = running_engine()
    with engine.lease.flow():
        saga = await _start(engine, flow_id)
        if saga is None:
            return "given up"
        ending = await _run_steps(saga, flow_id, generation)
        await _come_to(engine, saga, flow_id, ending)
    return ending.kind


async def sweep_flow(flow_id: str, look: int = 1) -> str:
    """Remove what a late request has left, some minutes after an end with an uncertain outcome.

    While a vendor is down it is retried without limit: nothing else looks for late requests.
    """
    engine = running_engine()
    with engine.lease.flow():
        saga = await _start(engine, flow_id)
        if saga is None:
            return "given up"
        kind, sweep = saga.kind, saga.kind.late_request_sweep
        if sweep is None:
            raise AssertionError(f"flow {flow_id}: {kind.name} sweeps nothing")
        asked: StepOptions = {"name": "second_look_early_s"}
        await pause(await DBOS.run_step_async(asked, sweep_early_s, engine.store, flow_id, engine.sweep_after_s))
        tried = (look - 1) * saga.patience.attempts_max
        looked = await saga.settle(flow_id, sweep, "forward", tried=tried)
        if looked["kind"] in {"unavailable", "unknown"}:
            delay_s = min(engine.sweep_after_s * 2 ** min(look + 1, 16), _SWEEP_PAUSE_MAX_S)
            await _sweep_in(engine, flow_id, look + 1, delay_s)
        if looked["kind"] != "done" or look > 1:
            await DBOS.run_step_async({"name": "note_look"}, note_sweep, engine.store, kind, flow_id, looked["kind"])
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


async def _start(engine: Engine, flow_id: str) -> Saga[Any] | None:
    """Return how to run the flow; None if it is in a crash loop and has been parked.

    No durable step may run here: which one comes next in the workflow is not known yet.
    """
    start = await count_start(engine.store, engine.lease, flow_id)
    saga = engine.sagas.get(start.kind)
    if saga is None or not saga.kind.knows(start.step_table):
        await _put_back(engine, flow_id)
        raise LeaseLost
    saga = saga.at(start.step_table)
    if start.count > engine.flow_starts_max:
        await give_up(engine.store, engine.lease, saga.kind, flow_id, engine.flow_starts_max)
        return None
    return saga


async def _put_back(engine: Engine, flow_id: str) -> None:
    """Return a flow of an unknown kind or step table to its queue for another worker, as during a deploy."""
    _log.warning("flow %s is of a release that this worker does not know: it goes back to its queue", flow_id)

    async def put_back(connection: AsyncConnection) -> None:
        await engine.lease.fence(connection)
        await forget_starts(connection, flow_id)
        await delay(connection, DBOS.workflow_id or "", engine.lease.executor_id, _PUT_BACK_S)

    await when_available(engine.store, tenant_of(flow_id), put_back)


async def _run_steps(saga: Saga[Any], flow_id: str, generation: int, *, through: str | None = None) -> Ending:
    try:
        return await saga.run(flow_id, resumed=generation > 1, through=through)
    except error.DBOSException:
        raise  # DBOS's own error: it cannot continue this workflow, and says why
    except Exception:  # noqa: BLE001 whatever it is, the flow must come to an end
        _log.exception("defect in the saga of %s", flow_id)
        return Ending("parked", "", "defect", "Something in our own code failed; the log has the rest.", _DEFECT)


async def _come_to(engine: Engine, saga: Saga[Any], flow_id: str, ending: Ending) -> None:
    kind, store, lease = saga.kind, engine.store, engine.lease
    await DBOS.run_step_async({"name": "end_order"}, end_flow, store, lease, kind, flow_id, ending)
    if ending.kind != "succeeded":
        if kind.report_ending is not None:
            told = await saga.settle(flow_id, kind.report_ending, "forward")
            if told["kind"] != "done":
                await DBOS.run_step_async({"name": "note_untold"}, note_unreported, store, kind, flow_id)
        await DBOS.run_step_async({"name": "leave_line"}, leave_line, store, lease, flow_id)
    if kind.late_request_sweep is None or ending.kind == "parked":
        return
    if await DBOS.run_step_async({"name": "was_uncertain"}, was_uncertain, store, flow_id, kind.vendor_writes):
        await _sweep_in(engine, flow_id, 1, engine.sweep_after_s)


async def _sweep_in(engine: Engine, flow_id: str, look: int, delay_s: int) -> None:
    tenant, legal_entity = await DBOS.run_step_async({"name": "read_lane"}, read_lane, engine.store, flow_id)
    place = in_sweep(flow_id, look, tenant=tenant, legal_entity=legal_entity, delay_s=delay_s)
    await DBOS.enqueue_workflow_with_options_async(place, *([flow_id] if look == 1 else [flow_id, look]))


async def join_line(flow_id: str, generation: int) -> None:
    """Enqueue the flow in its legal entity's queue, at once or when it is admitted."""
    engine = running_engine()

    async def join(connection: AsyncConnection) -> None:
        await engine.lease.fence(connection)
        await account_admission.join_line(connection, flow_id, generation)

    await when_available(engine.store, tenant_of(flow_id), join)


async def read_lane(store: Store, flow_id: str) -> tuple[str, str]:
    """Return the tenant and the legal entity of a flow whose connection is known."""

    async def read(connection: AsyncConnection) -> tuple[str, str]:
        return await lane_of(connection, flow_id)

    return await when_available(store, tenant_of(flow_id), read)
