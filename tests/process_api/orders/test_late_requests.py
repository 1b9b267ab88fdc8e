"""What arrives after an order's end is found by a second look, and taken away (docs/failures.md, row 8)."""

import asyncio
from typing import Any

import msgspec
import pytest
from dbos import DBOS
from sqlalchemy import text

from process_api.engine import executor
from process_api.orders.booking import late_requests
from shared.canonical import ErpOrder, ErpOrderState, Money, Subscription, SubscriptionStatus
from tests.patience import HANG_S, until
from tests.process_api.conftest import Process
from tests.process_api.operations.decided import AWAY

pytestmark = pytest.mark.servers


async def ended_after_a_lost_answer(process: Process, then: str = "", late: str = "99") -> dict[str, Any]:
    """An order whose booking request was lost, looked up in vain, and made once more; then the lost one arrives."""
    process.system.fail("create_order", "not_sent" if then == "certain" else "lost")
    if then == "rejected":
        process.system.fail("create_subscription", "rejected")
    answer = await process.submit()
    order = await process.ended(answer.json()["orderId"])
    await process.idle()
    process.system.late_orders[order["orderId"]] = [late]
    return order


async def look(process: Process, order: dict[str, Any], which: str = "second-look") -> dict[str, Any]:
    """Let the minutes pass after which the order is looked at again."""
    long_ago = text("UPDATE quoteway.flows SET finished_at = finished_at - interval '1 hour' WHERE flow_id = :flow")
    async with process.worker.store.transaction("nordwind") as connection:
        await connection.execute(long_ago, {"flow": order["flowId"]})
    await DBOS.set_workflow_delay_async(f"{order['flowId']}.{which}", delay_seconds=0)
    handle: Any = await DBOS.retrieve_workflow_async(f"{order['flowId']}.{which}")
    await handle.get_result()
    return await process.order(order["orderId"])


async def test_a_second_order_that_arrived_late_is_cancelled_and_the_booked_one_stays(process: Process) -> None:
    order = await ended_after_a_lost_answer(process)
    assert order["status"] == "booked"

    order = await look(process, order)

    assert ("late_order.cancelled", "99") in process.system.journal
    assert process.system.orders[order["orderId"]].state is ErpOrderState.confirmed
    assert order["status"] == "booked"
    assert "arrived late" in order["timeline"][-1]["message"]
    assert "erp:99" in order["timeline"][-1]["message"]


async def test_a_flow_that_many_workers_have_died_with_is_still_gone_on_with(process: Process) -> None:
    order = await ended_after_a_lost_answer(process)
    begun = text("UPDATE dbos.workflow_status SET recovery_attempts = 500 WHERE workflow_uuid = :flow")
    async with process.worker.store.transaction("nordwind") as connection:
        await connection.execute(begun, {"flow": f"{order['flowId']}.second-look"})

    async with asyncio.timeout(HANG_S):
        await look(process, order)

    assert ("late_order.cancelled", "99") in process.system.journal


async def look_by_a_clock_that_is_ahead(process: Process, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a worker whose clock is ahead looks again right after the order's end, instead of minutes later."""
    order = await ended_after_a_lost_answer(process)
    paused, over = asyncio.Event(), asyncio.Event()

    async def pause(pause_s: float) -> None:
        if pause_s > 0:
            paused.set()
            await over.wait()

    monkeypatch.setattr(executor, "pause", pause)
    second_look = f"{order['flowId']}.second-look"
    await DBOS.set_workflow_delay_async(second_look, delay_seconds=0)
    await until(lambda: paused.is_set() or process.system.late_orders == {})
    looked = process.system.late_orders == {}
    over.set()
    handle: Any = await DBOS.retrieve_workflow_async(second_look)
    await handle.get_result()
    assert process.system.late_orders == {}
    return looked


async def test_row_18_a_clock_that_is_ahead_does_not_look_too_early(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not await look_by_a_clock_that_is_ahead(process, monkeypatch)


async def test_row_18_mutation_by_its_own_clock_it_looks_at_once(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def by_its_own_clock(*_: object) -> float:
        return 0.0

    monkeypatch.setattr(executor, "sweep_early_s", by_its_own_clock)
    assert await look_by_a_clock_that_is_ahead(process, monkeypatch)


async def test_without_the_second_look_both_would_stay(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: Any) -> list[str]:
        return []

    monkeypatch.setattr(late_requests, "_stray_erp_orders", nothing)
    order = await look(process, await ended_after_a_lost_answer(process))
    assert process.system.late_orders[order["orderId"]] == ["99"]


async def test_a_second_subscription_that_arrived_late_is_cancelled_and_the_booked_ones_stay(process: Process) -> None:
    order = await ended_after_a_lost_answer(process)
    yearly = f"{order['orderId']}-year"
    process.system.late_subscriptions = {yearly: ["sub_late"]}

    order = await look(process, order)

    assert ("late_subscription.cancelled", "sub_late") in process.system.journal
    running = {name for name, each in process.system.subscriptions.items() if each.status is SubscriptionStatus.active}
    assert running == {f"{order['orderId']}-month", yearly}
    assert "billing:sub_late" in order["timeline"][-1]["message"]


async def test_what_arrives_for_a_rejected_order_is_taken_away_too(process: Process) -> None:
    order = await ended_after_a_lost_answer(process, then="rejected")
    order_id = order["orderId"]
    assert order["status"] == "rejected"
    late = Subscription(
        external_id=f"{order_id}-month", status=SubscriptionStatus.active, vendor_id="sub_late", period_amount=None
    )
    process.system.subscriptions[late.external_id] = late

    order = await look(process, order)

    assert process.system.late_orders == {}
    assert process.system.subscriptions[late.external_id].status is SubscriptionStatus.cancelled
    assert "billing:sub_late" in order["timeline"][-1]["message"]
    assert order["status"] == "rejected"


async def test_nothing_late_leaves_everything_as_it_is(process: Process) -> None:
    order = await ended_after_a_lost_answer(process)
    process.system.late_orders.clear()
    before = dict(process.system.orders)

    order = await look(process, order)

    assert process.system.orders == before
    assert order["timeline"][-1]["message"] == "Looked again: no request has arrived late."
    assert order["timeline"][-1]["internal"] is True


async def test_a_second_look_that_fails_tells_the_operator(process: Process) -> None:
    order = await ended_after_a_lost_answer(process)
    process.system.fail("cancel_order", "rejected")

    await look(process, order)

    flow = (await process.flow(order["flowId"]))["flow"]
    assert "the second look failed" in flow["whatToDo"]
    assert flow["status"] == "succeeded"
    assert await DBOS.get_workflow_status_async(f"{order['flowId']}.second-look.2") is None


async def test_the_second_look_is_put_off_until_the_vendor_is_back(process: Process) -> None:
    order = await ended_after_a_lost_answer(process)
    process.system.fail("cancel_order", *[AWAY] * 2 * 3)

    await look(process, order)
    away = (await process.flow(order["flowId"]))["flow"]
    await look(process, order, "second-look.2")
    still_away = (await process.flow(order["flowId"]))["flow"]
    order = await look(process, order, "second-look.3")

    assert away["whatToDo"] == still_away["whatToDo"]
    assert "is repeated" in away["whatToDo"]
    assert ("late_order.cancelled", "99") in process.system.journal
    assert "arrived late" in order["timeline"][-1]["message"]
    flow = await process.flow(order["flowId"])
    assert flow["flow"].get("whatToDo") is None
    looks = [attempt["attempt"] for attempt in flow["attempts"] if attempt["step"] == "second_look"]
    assert looks == list(range(1, 8)), "each look's attempts are kept"
    assert await DBOS.get_workflow_status_async(f"{order['flowId']}.second-look.4") is None


async def test_only_an_order_with_an_uncertain_write_is_looked_at_again(process: Process) -> None:
    order = await ended_after_a_lost_answer(process, then="certain")
    flow = await process.flow(order["flowId"])
    assert {attempt["outcome"] for attempt in flow["attempts"]} == {"done", "unavailable"}
    assert await DBOS.get_workflow_status_async(f"{order['flowId']}.second-look") is None


# -- replies are held against the order (docs/failures.md, row 24) ----------------------------------------------------


async def booked_as(process: Process, monkeypatch: pytest.MonkeyPatch, lost: str = "", **differing: Any) -> Any:
    """An order of which the ERP's confirmation, or what is found after a lost one, differs."""
    confirm = process.system._confirm_order

    def otherwise(body: bytes, external_id: str) -> ErpOrder:
        process.system.orders[external_id] = msgspec.structs.replace(confirm(body, external_id), **differing)
        return process.system.orders[external_id]

    monkeypatch.setattr(process.system, "_confirm_order", otherwise)
    if lost:
        process.system.fail("confirm_order", "lost")
    return await process.ended((await process.submit()).json()["orderId"])


@pytest.mark.parametrize("lost", ["", "lost"])
@pytest.mark.parametrize(
    "differing",
    [{"line_count": 0}, {"total": Money(amount="1.00", currency="EUR")}, {"total": None}],
    ids=["lines", "amount", "nothing"],
)
async def test_an_erp_order_that_is_not_what_was_ordered_is_undone(
    process: Process, monkeypatch: pytest.MonkeyPatch, lost: str, differing: dict[str, Any]
) -> None:
    order = await booked_as(process, monkeypatch, lost, **differing)
    assert (order["status"], order["reasonCode"]) == ("rejected", "read_back_mismatch")
    assert process.system.orders[order["orderId"]].state is ErpOrderState.cancelled


async def test_unread_replies_would_book_what_was_not_ordered(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("process_api.orders.booking.erp_booking.require_erp_order", lambda *_: None)
    order = await booked_as(process, monkeypatch, line_count=0)
    assert order["status"] == "booked"


@pytest.mark.parametrize("lost", ["", "lost"])
@pytest.mark.parametrize("differing", [{"items": []}, {"period_amount": Money(amount="1.00", currency="EUR")}])
async def test_a_subscription_that_charges_something_else_is_undone(
    process: Process, monkeypatch: pytest.MonkeyPatch, lost: str, differing: dict[str, Any]
) -> None:
    create = process.system._create_subscription

    def otherwise(body: bytes, external_id: str) -> Subscription:
        process.system.subscriptions[external_id] = msgspec.structs.replace(create(body, external_id), **differing)
        return process.system.subscriptions[external_id]

    monkeypatch.setattr(process.system, "_create_subscription", otherwise)
    if lost:
        assert process.system.quote is not None
        one_subscription = msgspec.structs.replace(process.system.quote, lines=process.system.quote.lines[:2])
        process.system.quote = one_subscription  # which is running, so that looking it up is all that is left to do
        process.system.fail("create_subscription", "lost")
    order = await process.ended((await process.submit()).json()["orderId"])
    assert (order["status"], order["reasonCode"]) == ("rejected", "read_back_mismatch")
    assert all(held.status is SubscriptionStatus.cancelled for held in process.system.subscriptions.values())
