"""A connection that hangs holds up the orders that need it, and no others (docs/decisions/0024)."""

import asyncio
from typing import Any

import pytest

from process_api.engine.queueing import account_admission
from process_api.engine.queueing.queues import in_begin, in_run
from tests.patience import HANG_S, until
from tests.process_api.conftest import Process
from tests.process_api.engine.lanes import all_ended, submitted

pytestmark = pytest.mark.servers


async def neighbours_while_the_erp_hangs(process: Process, timeout_s: float = HANG_S) -> list[dict[str, Any]]:
    """What becomes of orders of NW-US while more orders of NW-DE than its lane has room for hang in their ERP."""
    hanging = process.switch.hold("/v1/erp/NW-DE/")
    stuck = await submitted(process, "NW-DE", process.settings.connection_concurrency + 2)
    try:
        room = process.settings.connection_concurrency
        await until(lambda: process.system.calls.count("find_account") >= room)
        free = await submitted(process, "NW-US", 3)
        orders = await all_ended(process, free, timeout_s)
        assert {(await process.order(order_id))["status"] for order_id in stuck} <= {"received", "validating"}
        return orders
    finally:
        hanging.set()
        ended = await all_ended(process, stuck)
        assert {order["status"] for order in ended} == {"booked"}


async def test_orders_of_another_legal_entity_keep_their_pace_while_an_erp_hangs(process: Process) -> None:
    orders = await neighbours_while_the_erp_hangs(process)
    assert {order["status"] for order in orders} == {"booked"}


async def test_in_one_lane_they_would_wait(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_lane(flow_id: str, generation: int, **_: str) -> Any:
        return in_run(flow_id, generation, tenant="nordwind", legal_entity="ALL")

    monkeypatch.setattr(account_admission, "in_run", one_lane)
    with pytest.raises(TimeoutError):
        await neighbours_while_the_erp_hangs(process, timeout_s=4)


async def test_a_lane_takes_no_more_flows_than_it_is_configured_for(process: Process) -> None:
    hanging = process.switch.hold("/v1/erp/NW-DE/")
    stuck = await submitted(process, "NW-DE", process.settings.connection_concurrency + 3)
    try:
        calls, limit = process.system.calls, process.settings.connection_concurrency
        await until(lambda: calls.count("find_quote") >= len(stuck) and calls.count("find_account") >= limit)
        await asyncio.sleep(0.5)  # five looks into the queue: time enough for one flow too many
        assert calls.count("find_account") == limit
    finally:
        hanging.set()
        await all_ended(process, stuck)


def test_a_lane_is_a_tenant_before_the_quote_is_read_and_its_legal_entity_after() -> None:
    assert in_begin("f", 2, tenant="nordwind")["queue_partition_key"] == "nordwind"
    assert in_run("f", 2, tenant="nordwind", legal_entity="NW-DE")["queue_partition_key"] == "nordwind/NW-DE"
    booking = in_run("f", 2, tenant="n", legal_entity="A")
    assert in_begin("f", 2, tenant="n")["workflow_id"] != booking["workflow_id"]
