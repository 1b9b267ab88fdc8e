"""Workers that are killed, paused and stopped in the middle of orders (docs/failures.md, rows 5, 9, 10)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from process_api.engine.queueing.account_admission import AT_ONCE_MAX
from process_api.settings import ProcessSettings
from sandbox.engines.postgres import PostgresEngine
from sandbox.processes.process import RunningProcess
from tests.patience import HANG_S, LONG_LEASE_S, until
from tests.process_api.system_server import running_system
from tests.process_api.workers.worker_processes import Plant, running_plant

pytestmark = pytest.mark.servers


@pytest_asyncio.fixture(loop_scope="session")
async def plant(
    process_settings: ProcessSettings, postgres: PostgresEngine, issuer: RunningProcess, tmp_path: Path
) -> AsyncIterator[Plant]:
    """A process API with a database of its own; the test starts the workers."""
    with running_system() as server:
        async with running_plant(process_settings, postgres, issuer, server, tmp_path) as plant:
            yield plant


UNGUARDED = "tests.process_api.workers.unguarded_worker"


async def kill_in_the_middle(plant: Plant, within_s: float = HANG_S, **survivors: Any) -> list[str]:
    """Kill a worker whose vendor has worked and not answered yet; two others live."""
    plant.server.hold.add("create_order")
    doomed = await plant.start_worker()
    order_ids = await plant.submitted(2)
    await plant.held_back()
    # Two others, so that both find the dead one's flows at about the same time.
    await asyncio.gather(plant.start_worker(**survivors), plant.start_worker(**survivors))
    doomed.kill()
    plant.server.release.set()
    await plant.all_booked(order_ids, within_s)
    return order_ids


async def pause_in_the_middle(plant: Plant, *, test_without: str = "") -> tuple[RunningProcess, list[str]]:
    """Pause a worker for longer than its lease, and wake it when another one has finished its flow."""
    plant.server.hold.add("create_order")
    ended = plant.folder / "ended"
    paused = await plant.start_worker(module=UNGUARDED, test_without=test_without, test_ended=ended)
    order_ids = await plant.submitted(1)
    await plant.held_back()

    plant.pause(paused)
    before = executions(ended)
    await plant.start_worker()
    plant.server.release.set()
    await plant.all_booked(order_ids)

    async def idle() -> bool:
        return not await plant.rows("SELECT FROM dbos.workflow_status WHERE status IN ('PENDING', 'ENQUEUED')")

    await until(idle)
    calls = list(plant.server.system.calls)
    plant.wake(paused)
    # The answer that waits in its socket has been read then, and whatever it goes on with has been asked for.
    await until(lambda: executions(ended) > before)
    assert plant.server.system.calls == calls, "the woken worker went on with a flow that is not its own"
    return paused, order_ids


def executions(ended: Path) -> int:
    """How many executions of flows have ended in the worker."""
    return len(ended.read_text().splitlines()) if ended.exists() else 0


async def test_a_killed_workers_flows_are_finished_by_the_living_within_30_s(plant: Plant) -> None:
    order_ids = await kill_in_the_middle(plant)
    plant.assert_exactly_once(order_ids)
    await plant.assert_told_once(order_ids)
    assert await plant.rows("SELECT FROM quoteway.flow_attempts WHERE resumed")


async def test_without_recovery_a_killed_workers_flows_would_stay(plant: Plant) -> None:
    with pytest.raises(TimeoutError):
        # Four leases: with recovery they are booked after two.
        await kill_in_the_middle(plant, 4 * plant.settings.lease_s, module=UNGUARDED, test_without="recovery")


async def test_a_paused_worker_wakes_and_leaves_its_flows_to_those_who_took_them_over(plant: Plant) -> None:
    paused, order_ids = await pause_in_the_middle(plant)
    plant.assert_exactly_once(order_ids)
    await plant.assert_told_once(order_ids)
    await until(lambda: plant.is_alive(paused))


async def test_without_its_lease_a_woken_worker_would_go_on_with_others_flows(plant: Plant) -> None:
    with pytest.raises(AssertionError, match="went on with a flow"):
        await pause_in_the_middle(plant, test_without="lease")


async def test_a_lone_worker_that_was_paused_takes_its_own_flows_up_again(plant: Plant) -> None:
    plant.server.hold.add("create_order")
    lone = await plant.start_worker()
    order_ids = await plant.submitted(1)
    await plant.held_back()

    plant.pause(lone)

    async def lease_ended() -> bool:
        return not await plant.is_alive(lone)

    await until(lease_ended)
    plant.server.release.set()
    plant.wake(lone)

    await plant.all_booked(order_ids)
    plant.assert_exactly_once(order_ids)
    await plant.assert_told_once(order_ids)


async def test_a_worker_that_is_stopped_ends_what_it_has_begun(plant: Plant) -> None:
    plant.server.pause_s = 0.05
    plant.server.hold.add("create_order")
    worker = await plant.start_worker(drain_s=HANG_S, lease_s=LONG_LEASE_S)
    order_ids = await plant.submitted(AT_ONCE_MAX)  # as many of one account as are let into the lane at a time
    # A flow that is only dequeued has not begun: it would rightly be left to others.
    await plant.held_back(len(order_ids))
    plant.server.release.set()
    await asyncio.to_thread(worker.stop)

    assert worker.exit_code == 0, worker.log_tail()
    assert [(await plant.order(order_id))["status"] for order_id in order_ids] == ["booked"] * len(order_ids)
    late = (await plant.submitted(1))[0]
    assert (await plant.order(late))["status"] == "received"
    assert await plant.rows("SELECT * FROM quoteway.executors") == []


async def stop_between_attempts(plant: Plant, within_s: float = HANG_S, **leaving_settings: Any) -> None:
    """Stop a worker whose flow waits for the ERP to come back; another one, which looks for no dead, must have it."""
    plant.server.system.fail("create_order", "unavailable", "unavailable")
    patient: dict[str, Any] = {"step_backoff_s": 600.0, "step_backoff_max_s": 600.0, "lease_s": LONG_LEASE_S}
    leaving = await plant.start_worker(drain_s=0.5, **patient, **leaving_settings)
    await plant.submitted(1)
    await until(lambda: "create_order" in plant.server.system.calls)
    staying = await plant.start_worker(module=UNGUARDED, test_without="recovery", **patient)
    await asyncio.to_thread(leaving.stop)
    assert leaving.exit_code == 0, leaving.log_tail()

    async def taken_over() -> bool:
        owners = await plant.rows("SELECT executor_id FROM dbos.workflow_status WHERE status = 'PENDING'")
        return [row.executor_id for row in owners] == [staying.ready["executorId"]]

    await until(taken_over, within_s)


async def test_what_a_stopped_worker_cannot_end_others_go_on_with_at_once(plant: Plant) -> None:
    await stop_between_attempts(plant)
    plant.assert_exactly_once([])


async def test_without_being_handed_back_a_stopped_workers_flow_would_wait(plant: Plant) -> None:
    with pytest.raises(TimeoutError):
        await stop_between_attempts(plant, 4, module=UNGUARDED, test_without="handing back")
