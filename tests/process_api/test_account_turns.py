"""Orders of one account take turns (docs/failures.md, row 11)."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy import text

from process_api.engine import account_admission, saga
from process_api.engine.account_turns import LocalTurns, end_turn, take_turn
from tests.process_api.conftest import Process
from tests.process_api.system_stand_in import mixed_quote

pytestmark = pytest.mark.servers
WRITES = ("/orders/", "/subscriptions/", "/order-status/")


async def most_writes_at_once(process: Process, monkeypatch: pytest.MonkeyPatch) -> int:
    """Order four quotes of one account at once, and count the writes that were at the vendors at the same time."""
    monkeypatch.setattr(account_admission, "AT_ONCE_MAX", 4)  # all in the lane: the turns alone keep them apart
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
    process.system.more_quotes = [mixed_quote() for _ in range(4)]
    answers = [await process.submit(quoteId=quote.quote_id) for quote in process.system.more_quotes]
    orders = await asyncio.gather(*(process.ended(answer.json()["orderId"]) for answer in answers))
    assert {order["status"] for order in orders} == {"booked"}
    return most


async def test_orders_of_one_account_write_one_after_the_other(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await most_writes_at_once(process, monkeypatch) == 1


async def test_without_turns_they_would_meet(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    async def always(*_: object) -> bool:
        return True

    @asynccontextmanager
    async def at_once(*_: object) -> AsyncIterator[None]:
        yield

    monkeypatch.setattr(saga, "take_turn", always)
    monkeypatch.setattr(LocalTurns, "turn", at_once)
    assert await most_writes_at_once(process, monkeypatch) > 1


async def test_a_turn_is_one_flows_until_it_ends_or_its_time_is_over(process: Process) -> None:
    tenant, first, second = f"t-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex, uuid.uuid4().hex
    async with process.worker.store.transaction_across_tenants() as connection:
        for flow_id in (first, second):
            await connection.execute(
                text(
                    "INSERT INTO quoteway.flows (flow_id, tenant, kind, subject, status, correlation_id, requested_by) "
                    "VALUES (:flow_id, :tenant, 'test', :flow_id, 'succeeded', 'c', 'test')"
                ),
                {"flow_id": flow_id, "tenant": tenant},
            )
        assert await take_turn(connection, tenant, "001A", first)
        assert await take_turn(connection, tenant, "001A", first), "a resumed attempt has its turn still"
        assert not await take_turn(connection, tenant, "001A", second)
        assert await take_turn(connection, tenant, "001B", second), "another account is another turn"
        await end_turn(connection, first)
        assert await take_turn(connection, tenant, "001A", second)
        await connection.execute(
            text("UPDATE quoteway.account_turns SET expires_at = now() WHERE tenant = :tenant"), {"tenant": tenant}
        )
        assert await take_turn(connection, tenant, "001A", first), "a dead worker's turn ends by itself"
