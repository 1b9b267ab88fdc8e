"""Orders and flows found by whatever an operator knows of them."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from shared.canonical.record_ids import canonical_spelling
from tests.process_api.conftest import Process

pytestmark = pytest.mark.servers


async def found(process: Process, what: str, **conditions: Any) -> list[dict[str, Any]]:
    """All that a search finds."""
    answer = await process.client.get(f"/v1/{what}", params=conditions, headers=process.operator_headers)
    assert answer.status_code == 200, answer.text
    return list(answer.json()[what])


async def booked(process: Process) -> dict[str, Any]:
    """An order that has been booked."""
    order = await process.ended((await process.submit()).json()["orderId"])
    assert order["status"] == "booked", order
    return order


async def test_an_order_is_found_by_each_id_that_a_system_knows_it_by(process: Process) -> None:
    order = await booked(process)
    quote_id = order["quoteId"]

    for condition in (
        {"quote": quote_id},
        {"quote": quote_id[:15]},
        {"quote": quote_id[:15] + quote_id[15:].lower()},
        {"account": order["accountId"], "quote": quote_id},
        {"erpOrderNumber": order["erpOrderNumber"], "quote": quote_id},
    ):
        [summary] = await found(process, "orders", **condition)
        assert summary["orderId"] == order["orderId"], condition
        assert {name: summary[name] for name in ("flowId", "total", "erpOrderNumber", "status")} == {
            name: order[name] for name in ("flowId", "total", "erpOrderNumber", "status")
        }


async def test_an_order_that_misses_one_condition_is_not_found(process: Process) -> None:
    order = await booked(process)
    total = Decimal(order["total"]["amount"])
    meets = {
        "quote": order["quoteId"],
        "status": "booked",
        "account": order["accountId"],
        "erpOrderNumber": order["erpOrderNumber"],
        "currency": order["total"]["currency"],
        "minTotal": str(total),
        "maxTotal": str(total),
        "minAgeS": 0,
        "maxAgeS": 3600 * 24,
    }
    misses = {
        "quote": "0Q0nothinglikeit",
        "status": "parked",
        "account": canonical_spelling("001nosuchaccoun"),
        "erpOrderNumber": "no such number",
        "reasonCode": "no_such_reason",
        "currency": "XTS",
        "minTotal": str(total + 1),
        "maxTotal": str(total - 1),
        "minAgeS": 3600 * 24,
    }

    assert [each["orderId"] for each in await found(process, "orders", **meets)] == [order["orderId"]]
    for name, value in misses.items():
        assert await found(process, "orders", **{**meets, name: value}) == [], name


async def test_a_flow_is_found_by_its_order_its_account_and_why_it_waits(process: Process) -> None:
    process.system.fail("create_order", "unavailable", "unavailable", "unavailable")
    order = await process.ended((await process.submit()).json()["orderId"])
    await process.idle()
    conditions = {"subject": order["orderId"], "account": order["accountId"], "kind": "order_submission"}

    [flow] = await found(process, "flows", **conditions, status="parked", reasonCode=order["reasonCode"], minAgeS=0)

    assert flow["flowId"] == order["flowId"]
    assert await found(process, "flows", **conditions, reasonCode="no_such_reason") == []
    assert await found(process, "flows", **conditions, minAgeS=3600 * 24) == []
    assert await found(process, "flows", **{**conditions, "kind": "no_such_kind"}) == []


async def test_orders_are_paged_newest_first(process: Process) -> None:
    quote = process.system.quote_id
    for revision in (1, 2, 3):
        await process.submit(quoteRevision=revision)
    pages: list[list[int]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await process.client.get(
            "/v1/orders", params={"quote": quote, "limit": 1, **cursor}, headers=process.operator_headers
        )
        page = answer.json()
        pages.append([each["quoteRevision"] for each in page["orders"]])
        if page.get("nextCursor") is None:
            break
        cursor = {"cursor": page["nextCursor"]}

    assert [revision for page in pages for revision in page] == sorted((r for p in pages for r in p), reverse=True)
    assert len(pages) == len({revision for page in pages for revision in page})


@pytest.mark.parametrize("what", ["orders", "flows"])
@pytest.mark.parametrize(
    "condition", [{"minAgeS": -1}, {"account": "acme"}, {"status": "lost"}, {"cursor": "nonsense"}, {"limit": 0}]
)
async def test_a_condition_that_cannot_be_met_by_anything_is_400(
    process: Process, what: str, condition: dict[str, Any]
) -> None:
    answer = await process.client.get(f"/v1/{what}", params=condition, headers=process.operator_headers)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == f"query/{next(iter(condition))}"


async def test_why_a_flow_was_tried_again_is_kept_with_the_decision(process: Process) -> None:
    process.system.fail("create_order", "unavailable", "unavailable", "unavailable")
    order = await process.ended((await process.submit()).json()["orderId"])
    await process.idle()
    reason = "The ERP is back"

    answer = await process.client.post(
        f"/v1/flows/{order['flowId']}/retry", json={"reason": reason}, headers=process.operator_headers
    )
    await process.idle()

    assert answer.status_code == 202, answer.text
    [decision] = (await process.flow(order["flowId"]))["decisions"]
    assert (decision["action"], decision["reason"]) == ("retry", reason)


async def test_each_search_of_orders_has_an_index(process: Process) -> None:
    many = text(
        "INSERT INTO quoteway.orders (order_id, tenant, quote_id, quote_revision, flow_id, status, version,"
        " erp_order_number, created_at) SELECT 'many' || n, 'nordwind', 'quote' || n, 1, 'flow' || n, 'booked', 1,"
        " 'SO' || n, now() - n * interval '1 minute' FROM generate_series(1, 5000) AS n"
    )
    searches = {
        "quote_id = ANY('{quote7,quote8}')": "quote_id",
        "erp_order_number = 'SO7'": "erp_order_number",
        "true ORDER BY created_at DESC, order_id DESC LIMIT 50": "created_at_order_id",
    }
    async with process.worker.store.transaction("nordwind") as connection:
        await connection.execute(many)
        await connection.execute(text("SET LOCAL enable_sort = off"))  # no statistics can be made of rows not committed
        for condition, columns in searches.items():
            query = text(f"EXPLAIN SELECT * FROM quoteway.orders WHERE tenant = 'nordwind' AND {condition}")
            plan = "\n".join((await connection.execute(query)).scalars())
            assert f"ix_orders_tenant_{columns}" in plan, plan
        await connection.rollback()
