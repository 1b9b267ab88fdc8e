"""Record the flows of this release for the tests of the next one; `tests/faults/recorded_release.py` says how."""

import os
import uuid
from pathlib import Path

import msgspec

from process_api.orders.submission import ORDER_SUBMISSION
from sandbox.engines.postgres import PostgresEngine, RedisEngine
from tests.faults.plant_settings import plant_settings
from tests.faults.recorded_release import Stopped, write_release
from tests.issuer_process import start_issuer
from tests.patience import until
from tests.process_api.system_server import running_system
from tests.process_api.system_stand_in import Fault, mixed_quote
from tests.process_api.workers.worker_processes import Plant, running_plant

REFUSED: dict[str, list[Fault]] = {"create_subscription": ["rejected"]}


class Recording:
    """Starts flows that stop, and remembers where."""

    def __init__(self, plant: Plant, stop: Path) -> None:
        self.plant, self.stop = plant, stop
        self.flows: dict[str, Stopped] = {}

    async def submit(self, point: str, ends: str, account_id: str = "") -> str:
        """Submit an order of that account, or of one of its own."""
        system = self.plant.server.system
        account_id = account_id or new_account_id()
        if system.account is not None:
            system.more_accounts.append(msgspec.structs.replace(system.account, account_id=account_id))
        quote = msgspec.structs.replace(mixed_quote(), account_id=account_id)
        system.more_quotes.append(quote)
        answer = await self.plant.submit(quote_id=quote.quote_id)
        assert answer.status_code == 202, answer.text
        order_id = str(answer.json()["orderId"])
        self.flows[order_id] = Stopped(point, ends)
        return order_id

    async def stand(
        self, point: str, ends: str, faults: dict[str, list[Fault]] | None = None, account_id: str = ""
    ) -> None:
        """Have a flow stop there, after these faults of the vendors."""
        self.stop.write_text(point)
        for operation, each in (faults or {}).items():
            self.plant.server.system.fail(operation, *each)
        await self.submit(point, ends, account_id)
        await until(lambda: not self.stop.exists())

    async def there_is(self, query: str, order_id: str) -> None:
        """Wait until a query about the order finds something."""

        async def found() -> bool:
            return bool(await self.plant.rows(query, like=f"%{order_id}%"))

        await until(found)


def new_account_id() -> str:
    """An account that no other order is of."""
    return f"001{uuid.uuid4().hex[:15].upper()}"


async def record(recording: Recording) -> None:
    """Have flows stop before and after each step, forwards and backwards, and at what lies between and after them."""
    system = recording.plant.server.system
    for step in ORDER_SUBMISSION.steps:
        await recording.stand(f"before {step.name}.forward", "booked")
        await recording.stand(f"after {step.name}.forward", "booked")
    for point in ("before join_line", "after join_line", "before end_order", "after end_order"):
        await recording.stand(point, "booked")
    for undone in ("start_billing.undo", "book_erp_order.undo", "end_order", "report_ending.forward"):
        await recording.stand(f"before {undone}", "rejected", REFUSED)
        await recording.stand(f"after {undone}", "rejected", REFUSED)
    await recording.stand("before book_erp_order.find", "booked", {"create_order": ["lost"]})
    shared = new_account_id()
    for _ in range(2):
        await recording.stand("before check_credit.forward", "booked", account_id=shared)
    waiting = await recording.submit("waits in line", "booked", shared)
    await recording.there_is("SELECT 1 FROM quoteway.account_lines WHERE flow_id LIKE :like AND NOT admitted", waiting)
    for decision, ends in (("retry", "booked"), ("discard", "compensated")):
        system.fail("create_subscription", "unavailable", "unavailable", "unavailable")
        parked = await recording.submit(f"parked, then {decision}", ends)
        await recording.there_is(
            "SELECT 1 FROM dbos.workflow_status WHERE workflow_uuid LIKE :like AND status = 'SUCCESS'"
            " AND workflow_uuid LIKE '%.booking'",
            parked,
        )
    system.fail("create_order", "lost")
    looked = await recording.submit("waits for its second look", "booked")
    delayed = "SELECT 1 FROM dbos.workflow_status WHERE workflow_uuid LIKE :like AND status = 'DELAYED'"
    await recording.there_is(delayed, looked)


async def test_record(postgres: PostgresEngine, redis_engine: RedisEngine, tmp_path: Path) -> None:
    """Write the file that QUOTEWAY_RECORD names."""
    stop = tmp_path / "stop"
    with start_issuer(tmp_path) as issuer, running_system() as server:
        settings = plant_settings(postgres, redis_engine, issuer, tmp_path)
        async with running_plant(settings, postgres, issuer, server, tmp_path) as plant:
            worker = await plant.start_worker(
                "tests.faults.stopping_worker",
                test_stop=stop,
                connection_concurrency=200,
                lease_s=60.0,
                step_attempts_max=3,
            )
            recording = Recording(plant, stop)
            await record(recording)
            worker.kill()
            await recording.submit("queued", "booked")
            write_release(
                Path(os.environ["QUOTEWAY_RECORD"]), plant.settings.database_url, server.system, recording.flows
            )
