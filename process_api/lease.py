"""Workers that live, and the flows of those that do not.

Every worker has an id of its own and a lease in PostgreSQL, on the database's clock. A worker that stops renewing it is
dead: the living hand its flows back to the queue. Two workers may still run one flow for a while (one was only
paused); that is why every write searches by external id first.
"""

import asyncio
import logging
import os
import socket
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from dbos import DBOS
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from process_api.store import Store
from process_api.tables import executors
from shared.problem import Unavailable

_log = logging.getLogger(__name__)
_HEARTBEATS_PER_LEASE = 3


def new_executor_id() -> str:
    """An id that no other worker has or had: two workers under one id would both run the same flows."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


@dataclass
class Lease:
    """This worker's lease. Renew it with `keep` for as long as the worker lives."""

    store: Store
    executor_id: str
    lease_s: float
    _task: asyncio.Task[None] | None = field(default=None, init=False)

    async def start(self) -> None:
        """Take the lease, before the first flow is taken, and go on renewing it."""
        await self._renew()
        self._task = asyncio.create_task(self._keep(), name="lease")

    async def stop(self) -> None:
        """Give the lease back, after the last flow has ended or been left to the others."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        with suppress(Unavailable):
            async with self.store.transaction() as connection:
                await connection.execute(delete(executors).where(executors.c.executor_id == self.executor_id))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self.lease_s / _HEARTBEATS_PER_LEASE)
            try:
                await self._renew()
                await self._recover_orphans()
            except Unavailable as error:
                _log.warning("lease not renewed: %s", error.detail)
            except Exception:  # noqa: BLE001 see below
                # Whatever goes wrong with others' flows must not end this worker's own lease.
                _log.exception("recovery of orphaned flows failed")

    async def _renew(self) -> None:
        async with self.store.transaction() as connection:
            await connection.execute(
                insert(executors)
                .values(executor_id=self.executor_id)
                .on_conflict_do_update(index_elements=["executor_id"], set_={"heartbeat_at": func.now()})
            )

    async def _recover_orphans(self) -> None:
        async with self.store.transaction() as connection:
            alive = set(
                await connection.scalars(
                    select(executors.c.executor_id).where(
                        executors.c.heartbeat_at > func.now() - timedelta(seconds=self.lease_s)
                    )
                )
            )
        running = await DBOS.list_workflows_async(status="PENDING", load_input=False, load_output=False)
        dead = {flow.executor_id for flow in running if flow.executor_id and flow.executor_id not in alive}
        if dead:
            _log.warning("taking over the flows of dead workers: %s", ", ".join(sorted(dead)))
            # DBOS leaves recovery to its own control plane and offers no public call for it.
            await asyncio.to_thread(DBOS._recover_pending_workflows, sorted(dead))  # noqa: SLF001 see above
            async with self.store.transaction() as connection:
                await connection.execute(delete(executors).where(executors.c.executor_id.in_(dead)))
