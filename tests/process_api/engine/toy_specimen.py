"""The toy process as one of the kinds under test."""

from typing import Any

from sqlalchemy import text

from process_api.engine.saga import Saga
from tests.process_api.conftest import Process
from tests.process_api.engine.toy_kind import ToyVendor, start_toy, toy_kind


class ToySpecimen:
    """A toy."""

    kill_every = 1

    def __init__(self, process: Process) -> None:
        vendor = ToyVendor()
        worker, self.store = process.worker, process.worker.store
        self.saga: Saga[Any] = Saga(toy_kind(vendor), vendor, worker.store, worker.patience, worker.lease)
        self.live, self.most = vendor.live, vendor.most

    async def start(self) -> str:
        """Start one."""
        return await start_toy(self.store, self.saga.kind)

    def records(self, flow_id: str) -> list[str]:
        """Both of its records."""
        toy_id = flow_id.partition(".")[2]
        return [f"{toy_id}-made", f"{toy_id}-charged"]

    async def phase(self, flow_id: str) -> str:
        """As its row says."""
        query = text("SELECT phase FROM toys.toys WHERE toy_id = :toy")
        async with self.store.transaction_across_tenants() as connection:
            return str(await connection.scalar(query, {"toy": flow_id.partition(".")[2]}))

    def phase_of(self, ending: str) -> str:
        """The same word."""
        return ending
