"""Crash loops: starts of a flow are counted and slowed down, and a flow that keeps ending its workers is given up.

A flow can end the process that runs it: by its memory, or by a defect in a library. The next worker takes it over, and
ends too. So every start is counted before anything is done, and an attempt that comes to an end begins the count anew.
The other flows of a worker that ends are counted with it; what keeps them apart is a pause that grows with the count,
during which a death counts for nobody: they get somewhere while the one that is to blame is held back.
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

# Deploys and other flows' deaths interrupt a flow once or twice; from here on it may be the flow itself.
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
    """Count that this worker begins with the flow, after a pause where many have, and return the start.

    Raises LeaseLost where the flow is, or will be, another worker's.
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
