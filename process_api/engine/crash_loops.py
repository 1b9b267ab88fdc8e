"""A flow that its workers die with: counted, held back a little, and in the end given up.

A flow can end the process that runs it: by its memory, or by a defect in a library. The next worker takes it over, and
ends too. So every start is counted before anything is done, and whatever attempt comes to an end begins the count anew.
The other flows of a worker that ends are counted with it; what keeps them apart is a pause that grows with the count,
during which a death counts for nobody: they get somewhere while the one that is to blame is held back.
"""

import asyncio
import random

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.engine.flows import tenant_of
from process_api.engine.worker_lease import Lease
from process_api.store import Store
from process_api.tables import flows
from shared.problem import Unavailable

# Deploys and other flows' deaths interrupt a flow once or twice; from here on it may be the flow itself.
_SUSPECT_AT = 3
_PAUSE_MAX_S = 30.0
# The database is away: DBOS waits for it in the same way.
_DATABASE_POLL_S = 1.0
_count = flows.c.fruitless_starts


async def count_start(store: Store, lease: Lease, flow_id: str) -> int:
    """Count that this worker begins with the flow, after a pause where many have. Returns the count, with this one.

    Raises LeaseLost where the flow is, or will be, another worker's.
    """
    held_back = False
    while True:
        try:
            async with store.transaction(tenant_of(flow_id)) as connection:
                await lease.fence(connection)
                begun = update(flows).where(flows.c.flow_id == flow_id).values(fruitless_starts=_count + 1)
                if not held_back:
                    begun = begun.where(_count < _SUSPECT_AT)
                counted = await connection.scalar(begun.returning(_count))
                if counted is not None:
                    return int(counted)
                known = await connection.scalar(select(_count).where(flows.c.flow_id == flow_id))
                if known is None:
                    return 0
        except Unavailable:
            await asyncio.sleep(_DATABASE_POLL_S)
            continue
        await asyncio.sleep(_pause_s(known))
        held_back = True


async def forget_starts(connection: AsyncConnection, flow_id: str) -> None:
    """Begin the count anew: the flow got somewhere."""
    await connection.execute(update(flows).where(flows.c.flow_id == flow_id, _count > 0).values(fruitless_starts=0))


def _pause_s(starts: int) -> float:
    doubled: float = min(2.0 ** min(starts - _SUSPECT_AT, 10), _PAUSE_MAX_S)
    return doubled * random.uniform(0.5, 1.0)  # noqa: S311 jitter is no secret
