"""docs/failures.md, rows 5, 9, 10, 15 and 18: workers that die, sleep, or have a wrong clock, at the very point."""

import signal
from typing import Any

import pytest

from sandbox.fault_proxy.rules import Fault, Rule
from system_api.erp.tryton.sales import TrytonSales
from tests.faults.vendor_writes import TRYTON_SALE, leave_the_others, make_without_looking_back
from tests.faults.worker_plant import LEASE_S, WorkerPlant
from tests.patience import LONG_LEASE_S, until

pytestmark = pytest.mark.servers
# Longer than it takes the living to notice a death, and much shorter than 30 s.
NEVER_S = 6 * LEASE_S
HOUR_S = 3600.0


@pytest.fixture
def search_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ERP is not searched for what is there already."""

    async def create(self: TrytonSales, external_id: str, draft: Any) -> Any:
        sale = await make_without_looking_back(self, external_id, draft)
        return await self.compared(await self._advance(sale, external_id, "quote"), external_id, draft)

    monkeypatch.setattr(TrytonSales, "create", create)
    monkeypatch.setattr(TrytonSales, "_only", leave_the_others)


async def die_at(plant: WorkerPlant, point: str, *, without: str = "") -> list[str]:
    """Have a worker die there in the middle of an order, and start another one."""
    await plant.start_worker(point=point, without=without)
    order_ids = await plant.submit()
    await plant.point_reached()
    await plant.start_worker(without=without)
    return order_ids


# -- rows 5 and 9 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["before_call:book_erp_order", "before_handing_on"])
async def test_row_05_crash_before_a_vendor_call(plant: WorkerPlant, point: str) -> None:
    order_ids = await die_at(plant, point)

    assert await plant.end(order_ids) == ["booked"]
    assert plant.findings().violations == []
    assert plant.told_twice(order_ids[0]) == []


async def test_row_05_mutation_without_recovery_the_step_is_lost(plant: WorkerPlant) -> None:
    order_ids = await die_at(plant, "before_call:book_erp_order", without="recovery")

    with pytest.raises(TimeoutError):
        await plant.end(order_ids, NEVER_S)
    await plant.start_worker()
    assert await plant.end(order_ids) == ["booked"]


@pytest.mark.parametrize("point", ["after_answer:book_erp_order", "before_checkpoint:start_billing"])
async def test_row_09_crash_after_the_answer(plant: WorkerPlant, point: str) -> None:
    order_ids = await die_at(plant, point)

    assert await plant.end(order_ids) == ["booked"]
    assert plant.findings().violations == []
    assert plant.told_twice(order_ids[0]) == []


@pytest.mark.usefixtures("search_off")
async def test_row_09_mutation_without_the_search_the_step_that_runs_again_doubles_the_sale(plant: WorkerPlant) -> None:
    order_ids = await die_at(plant, "after_answer:book_erp_order")

    await plant.end(order_ids)
    assert any("2 sales" in found for found in plant.findings().duplicates)


# -- row 10 ---------------------------------------------------------------------------------------------------------


async def pause_at_sending(plant: WorkerPlant, *, without: str = "") -> tuple[list[str], int]:
    """Pause a worker when its write has passed every check, wake it when another one has ended the order.

    Returns the order, and what the woken worker asked of billing.
    """
    paused = await plant.start_worker(point="sending", fatal=signal.SIGSTOP, without=without)
    order_ids = await plant.submit()
    await plant.point_reached()
    await plant.start_worker()
    await plant.end(order_ids)
    before = plant.ordering.faults("stripe").statistics().requests
    plant.wake(paused)
    # Its write has arrived by then, and what it would go on with has been asked for.
    await plant.execution_ended()
    return order_ids, plant.ordering.faults("stripe").statistics().requests - before


async def test_row_10_a_paused_worker_wakes_with_its_write_already_on_the_way(plant: WorkerPlant) -> None:
    order_ids, asked_billing = await pause_at_sending(plant)

    assert [order.status for order in plant.ordering.acknowledged] == ["booked"]
    assert plant.findings().violations == []
    assert asked_billing == 0
    assert plant.told_twice(order_ids[0]) == []


async def test_row_10_mutation_without_its_lease_the_woken_worker_goes_on(plant: WorkerPlant) -> None:
    order_ids, asked_billing = await pause_at_sending(plant, without="lease")

    assert asked_billing > 0 or plant.told_twice(order_ids[0]) != []


@pytest.mark.usefixtures("search_off")
async def test_row_10_mutation_without_the_search_the_woken_workers_write_doubles_the_sale(plant: WorkerPlant) -> None:
    await pause_at_sending(plant)

    assert any("2 sales" in found for found in plant.findings().duplicates)


async def pause_holding_rows(plant: WorkerPlant, *, without: str = "") -> list[str]:
    """A worker is paused in the middle of the transaction in which DBOS takes an order out of the queue."""
    await plant.start_worker(point="holding_rows", fatal=signal.SIGSTOP, without=without)
    order_ids = await plant.submit()
    await plant.point_reached()
    await plant.start_worker()
    return order_ids


async def test_row_10_a_worker_paused_while_it_takes_a_flow_out_keeps_nobody_from_it(plant: WorkerPlant) -> None:
    order_ids = await pause_holding_rows(plant)

    assert await plant.end(order_ids) == ["booked"]
    assert plant.findings().violations == []


async def test_row_10_mutation_with_the_engines_own_limit_its_locks_outlive_its_lease(plant: WorkerPlant) -> None:
    order_ids = await pause_holding_rows(plant, without="idle limit")

    with pytest.raises(TimeoutError):
        await plant.end(order_ids, NEVER_S)


# -- row 15 ---------------------------------------------------------------------------------------------------------


async def publish_after_dying_at(plant: WorkerPlant, point: str, *, without: str = "") -> tuple[list[str], list[str]]:
    """The events of an order as committed, and as read by a consumer, where a worker died there."""
    order_ids = await die_at(plant, point, without=without)
    assert await plant.end(order_ids) == ["booked"]
    await until(lambda: not plant.rows("SELECT FROM quoteway.events WHERE published_at IS NULL"))
    return plant.committed(order_ids[0]), await plant.published(order_ids[0])


async def test_row_15_crash_between_commit_and_publish(plant: WorkerPlant) -> None:
    committed, published = await publish_after_dying_at(plant, "before_publish")

    assert published == committed
    assert len(committed) == 1
    assert plant.findings().violations == []


async def test_row_15_crash_between_publish_and_mark(plant: WorkerPlant) -> None:
    committed, published = await publish_after_dying_at(plant, "after_publish")

    assert len(published) == 2, "published again by the worker that found no mark"
    assert list(dict.fromkeys(published)) == committed, "who keeps the ids apart sees it once"
    assert plant.findings().violations == []


async def test_row_15_mutation_marked_before_it_is_published_an_event_is_lost(plant: WorkerPlant) -> None:
    committed, published = await publish_after_dying_at(plant, "before_publish", without="marking last")

    assert len(committed) == 1
    assert published == []


async def test_row_15_mutation_written_apart_from_the_state_an_event_is_lost(plant: WorkerPlant) -> None:
    committed, published = await publish_after_dying_at(plant, "after_the_end", without="one transaction")

    assert committed == published == []
    assert any("its events say nothing" in found for found in plant.findings().lost)


# -- row 18 ---------------------------------------------------------------------------------------------------------


async def two_clocks(plant: WorkerPlant, *, without: str = "") -> tuple[list[str], int]:
    """Orders with two workers whose clocks are two hours apart. Returns how many attempts were taken over, too."""
    chosen: dict[str, Any] = {"without": without, "lease_s": LONG_LEASE_S}
    await plant.start_worker(point="before_call:book_erp_order", fatal=None, clock_s=-HOUR_S, **chosen)
    order_ids = await plant.submit()
    await plant.point_reached()
    # The second worker comes, and looks a few times who is dead, in the middle of the first one's attempt.
    other = await plant.start_worker(clock_s=HOUR_S, **chosen)
    await plant.beaten(other, 3)
    order_ids += await plant.submit()
    plant.go_on()
    await plant.end(order_ids)
    query = "SELECT FROM quoteway.flow_attempts WHERE resumed AND flow_id LIKE ANY(%s)"
    return order_ids, len(plant.rows(query, [f"%{order_id}" for order_id in order_ids]))


async def test_row_18_workers_with_clocks_two_hours_apart(plant: WorkerPlant) -> None:
    order_ids, taken_over = await two_clocks(plant)

    assert [order.status for order in plant.ordering.acknowledged] == ["booked", "booked"]
    assert plant.findings().violations == []
    assert taken_over == 0, "nobody died"
    for order_id in order_ids:
        flow = f"%{order_id}"
        backwards = "SELECT FROM quoteway.flow_attempts WHERE flow_id LIKE %s AND finished_at < begun_at"
        assert plant.rows(backwards, flow) == []
        timeline = plant.rows("SELECT at FROM quoteway.order_timeline WHERE order_id = %s ORDER BY version", order_id)
        assert timeline == sorted(timeline, key=lambda entry: entry["at"])


async def test_row_18_mutation_with_leases_on_their_own_clocks_the_living_are_taken_for_dead(
    plant: WorkerPlant,
) -> None:
    _, taken_over = await two_clocks(plant, without="database time")

    assert taken_over > 0


async def die_while_pausing(plant: WorkerPlant, *, without: str = "") -> list[str]:
    """A worker whose clock is an hour ahead dies between two attempts; another one goes on."""
    plant.ordering.faults("erp").put(Rule(fault=Fault.too_many_requests, methods=["POST"], path=TRYTON_SALE, times=1))
    await plant.start_worker(
        point="pausing", clock_s=HOUR_S, without=without, step_backoff_s=LEASE_S, step_backoff_max_s=LEASE_S
    )
    order_ids = await plant.submit()
    await plant.point_reached()
    await plant.start_worker(without=without)
    return order_ids


async def test_row_18_a_pause_goes_on_under_another_clock(plant: WorkerPlant) -> None:
    order_ids = await die_while_pausing(plant)

    assert await plant.end(order_ids) == ["booked"]
    assert plant.findings().violations == []


async def test_row_18_mutation_a_pause_until_a_time_of_day_lasts_as_long_as_the_clocks_differ(
    plant: WorkerPlant,
) -> None:
    order_ids = await die_while_pausing(plant, without="monotonic pauses")

    with pytest.raises(TimeoutError):
        await plant.end(order_ids, NEVER_S)
