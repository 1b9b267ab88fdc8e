"""docs/failures.md, rows 1 to 4: from the caller's request to the order that exists, however often it is sent."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from process_api.access.idempotency import claim_key
from process_api.orders.intake import OrderIntake
from tests.faults.business_key import business_key_off as business_key_off_in
from tests.faults.ordering import MONTHLY, SENSOR, Ordering

pytestmark = pytest.mark.servers


async def test_row_01_crash_before_the_intent_is_committed(ordering: Ordering, monkeypatch: pytest.MonkeyPatch) -> None:
    quote_id, key = ordering.quote(SENSOR, MONTHLY), uuid.uuid4().hex
    crash_before_the_commit(monkeypatch)
    refused = await ordering.sales.submit(quote_id, key)
    monkeypatch.undo()

    assert refused.status_code >= 500
    assert written(ordering, quote_id, key) == (0, 0)
    answer = await ordering.sales.submit(quote_id, key)
    assert answer.status_code == 202, answer.text
    order = await ordering.sales.ended(answer.json()["orderId"])
    ordering.remember(order, SENSOR, MONTHLY)
    assert order["status"] == "booked", order
    assert ordering.findings().violations == []


async def test_row_01_mutation_a_key_claimed_apart_from_its_order_stands_for_nothing(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def claim_at_once(connection: Any, *claim: Any) -> str | None:
        async with connection.engine.begin() as apart:
            await apart.execute(text("SELECT set_config('quoteway.tenant', '*', true)"))
            return await claim_key(apart, *claim)

    quote_id, key = ordering.quote(SENSOR, MONTHLY), uuid.uuid4().hex
    crash_before_the_commit(monkeypatch)
    monkeypatch.setattr("process_api.orders.intake.claim_key", claim_at_once)
    await ordering.sales.submit(quote_id, key)

    assert written(ordering, quote_id, key) == (1, 0)


async def test_row_02_the_answer_is_lost_after_the_commit(ordering: Ordering) -> None:
    order_ids = await submitted_twice(ordering)

    assert len(set(order_ids)) == 1
    await remember_all(ordering, order_ids)
    assert [order.status for order in ordering.acknowledged] == ["booked"]
    assert ordering.findings().violations == []


@pytest.mark.usefixtures("business_key_off")
async def test_row_02_the_idempotency_key_alone_is_enough(ordering: Ordering) -> None:
    order_ids = await submitted_twice(ordering)

    assert len(set(order_ids)) == 1
    await remember_all(ordering, order_ids)
    assert ordering.findings().violations == []


@pytest.mark.usefixtures("business_key_off", "idempotency_key_off")
async def test_row_02_mutation_without_the_keys_the_order_is_doubled(ordering: Ordering) -> None:
    order_ids = await submitted_twice(ordering)

    await remember_all(ordering, order_ids)
    assert any("became 2 orders" in found for found in ordering.findings().duplicates)


async def test_row_03_the_same_key_concurrently(ordering: Ordering) -> None:
    quote_id, other, key = ordering.quote(SENSOR, MONTHLY), ordering.quote(SENSOR), uuid.uuid4().hex

    answers = await asyncio.gather(*(ordering.sales.submit(quote_id, key) for _ in range(12)))
    other_body = await ordering.sales.submit(other, key)

    taken = [answer for answer in answers if answer.status_code == 202]
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["orderId"] for answer in taken}) == 1
    assert other_body.status_code == 422
    order = await ordering.sales.ended(taken[0].json()["orderId"])
    ordering.remember(order, SENSOR, MONTHLY)
    assert order["status"] == "booked", order
    assert ordering.findings().violations == []


@pytest.mark.usefixtures("business_key_off", "idempotency_key_off")
async def test_row_03_mutation_without_the_claim_the_flows_are_as_many_as_the_posts(ordering: Ordering) -> None:
    quote_id, key = ordering.quote(SENSOR, MONTHLY), uuid.uuid4().hex

    answers = await asyncio.gather(*(ordering.sales.submit(quote_id, key) for _ in range(3)))

    await remember_all(ordering, [str(answer.json()["orderId"]) for answer in answers])
    assert any("became 3 orders" in found for found in ordering.findings().duplicates)


async def test_row_03_mutation_without_the_bodys_hash_another_body_gets_the_first_ones_answer(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("process_api.orders.intake.body_hash", lambda _: "the same for all")
    quote_id, other, key = ordering.quote(SENSOR, MONTHLY), ordering.quote(SENSOR), uuid.uuid4().hex

    first = await ordering.sales.submit(quote_id, key)
    other_body = await ordering.sales.submit(other, key)

    await remember_all(ordering, [str(first.json()["orderId"])])
    assert other_body.status_code == 202
    assert other_body.json()["orderId"] == first.json()["orderId"]


async def test_row_04_the_same_quote_under_many_keys(ordering: Ordering) -> None:
    quote_id = ordering.quote(SENSOR, MONTHLY)

    order_ids = await order_ids_of(ordering, quote_id)

    assert len(set(order_ids)) == 1
    await remember_all(ordering, order_ids)
    assert ordering.findings().violations == []


@pytest.mark.usefixtures("business_key_off")
async def test_row_04_mutation_without_the_business_key_the_order_is_doubled(ordering: Ordering) -> None:
    order_ids = await order_ids_of(ordering, ordering.quote(SENSOR, MONTHLY))

    await remember_all(ordering, order_ids)
    assert any("became" in found for found in ordering.findings().duplicates)


@pytest.fixture
async def business_key_off(ordering: Ordering, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """No look for the quote, and no constraint on it."""

    async def unknown(*_: Any) -> None:
        return None

    monkeypatch.setattr(OrderIntake, "_known_order", unknown)
    with business_key_off_in(database_url(ordering)):
        yield


@pytest.fixture
def idempotency_key_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key is a new one."""

    async def free(*_: Any) -> None:
        return None

    monkeypatch.setattr("process_api.orders.intake.claim_key", free)


def database_url(ordering: Ordering) -> str:
    landscape = ordering.sales.landscape
    return landscape.postgres.url(landscape.database)


async def submitted_twice(ordering: Ordering) -> list[str]:
    """The orders of one submission whose first answer nobody reads, and which is sent again."""
    quote_id, key = ordering.quote(SENSOR, MONTHLY), uuid.uuid4().hex
    answers = [await ordering.sales.submit(quote_id, key) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {202}
    return [str(answer.json()["orderId"]) for answer in answers]


async def order_ids_of(ordering: Ordering, quote_id: str) -> list[str]:
    answers = [await ordering.sales.submit(quote_id) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {202}
    return [str(answer.json()["orderId"]) for answer in answers]


async def remember_all(ordering: Ordering, order_ids: list[str]) -> None:
    for order_id in sorted(set(order_ids)):
        ordering.remember(await ordering.sales.ended(order_id), SENSOR, MONTHLY)


def crash_before_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last thing before the commit fails, as if the process had ended there."""

    async def crash(*_: Any) -> None:
        raise ConnectionAbortedError("the process ends here")

    monkeypatch.setattr("process_api.engine.intake.enqueue", crash)


def written(ordering: Ordering, quote_id: str, key: str) -> tuple[int, int]:
    """How many keys and orders are there."""
    with psycopg.connect(database_url(ordering)) as connection:
        counts = [
            connection.execute(f"SELECT count(*) FROM quoteway.{table} WHERE {column} = %s", [value]).fetchone()
            for table, column, value in (
                ("request_keys", "idempotency_key", key),
                ("orders", "quote_id", quote_id),
            )
        ]
    return tuple(int(row[0]) for row in counts if row)  # type: ignore[return-value]  # two queries, two counts
