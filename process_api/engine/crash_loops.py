"""Crash loops: counts and delays a flow's starts, and parks a flow that keeps crashing its workers.

A flow can end its process: by its memory, or by a defect in a library. The next worker takes it over, and ends too. So
every start is counted before anything is done, and an attempt that ends resets the count. A crash counts for all flows
of the worker; a pause that grows with the count separates them: during the pause a crash counts for nobody, so the
other flows make progress while the guilty one is held back.
"""

import asyncio
import random
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.direct import run
from process_api.database.store import Store, when_available
from process_api.database.tables import flows
from process_api.engine.flows import tenant_of
from process_api.engine.progress import Standing, read_standing
from process_api.engine.worker_lease import Lease

# Deploys and other flows' crashes interrupt a flow once or twice; from here on it may be the flow itself.
_SUSPECT_AT = 3
_PAUSE_MAX_S = 30.0
_count = flows.c.fruitless_starts


@dataclass(frozen=True)
class Start:
    """A worker's start with a flow: the flow, how far it has come, and how many starts got nowhere, with this one."""

    flow: Row[Any]
    standing: Standing
    count: int


async def count_start(store: Store, lease: Lease, flow_id: str) -> Start:
    """Count a start of the flow by this worker, after a pause if there were many, and return it.

    Raises LeaseLost if the flow belongs, or will belong, to another worker.
    """

    async def counted(connection: AsyncConnection) -> Start | None:
        await lease.fence(connection)
        begun = update(flows).where(flows.c.flow_id == flow_id).values(fruitless_starts=_count + 1)
        if not held_back:
            begun = begun.where(_count < _SUSPECT_AT)
        flow = (await connection.execute(begun.returning(flows))).one_or_none()
        return None if flow is None else Start(flow, await read_standing(connection, flow), flow.fruitless_starts)

    async def known(connection: AsyncConnection) -> int:
        return int((await connection.execute(select(_count).where(flows.c.flow_id == flow_id))).scalar_one())

    held_back = False
    while (start := await when_available(store, tenant_of(flow_id), counted)) is None:
        await asyncio.sleep(_pause_s(await when_available(store, tenant_of(flow_id), known)))
        held_back = True
    return start


async def forget_starts(connection: AsyncConnection, flow_id: str) -> None:
    """Begin the count anew: the flow got somewhere."""
    forget = "UPDATE quoteway.flows SET fruitless_starts = 0 WHERE flow_id = %(flow_id)s AND fruitless_starts > 0"
    await run(connection, forget, flow_id=flow_id)


def _pause_s(starts: int) -> float:
    doubled: float = min(2.0 ** min(starts - _SUSPECT_AT, 10), _PAUSE_MAX_S)
    return doubled * random.uniform(0.5, 1.0)  # noqa: S311 jitter is no secret
