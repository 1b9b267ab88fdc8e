"""Orders that are parked, and decisions on them."""

from typing import Any

from tests.process_api.conftest import Process
from tests.process_api.system_stand_in import Fault

AWAY: Fault = "unavailable"


async def parked(process: Process, operation: str, fault: Fault = "unavailable") -> dict[str, Any]:
    """An order that parked since `operation` stayed away."""
    process.system.fail(operation, *[fault] * 3)
    answer = await process.submit()
    order = await process.ended(answer.json()["orderId"])
    await process.idle()
    assert order["status"] == "parked", order["reason"]
    return order


async def decide(process: Process, path: str, body: dict[str, Any] | None = None) -> Any:
    return await process.client.post(path, json=body, headers=process.operator_headers)


def assert_booked_once(process: Process, order: dict[str, Any]) -> None:
    order_id = order["orderId"]
    assert order["status"] == "booked", order["reason"]
    made = [entry for entry in process.system.journal if entry[0] != "report"]
    assert sorted(made) == sorted(
        [
            ("order.create", order_id),
            ("order.confirmed", order_id),
            ("subscription.create", f"{order_id}-month"),
            ("subscription.create", f"{order_id}-year"),
        ]
    )
