"""Orders of one account leave places in their lane to others (docs/decisions/0012)."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from process_api.engine.queueing import account_admission
from process_api.engine.queueing.queues import RUN_WORKFLOW
from process_api.operations.housekeeping import Housekeeping
from tests.patience import HANG_S, until
from tests.process_api.conftest import Process
from tests.process_api.engine.lanes import all_ended, submitted
from tests.process_api.operations.decided import AWAY
from tests.process_api.system_stand_in import ACCOUNT_ID, mixed_quote

pytestmark = pytest.mark.servers
WRITES = ("/orders/", "/subscriptions/", "/order-status/")


async def submitted_of_one_account(process: Process, count: int) -> list[str]:
    process.system.more_quotes += [mixed_quote() for _ in range(count)]
    answers = [await process.submit(quoteId=quote.quote_id) for quote in process.system.more_quotes[-count:]]
    assert [answer.text for answer in answers if answer.status_code != 202] == []
    return [answer.json()["orderId"] for answer in answers]


async def neighbour_of_a_busy_account(process: Process, timeout_s: float = HANG_S) -> dict[str, Any]:
    """What becomes of another account's order while more orders of one account than the lane has places hang."""
    hanging = process.switch.hold(f"/customers/{ACCOUNT_ID}")
    busy: list[str] = []
    try:
        busy = await submitted_of_one_account(process, process.settings.connection_concurrency + 3)
        let_in = min(account_admission.AT_ONCE_MAX, process.settings.connection_concurrency)

        async def as_full_as_it_gets() -> bool:
            return await in_line(process) == len(busy) and await in_lane(process) >= let_in

        await until(as_full_as_it_gets)
        (neighbour,) = await all_ended(process, await submitted(process, "NW-DE", 1), timeout_s)
        return neighbour
    finally:
        hanging.set()
        ended = await all_ended(process, busy)
        assert {order["status"] for order in ended} <= {"booked"}


async def in_line(process: Process) -> int:
    async with process.worker.store.transaction("nordwind") as connection:
        return int(await connection.scalar(text("SELECT count(*) FROM quoteway.account_lines")) or 0)


async def in_lane(process: Process) -> int:
    """How many flows have been taken out of the queue of their lane, and have not ended."""
    taken_out = text("SELECT count(*) FROM dbos.workflow_status WHERE name = :name AND status = 'PENDING'")
    async with process.worker.store.engine.connect() as connection:
        return int(await connection.scalar(taken_out, {"name": RUN_WORKFLOW}) or 0)


async def test_orders_of_one_account_leave_places_to_others(process: Process) -> None:
    neighbour = await neighbour_of_a_busy_account(process)

    assert neighbour["status"] == "booked"
    await process.idle()
    assert await in_line(process) == 0, "whoever has ended has left"


async def test_without_lines_they_would_fill_the_lane(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_admission, "AT_ONCE_MAX", 1000)

    with pytest.raises(TimeoutError):
        await neighbour_of_a_busy_account(process, timeout_s=4)


async def test_who_parks_leaves_and_stands_in_line_again_when_tried_again(process: Process) -> None:
    process.system.fail("create_order", *[AWAY] * 3)
    order = await process.ended((await process.submit()).json()["orderId"])
    await process.idle()
    assert (order["status"], await in_line(process)) == ("parked", 0)

    await process.client.post(f"/v1/flows/{order['flowId']}/retry", json={}, headers=process.operator_headers)

    async def booked() -> bool:
        return str((await process.order(order["orderId"]))["status"]) == "booked"

    await until(booked)
    await process.idle()
    assert await in_line(process) == 0


async def hold_places_of_ended_orders(process: Process) -> None:
    """As after a defect: workflows have ended, and all places of the account in the line are still taken."""
    ended = [
        await process.ended(each) for each in await submitted_of_one_account(process, account_admission.AT_ONCE_MAX)
    ]
    await process.idle()
    async with process.worker.store.transaction("nordwind") as connection:
        for order in ended:
            stale = text(
                "INSERT INTO quoteway.account_lines (flow_id, tenant, account_id, legal_entity, generation, admitted)"
                " VALUES (:flow, 'nordwind', :account, 'NW-DE', 1, true)"
            )
            await connection.execute(stale, {"flow": order["flowId"], "account": ACCOUNT_ID})


async def test_one_that_ended_without_leaving_holds_nobody_up(process: Process) -> None:
    await hold_places_of_ended_orders(process)

    (order_id,) = await submitted_of_one_account(process, 1)

    assert (await process.ended(order_id))["status"] == "booked"


async def test_who_waits_behind_one_that_ended_without_leaving_is_let_in_by_housekeeping(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def leaves_it_so(_connection: Any, inside: Any) -> Any:
        return inside

    await hold_places_of_ended_orders(process)
    with monkeypatch.context() as patch:
        patch.setattr(account_admission, "_still_at_work", leaves_it_so)  # the defect comes after the joining
        (order_id,) = await submitted_of_one_account(process, 1)

        async def waits_in_line() -> bool:
            return await in_line(process) > account_admission.AT_ONCE_MAX

        await until(waits_in_line)
        await asyncio.sleep(0.5)  # in which the process's own housekeeping lets nobody in either
        assert (await process.order(order_id))["status"] != "booked"

    housekeeping = Housekeeping(process.worker.store, 30, lines_every_s=0.1)
    housekeeping.start()
    try:
        assert (await process.ended(order_id))["status"] == "booked"
    finally:
        await housekeeping.stop()


async def most_writes_at_once(process: Process, monkeypatch: pytest.MonkeyPatch) -> int:
    """Order four quotes of one account at once, and count the writes that were at the vendors at the same time."""
    writing, most = 0, 0

    async def counted(request: httpx.Request) -> httpx.Response:
        nonlocal writing, most
        if request.method == "GET" or not any(part in request.url.path for part in WRITES):
            return process.system.answer(request)
        writing += 1
        most = max(most, writing)
        await asyncio.sleep(0.02)
        writing -= 1
        return process.system.answer(request)

    monkeypatch.setattr(process.switch, "handle_async_request", counted)
    ended = await all_ended(process, await submitted_of_one_account(process, 4))
    assert {order["status"] for order in ended} == {"booked"}
    return most


async def test_orders_of_one_account_write_one_after_the_other(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await most_writes_at_once(process, monkeypatch) == 1


async def test_admitted_at_once_they_would_meet(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_admission, "AT_ONCE_MAX", 4)

    assert await most_writes_at_once(process, monkeypatch) > 1
