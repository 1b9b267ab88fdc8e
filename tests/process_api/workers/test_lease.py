"""A lease that this process counts as ended, and the database does not yet (docs/failures.md, row 10)."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from process_api.engine.worker_lease import Lease, LeaseLost, new_executor_id
from tests.patience import HANG_S, LONG_LEASE_S, until
from tests.process_api.conftest import Process

pytestmark = pytest.mark.servers


async def let_it_end(process: Process) -> str:
    """Submit an order to a worker whose lease has ended by its own count, and wait for the order to be laid aside."""
    lease = process.worker.lease
    lease._ends_at = float("-inf")
    with pytest.raises(LeaseLost):
        lease.require()
    lease._flow_laid_aside, epoch = False, lease._epoch
    order_id = str((await process.submit()).json()["orderId"])
    async with asyncio.timeout(HANG_S):
        while not lease._flow_laid_aside and lease._epoch == epoch:
            lease._ends_at = float("-inf")  # again: it may have been renewed before the flow met it
            await asyncio.sleep(0.01)
    return order_id


async def test_a_flow_laid_aside_is_taken_up_again_although_the_lease_was_renewed(process: Process) -> None:
    epoch = process.worker.lease._epoch
    order_id = await let_it_end(process)
    order = await process.ended(order_id)
    assert order["status"] == "booked"
    assert process.worker.lease._epoch > epoch
    assert len(process.system.orders) == 1


async def test_a_transaction_under_an_older_epoch_is_refused(process: Process) -> None:
    lease = process.worker.lease
    with lease.flow():
        async with process.worker.store.transaction_across_tenants() as connection:
            await lease.fence(connection)
        await lease._take()
        with pytest.raises(LeaseLost):
            lease.require()
        with pytest.raises(LeaseLost):
            async with process.worker.store.transaction_across_tenants() as connection:
                await lease.fence(connection)
    async with process.worker.store.transaction_across_tenants() as connection:
        await lease.fence(connection)
        rows = await connection.execute(text("SELECT FROM quoteway.executors WHERE expires_at > now()"))
        assert len(list(rows)) == 1


async def other_workers_lease(process: Process) -> Lease:
    """A lease of another worker, which will end when the test says so."""
    lease = Lease(process.worker.store, new_executor_id(), LONG_LEASE_S)
    await lease._take()
    return lease


async def let_lease_end(process: Process, lease: Lease) -> None:
    """As the database has it, its time is over."""
    async with process.worker.store.transaction_across_tenants() as connection:
        ended = text("UPDATE quoteway.executors SET expires_at = now() WHERE executor_id = :id")
        await connection.execute(ended, {"id": lease.executor_id})


async def is_kept(process: Process, lease: Lease) -> bool:
    async with process.worker.store.transaction_across_tenants() as connection:
        query = text("SELECT FROM quoteway.executors WHERE executor_id = :id")
        return bool(list(await connection.execute(query, {"id": lease.executor_id})))


async def test_the_living_do_not_wait_for_a_row_that_a_paused_worker_holds(process: Process) -> None:
    """Each would lose its own lease over it, and all of them would stand still with the paused one."""
    paused = await other_workers_lease(process)
    async with process.worker.store.engine.begin() as connection:
        held = text("SELECT FROM quoteway.executors WHERE executor_id = :id FOR KEY SHARE")
        await connection.execute(held, {"id": paused.executor_id})
        await let_lease_end(process, paused)
        async with asyncio.timeout(HANG_S):
            await process.worker.lease._take_over_orphans()
        assert await is_kept(process, paused)
    await process.worker.lease._take_over_orphans()
    assert not await is_kept(process, paused)


async def test_a_worker_paused_in_a_transaction_loses_it_with_its_lease(process: Process) -> None:
    """It would keep its flows from everyone for as long as it is paused, or until TCP notices that it is gone."""
    paused = await other_workers_lease(process)
    paused.lease_s = 1.0  # for how long its transactions may be idle
    connection = await process.worker.store.engine.connect()
    with paused.flow():
        await paused.fence(connection)
    await let_lease_end(process, paused)

    async def is_gone() -> bool:
        await process.worker.lease._take_over_orphans()
        return not await is_kept(process, paused)

    await until(is_gone)
    with pytest.raises(DBAPIError):
        await connection.execute(text("SELECT 1"))
    await connection.invalidate()
