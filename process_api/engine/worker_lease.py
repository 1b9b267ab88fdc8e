"""Worker leases: which workers are alive, and the take-over of dead workers' flows.

Every worker has an id of its own and a lease in PostgreSQL, on the database's clock. A worker that stops renewing it is
dead: the others return its flows to the queue. A paused worker notices before it does anything: it measures the lease's
time itself, and its writes are fenced by the lease's epoch in the database. A request that it sent just before the
pause may still arrive; that is why every write searches by external id first.
"""

import asyncio
import logging
import os
import socket
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta

from dbos import DBOS, error
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.direct import fetch
from process_api.database.notices import tell
from process_api.database.store import Store
from process_api.database.tables import executors
from process_api.engine.queueing.queues import QUEUES
from shared.problem import Unavailable

_log = logging.getLogger(__name__)
_HEARTBEATS_PER_LEASE = 3
_POLL_S = 0.05
# A vendor call that has begun is not interrupted, which would make its outcome unknown. Longer than the outbound client
# waits for an answer.
_IN_FLIGHT_S = 20.0
_FENCE = (
    "SELECT epoch, set_config('idle_in_transaction_session_timeout', %(idle_ms)s, true) FROM quoteway.executors"
    " WHERE executor_id = %(executor_id)s AND epoch = %(epoch)s FOR KEY SHARE"
)
_began_under: ContextVar[int | None] = ContextVar("began_under", default=None)


class LeaseLost(error.DBOSWorkflowConflictIDError):
    """This execution of a flow must stop: another worker has the flow, or will have it.

    DBOS records nothing for it: the execution is suspended until the flow's new owner has ended the flow.
    """

    def __init__(self) -> None:
        super().__init__(DBOS.workflow_id or "of a worker whose lease has ended")


def new_executor_id() -> str:
    """Return an id that no other worker has or had: two workers under one id would both run the same flows."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def _nothing() -> None:
    """Tell nobody."""


@dataclass
class Lease:
    """This worker's lease, renewed three times in `lease_s` seconds for as long as the worker lives.

    `on_flow_ended` is called when an execution of a flow has ended.
    """

    store: Store
    executor_id: str
    lease_s: float
    on_flow_ended: Callable[[], None] = _nothing
    _at_work: Counter[str | None] = field(default_factory=Counter, init=False)
    _unattended_since: dict[str, float] = field(default_factory=dict, init=False)
    _attempts_at_work: int = field(default=0, init=False)
    _epoch: int = field(default=0, init=False)
    _ends_at: float = field(default=float("-inf"), init=False)
    _flows_to_hand_back: bool = field(default=False, init=False)
    _flow_laid_aside: bool = field(default=False, init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)

    @property
    def flows_at_work(self) -> int:
        """The number of executions of flows that have not ended in this process."""
        return self._at_work.total()

    async def start(self) -> None:
        """Take the lease, before the first flow, and keep renewing it. Raises Unavailable."""
        await self._take()
        self._task = asyncio.create_task(self._keep(), name="lease")

    async def stop(self) -> None:
        """Return the lease and its remaining flows, so that others continue them at once."""
        await self._end_keeping()
        self._ends_at = float("-inf")
        with suppress(TimeoutError):
            async with asyncio.timeout(_IN_FLIGHT_S):
                while self._attempts_at_work:  # noqa: ASYNC110 counted in many tasks, of which none is the last
                    await asyncio.sleep(_POLL_S)
        with suppress(Unavailable):
            async with self.store.transaction_across_tenants() as connection:
                await connection.execute(delete(executors).where(executors.c.executor_id == self.executor_id))
            await self._hand_back([self.executor_id])

    @contextmanager
    def flow(self) -> Iterator[None]:
        """Wrap one execution of a flow, bound to the lease under which it began."""
        began, workflow = _began_under.set(self._epoch), DBOS.workflow_id
        self._at_work[workflow] += 1
        try:
            yield
        finally:
            self._at_work[workflow] -= 1
            if not self._at_work[workflow]:
                del self._at_work[workflow]
            _began_under.reset(began)
            self.on_flow_ended()

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Wrap work that must not be interrupted when the worker stops. Raises LeaseLost if it may not begin."""
        self.require()
        self._attempts_at_work += 1
        try:
            yield
        finally:
            self._attempts_at_work -= 1

    def require(self) -> None:
        """Raise LeaseLost unless, as far as this process can tell, the lease still holds for this execution.

        It never holds longer here than in the database: its time is counted from before its renewal was requested.
        """
        if _began_under.get() not in {None, self._epoch}:
            raise LeaseLost
        if time.monotonic() >= self._ends_at:
            # The lease may yet be renewed in time for the database; the flow would then belong to nobody.
            self._flow_laid_aside = True
            raise LeaseLost

    async def fence(self, connection: AsyncConnection) -> None:
        """Let only the lease's holder commit the caller's transaction. Raises LeaseLost.

        A worker that takes over these flows removes the lease's row first, which waits for the end of this transaction.
        A worker that is paused in the transaction would block that: the database ends it then.
        """
        self.require()
        epoch = _began_under.get()
        held = await fetch(
            connection,
            _FENCE,
            executor_id=self.executor_id,
            epoch=self._epoch if epoch is None else epoch,
            idle_ms=f"{round(self.lease_s * 1000)}ms",
        )
        if not held:
            self._flow_laid_aside = True
            raise LeaseLost

    async def _end_keeping(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self.lease_s / _HEARTBEATS_PER_LEASE)
            try:
                await self._renew()
                await self._take_over_orphans()
            except Unavailable as away:
                _log.warning("lease not renewed: %s", away.detail)
            except Exception:  # noqa: BLE001 see below
                # A failure with others' flows must not end this worker's own lease.
                _log.exception("recovery of orphaned flows failed")

    async def _renew(self) -> None:
        asked_at = time.monotonic()
        async with self.store.transaction_across_tenants() as connection:
            renewed = await connection.scalar(
                update(executors)
                .where(
                    executors.c.executor_id == self.executor_id,
                    executors.c.epoch == self._epoch,
                    executors.c.expires_at > func.now(),
                )
                .values(expires_at=func.now() + timedelta(seconds=self.lease_s))
                .returning(executors.c.epoch)
            )
        if renewed is None or self._flow_laid_aside:
            _log.warning("the lease had ended before it was renewed: this worker's flows go back to the queue")
            self._flow_laid_aside = False
            self._flows_to_hand_back = True
            await self._take()
        else:
            self._ends_at = asked_at + self.lease_s
        if self._flows_to_hand_back:
            await self._hand_back([self.executor_id])
            self._flows_to_hand_back = False

    async def _take(self) -> None:
        """Take the lease under a new epoch: work begun under an older one must stop."""
        asked_at = time.monotonic()
        async with self.store.transaction_across_tenants() as connection:
            await connection.execute(delete(executors).where(executors.c.executor_id == self.executor_id))
            self._epoch = (
                await connection.execute(
                    insert(executors)
                    .values(executor_id=self.executor_id, expires_at=func.now() + timedelta(seconds=self.lease_s))
                    .returning(executors.c.epoch)
                )
            ).scalar_one()
        self._ends_at = asked_at + self.lease_s

    async def _take_over_orphans(self) -> None:
        # The flows first, then the living workers: a worker has its lease before its first flow.
        running = await DBOS.list_workflows_async(status="PENDING", load_input=False, load_output=False)
        async with self.store.transaction_across_tenants() as connection:
            # A locked row is left for the next round: waiting for it would cost this worker its own lease.
            ended = select(executors.c.executor_id).where(executors.c.expires_at <= func.now())
            removable = ended.with_for_update(skip_locked=True)
            await connection.execute(delete(executors).where(executors.c.executor_id.in_(removable)))
            alive = set(await connection.scalars(select(executors.c.executor_id)))
        dead = sorted({flow.executor_id for flow in running if flow.executor_id and flow.executor_id not in alive})
        if dead:
            _log.warning("taking over the flows of dead workers: %s", ", ".join(dead))
            await self._hand_back(dead)
        self._look_for_unattended({flow.workflow_id for flow in running if flow.executor_id == self.executor_id})

    def _look_for_unattended(self, mine: set[str]) -> None:
        """Hand back this worker's flows that nothing here has run for the length of a lease.

        The database committed that this worker has such a flow, but the answer was lost: DBOS then does not know it.
        """
        now, known = time.monotonic(), self._unattended_since
        self._unattended_since = {flow: known.get(flow, now) for flow in mine if not self._at_work[flow]}
        forgotten = sorted(flow for flow, since in self._unattended_since.items() if now - since >= self.lease_s)
        if forgotten:
            _log.warning("flows that nobody here works on go back to the queue: %s", ", ".join(forgotten))
            self._unattended_since.clear()
            self._flow_laid_aside = True

    async def _hand_back(self, executor_ids: list[str]) -> None:
        """Return those workers' flows to the queue. Of several concurrent callers, one moves each flow.

        If this is interrupted, the remaining flows still belong to workers without a lease: the next call moves them.
        """
        # DBOS leaves recovery to its own control plane and offers no public call for it.
        handed_back = await asyncio.to_thread(DBOS._recover_pending_workflows, executor_ids)  # noqa: SLF001 see above
        if handed_back:
            async with self.store.transaction_across_tenants() as connection:
                for queue in QUEUES:
                    await tell(connection, queue)
