"""A lease that this process counts as ended, and the database does not yet (FAILURES.md, row 10)."""

import pytest
from sqlalchemy import text

from process_api.lease import LeaseLost
from tests.process_api.conftest import Process

pytestmark = pytest.mark.servers


async def let_it_end(process: Process) -> str:
    """Submit an order to a worker whose lease has ended by its own count, and wait for the order to be laid aside."""
    lease = process.worker.lease
    lease._ends_at = float("-inf")
    with pytest.raises(LeaseLost):
        lease.require()
    lease._flow_laid_aside = False
    return str((await process.submit()).json()["orderId"])


async def test_a_flow_laid_aside_is_taken_up_again_although_the_lease_was_renewed(process: Process) -> None:
    epoch = process.worker.lease._epoch
    order_id = await let_it_end(process)
    order = await process.ended(order_id, timeout_s=20)
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
