"""docs/failures.md, row 20: a flow that ends every worker that runs it."""

from typing import Any

import pytest

from tests.faults.ordering import MONTHLY, SENSOR
from tests.faults.worker_plant import WorkerPlant
from tests.patience import until

pytestmark = pytest.mark.servers
STARTS_MAX = 1


async def die_with_it(plant: WorkerPlant, point: str, workers: int, *, without: str = "") -> tuple[int, dict[str, Any]]:
    """Start workers, one after the other, that end at that point of an order. Returns how many did, and its flow."""
    order_id = ""
    for deaths in range(workers):
        worker = await plant.start_worker(point=point, again=True, without=without, flow_starts_max=STARTS_MAX)
        order_id = order_id or (await plant.submit())[0]
        flow: dict[str, Any] = {}

        def dead_or_parked(of: str = order_id, running: Any = worker, found: dict[str, Any] = flow) -> bool:
            found |= plant.rows("SELECT * FROM quoteway.flows WHERE subject = %s", of)[0]
            return not running.is_running or found["status"] == "parked"

        await until(dead_or_parked)
        if flow["status"] == "parked":
            return deaths, flow
    return workers, flow


@pytest.mark.parametrize("point", ["before_call:book_erp_order", "after_answer:check_terms"])
async def test_row_20_a_flow_that_its_workers_die_with_is_parked_and_no_more_of_them_die(
    plant: WorkerPlant, point: str
) -> None:
    deaths, flow = await die_with_it(plant, point, STARTS_MAX + 2)

    assert deaths == STARTS_MAX + 1, "the first got as far as there"
    assert flow["reason_code"] == "workers_died"
    assert f"{STARTS_MAX} workers in a row" in flow["reason"]
    assert "tried again" in flow["what_to_do"]
    # The last worker lives, and works on.
    order = await plant.ordering.sales.order(flow["subject"])
    assert order["status"] == "parked"
    plant.ordering.remember(order, SENSOR, MONTHLY)
    assert plant.findings().violations == []


async def test_row_20_mutation_uncounted_its_workers_die_without_end(plant: WorkerPlant) -> None:
    deaths, flow = await die_with_it(plant, "before_call:book_erp_order", STARTS_MAX + 2, without="counting")

    assert deaths == STARTS_MAX + 2
    assert flow["status"] == "running"
