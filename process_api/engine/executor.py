"""What runs flows inside a worker's process: the worker, and its durable workflows."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from dbos import DBOS, DBOSConfig, error
from sqlalchemy import func, select

from process_api.engine import account_admission
from process_api.engine.account_turns import end_turn
from process_api.engine.crash_loops import count_start
from process_api.engine.ending import ENDED, end_order
from process_api.engine.flows import add_what_to_do, remove_what_to_do, tenant_of
from process_api.engine.intents import Intents
from process_api.engine.progress import last_said, outcome_was_uncertain
from process_api.engine.queues import (
    APPLICATION,
    BOOKING_WORKFLOW,
    INTAKE_WORKFLOW,
    QUEUES,
    SECOND_LOOK_WORKFLOW,
    WORKFLOW_VERSION,
    in_second_look,
)
from process_api.engine.saga import Saga, pause
from process_api.engine.steps import Ending, Patience
from process_api.engine.trace import traced_flow
from process_api.engine.worker_lease import Lease, new_executor_id
from process_api.housekeeping import Housekeeping
from process_api.orders.late_requests import SECOND_LOOK
from process_api.orders.record import find_order
from process_api.orders.submission import (
    REPORT_ENDING,
    STEPS,
    VENDOR_WRITES,
    step_begun,
    step_refused,
    step_settled,
)
from process_api.settings import ProcessSettings
from process_api.store import Store, sqlalchemy_url
from process_api.system_client import SystemClient, connect_system
from process_api.tables import flows, orders
from process_api.workflows.order_checks import OrderSubmission
from shared.http_client import Transport
from shared.problem import QuotewayError, Unavailable

_POLL_S = 0.05
_QUEUE_POLL_S = 0.1
# The database is away: DBOS waits for it in the same way.
_DATABASE_POLL_S = 1.0
# DBOS would lay a flow aside that was begun 100 times, as in a night of crashing workers: for good, and nobody is told.
# What counts here is process_api.engine.crash_loops.
_BEGUN_MAX: int | None = None
_DEFECT = "Have the defect mended, then have the flow tried again."
_WORKERS_DIED = "{} workers in a row ended while they were at work on this flow, and got nowhere with it."
_GIVEN_UP = (
    "Look for what ended those workers (out of memory? a crash in the log?), have it mended, and have the flow tried "
    "again. Salesforce does not know of this end."
)
# A vendor that is away for days is asked as often as this, in seconds.
_SECOND_LOOK_MAX_S = 6 * 3600
_LOOK_YOURSELF = "Look at ERP and billing for more than this order stands for"
_UNLOOKED = f"{_LOOK_YOURSELF}; the second look could not be made yet, and is repeated."
_log = logging.getLogger(__name__)


@dataclass
class Worker:
    """A running worker: its saga, and everything that has to be closed with it."""

    saga: Saga[OrderSubmission]
    store: Store
    system: SystemClient
    lease: Lease
    housekeeping: Housekeeping
    dbos: DBOS
    drain_s: float
    second_look_s: int
    flow_starts_max: int

    async def stop(self, *, drain_s: float | None = None) -> None:
        """Take no more flows, give those at work `drain_s` seconds, and close. What is left, others go on with at once.

        A flow that is left is one between two attempts: a call to a vendor is always waited for.
        """
        global _worker  # noqa: PLW0603 DBOS registers workflows per process, so there is one worker a process
        for polling in self.dbos.background_thread_stop_events:
            polling.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.drain_s if drain_s is None else drain_s):
                while self.lease.flows_at_work:  # noqa: ASYNC110 counted in many tasks, of which none is the last
                    await asyncio.sleep(_POLL_S)
        await self.housekeeping.stop()
        await self.lease.stop()
        await asyncio.to_thread(DBOS.destroy)
        # DBOS lends the loop its own threads, and takes them away for good: whoever needs one after it gets new ones.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))
        await self.system.tokens.close()
        await self.system.client.close()
        await self.store.close()
        _worker = None


_worker: Worker | None = None


def running_worker() -> Worker:
    """This process's worker."""
    if _worker is None:
        raise RuntimeError("no worker runs in this process")
    return _worker


async def start_worker(
    settings: ProcessSettings, *, transport: Transport | None = None, issuer_transport: Transport | None = None
) -> Worker:
    """Start this process's worker. `transport` replaces the way to the system API in tests."""
    global _worker  # noqa: PLW0603 see Worker.stop
    store = Store(settings.database_url)
    lease = Lease(store, new_executor_id(), settings.lease_s)
    system = replace(connect_system(settings, transport, issuer_transport), before_write=lease.require)
    config: DBOSConfig = {
        "name": APPLICATION,
        "system_database_url": sqlalchemy_url(settings.database_url),
        "executor_id": lease.executor_id,
        "application_version": WORKFLOW_VERSION,
        "run_migrations": False,
        # As with our own transactions (`Lease.fence`): a worker that is paused in the middle of one keeps no rows
        # locked for longer than it has its flows. DBOS's own limit is a minute.
        "sys_db_idle_transaction_timeout_sec": settings.lease_s,
        "log_level": settings.log_level,
    }
    _worker = worker = Worker(
        saga=_order_saga(settings, store, system, lease),
        store=store,
        system=system,
        lease=lease,
        housekeeping=Housekeeping(store, settings.idempotency_kept_days, settings.contacts_kept_days),
        dbos=DBOS(config=config),
        drain_s=settings.drain_s,
        second_look_s=settings.second_look_s,
        flow_starts_max=settings.flow_starts_max,
    )
    DBOS.listen_queues(list(QUEUES))
    await worker.lease.start()
    worker.housekeeping.start()
    DBOS.launch()
    for name in QUEUES:
        await DBOS.register_queue_async(
            name,
            worker_concurrency=settings.worker_concurrency,
            partition_concurrency=settings.connection_concurrency,
            polling_interval_sec=_QUEUE_POLL_S,
        )
    return worker


@DBOS.workflow(name=INTAKE_WORKFLOW, max_recovery_attempts=_BEGUN_MAX)
@traced_flow(lambda: running_worker().store)
async def order_submission(flow_id: str, generation: int = 1) -> str:
    """Read the quote, which says whose the order is, and hand the flow on to its account's line.

    A later generation than the first is one that an operator had go on (process_api.dead_letters).
    """
    worker = running_worker()
    with worker.lease.flow():
        if await count_start(worker.store, worker.lease, flow_id) > worker.flow_starts_max:
            return await give_up(flow_id)
        ending = await _run(worker, flow_id, generation, through=STEPS[0].name)
        if ending.kind != "succeeded":
            await _come_to(worker, flow_id, ending)
            return ending.kind
        await DBOS.run_step_async({"name": "join_line"}, join_line, flow_id, generation)
    return "handed on"


@DBOS.workflow(name=BOOKING_WORKFLOW, max_recovery_attempts=_BEGUN_MAX)
@traced_flow(lambda: running_worker().store)
async def order_booking(flow_id: str, generation: int = 1) -> str:
    """Run the order's saga to its end, write the end down with its event, and tell Salesforce of a bad one."""
    worker = running_worker()
    with worker.lease.flow():
        if await count_start(worker.store, worker.lease, flow_id) > worker.flow_starts_max:
            return await give_up(flow_id)
        ending = await _run(worker, flow_id, generation)
        await _come_to(worker, flow_id, ending)
    return ending.kind


async def give_up(flow_id: str) -> str:
    """Park a flow that its workers die with; of one that has ended, leave what was to follow to its owner.

    The workflow ends with it. No step of DBOS is made: which one would be next is not known here.
    """
    worker = running_worker()
    ending = Ending("parked", "", "workers_died", _WORKERS_DIED.format(worker.flow_starts_max), _GIVEN_UP)
    ended = await _has_ended(worker, flow_id)
    if not ended:
        await end_order(worker.store, worker.lease, flow_id, ending)
    while True:
        with suppress(Unavailable):
            async with worker.store.transaction(tenant_of(flow_id)) as connection:
                # Whose flow it is no more would take a place in line from the flow's next generation.
                await worker.lease.fence(connection)
                await end_turn(connection, flow_id)  # the last worker died in the middle of it
                await account_admission.leave_line(connection, flow_id)
                if ended:
                    to_do = f"{ending.preamble} {_LOOK_YOURSELF}, and tell the seller."
                    await add_what_to_do(connection, flow_id, to_do)
            break
        await asyncio.sleep(_DATABASE_POLL_S)
    return "given up"


async def _has_ended(worker: Worker, flow_id: str) -> bool:
    query = select(flows.c.status).where(flows.c.flow_id == flow_id)
    while True:
        with suppress(Unavailable):
            async with worker.store.transaction(tenant_of(flow_id)) as connection:
                return await connection.scalar(query) in ENDED
        await asyncio.sleep(_DATABASE_POLL_S)


async def _run(worker: Worker, flow_id: str, generation: int, *, through: str | None = None) -> Ending:
    try:
        return await worker.saga.run(flow_id, resumed=generation > 1, through=through)
    except error.DBOSException:
        raise  # the engine's own: it cannot go on with this workflow, and says why
    except Exception:  # noqa: BLE001 whatever it is, the order must come to an end
        _log.exception("defect in the saga of %s", flow_id)
        return Ending("parked", "", "defect", "Something in our own code failed; the log has the rest.", _DEFECT)


async def _come_to(worker: Worker, flow_id: str, ending: Ending) -> None:
    await DBOS.run_step_async({"name": "end_order"}, end_order, worker.store, worker.lease, flow_id, ending)
    if ending.kind != "succeeded":
        told = await worker.saga.settle(flow_id, REPORT_ENDING, "forward")
        if told["kind"] != "done":
            await DBOS.run_step_async({"name": "note_untold"}, note_untold, flow_id)
        await DBOS.run_step_async({"name": "leave_line"}, leave_line, flow_id)
    if ending.kind != "parked" and await DBOS.run_step_async({"name": "was_uncertain"}, was_uncertain, flow_id):
        tenant, legal_entity = await DBOS.run_step_async({"name": "read_lane"}, read_lane, flow_id)
        place = in_second_look(flow_id, tenant=tenant, legal_entity=legal_entity, delay_s=worker.second_look_s)
        await DBOS.enqueue_workflow_with_options_async(place, flow_id)


@DBOS.workflow(name=SECOND_LOOK_WORKFLOW, max_recovery_attempts=_BEGUN_MAX)
async def order_second_look(flow_id: str, look: int = 1) -> str:
    """Some minutes after an end that was reached over a lost answer: cancel what a late request has left.

    While a vendor is away it is put off, as often as need be: nobody else looks.
    """
    worker = running_worker()
    with worker.lease.flow():
        if await count_start(worker.store, worker.lease, flow_id) > worker.flow_starts_max:
            return await give_up(flow_id)
        await pause(await DBOS.run_step_async({"name": "second_look_early_s"}, second_look_early_s, flow_id))
        tried = (look - 1) * worker.saga.patience.attempts_max
        looked = await worker.saga.settle(flow_id, SECOND_LOOK, "forward", tried=tried)
        put_off = looked["kind"] in {"unavailable", "unknown"}
        if put_off:
            await _look_later(worker, flow_id, look + 1)
        if looked["kind"] != "done" or look > 1:
            await DBOS.run_step_async({"name": "note_look"}, note_look, flow_id, looked["kind"])
    return looked["kind"]


async def _look_later(worker: Worker, flow_id: str, look: int) -> None:
    tenant, legal_entity = await DBOS.run_step_async({"name": "read_lane"}, read_lane, flow_id)
    delay_s = min(worker.second_look_s * 2 ** min(look, 16), _SECOND_LOOK_MAX_S)
    place = in_second_look(flow_id, look, tenant=tenant, legal_entity=legal_entity, delay_s=delay_s)
    await DBOS.enqueue_workflow_with_options_async(place, flow_id, look)


async def second_look_early_s(flow_id: str) -> float:
    """How many seconds too early it is, by the database's clock: DBOS began by the clock of some worker."""
    worker = running_worker()
    since_s = func.extract("epoch", func.now() - flows.c.finished_at)
    query = select(since_s).where(flows.c.flow_id == flow_id)
    while True:
        with suppress(Unavailable):
            async with worker.store.transaction(tenant_of(flow_id)) as connection:
                passed_s = float(await connection.scalar(query) or 0)
            return max(0.0, worker.second_look_s - passed_s)
        await asyncio.sleep(_DATABASE_POLL_S)


async def note_look(flow_id: str, outcome: str) -> None:
    """While nobody has looked, what a late request left may still be there, and only a person can see to it."""
    with suppress(QuotewayError):
        async with running_worker().store.transaction(tenant_of(flow_id)) as connection:
            await remove_what_to_do(connection, flow_id, _UNLOOKED)
            if outcome in {"unavailable", "unknown"}:
                await add_what_to_do(connection, flow_id, _UNLOOKED)
            elif outcome != "done":
                said = await last_said(connection, flow_id, SECOND_LOOK.name)
                await add_what_to_do(connection, flow_id, f"{_LOOK_YOURSELF}; the second look failed. ({said})")


async def was_uncertain(flow_id: str) -> bool:
    """Whether a request of the flow may still be on its way to a vendor."""
    while True:
        with suppress(Unavailable):
            async with running_worker().store.transaction(tenant_of(flow_id)) as connection:
                return await outcome_was_uncertain(connection, flow_id, VENDOR_WRITES)
        await asyncio.sleep(_DATABASE_POLL_S)


async def join_line(flow_id: str, generation: int) -> None:
    """Have the flow wait until it is let into its legal entity's lane."""
    worker = running_worker()
    while True:
        with suppress(Unavailable):
            async with worker.store.transaction(tenant_of(flow_id)) as connection:
                await worker.lease.fence(connection)
                await account_admission.join_line(connection, flow_id, generation)
            return
        await asyncio.sleep(_DATABASE_POLL_S)


async def leave_line(flow_id: str) -> None:
    """Let the next order of the account into the lane, after an end that Salesforce has been told of."""
    worker = running_worker()
    while True:
        with suppress(Unavailable):
            async with worker.store.transaction(tenant_of(flow_id)) as connection:
                await worker.lease.fence(connection)
                await account_admission.leave_line(connection, flow_id)
            return
        await asyncio.sleep(_DATABASE_POLL_S)


async def read_lane(flow_id: str) -> tuple[str, str]:
    """The tenant and the legal entity of a flow whose quote is known."""
    query = (
        select(orders.c.tenant, orders.c.legal_entity)
        .join(flows, flows.c.subject == orders.c.order_id)
        .where(flows.c.flow_id == flow_id)
    )
    while True:
        with suppress(Unavailable):
            async with running_worker().store.transaction(tenant_of(flow_id)) as connection:
                row = (await connection.execute(query)).one()
            return row.tenant, row.legal_entity
        await asyncio.sleep(_DATABASE_POLL_S)


async def note_untold(flow_id: str) -> None:
    """Salesforce could not be told of a bad end: an operator has to see that, since no sales user will."""
    with suppress(QuotewayError):  # without a database the attempts at telling it say so still
        async with running_worker().store.transaction(tenant_of(flow_id)) as connection:
            said = await last_said(connection, flow_id, REPORT_ENDING.name)
            await add_what_to_do(
                connection, flow_id, f"Salesforce does not know of this end; tell the seller. ({said})"
            )


def _order_saga(settings: ProcessSettings, store: Store, system: SystemClient, lease: Lease) -> Saga[OrderSubmission]:
    intents, policy, legal_entities = Intents(store), settings.discount_policy(), settings.legal_entities()

    async def load(flow_id: str) -> OrderSubmission:
        async with store.transaction(tenant_of(flow_id)) as connection:
            flow = (await connection.execute(select(flows).where(flows.c.flow_id == flow_id))).one()
            order = await find_order(connection, flow.tenant, flow.subject)
        if order is None:
            raise AssertionError(f"flow {flow_id} has no order, though both are written in one transaction")
        return OrderSubmission(
            flow_id=flow_id,
            correlation_id=flow.correlation_id,
            order=order,
            results=flow.results,
            system=system,
            store=store,
            intents=intents,
            policy=policy,
            legal_entities=legal_entities,
            edits=flow.edits,
        )

    patience = Patience(
        settings.step_attempts_max, settings.step_backoff_s, settings.step_backoff_max_s, settings.settle_s
    )
    return Saga(STEPS, store, patience, lease, load, step_begun, step_settled, step_refused)
