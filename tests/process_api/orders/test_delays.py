"""A flow whose step is being repeated says so: which system, its answer, attempt n of m, and when it is tried again."""

import asyncio
from datetime import datetime
from typing import Any

import pytest

from process_api.engine import saga
from tests.patience import until
from tests.process_api.conftest import Process
from tests.process_api.system_stand_in import Fault


class Pauses:
    """The pauses between attempts, as long as the test wants them."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.lengths_s: list[float] = []

    async def wait(self, pause_s: float) -> None:
        """Wait until the test goes on."""
        self.lengths_s.append(pause_s)
        await self.over.wait()


@pytest.fixture
async def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    found = Pauses()
    monkeypatch.setattr(saga, "_wait", found.wait)
    return found


async def delayed(process: Process, order_id: str) -> dict[str, Any]:
    """The order once it is delayed."""

    async def is_so() -> bool:
        return (await process.order(order_id))["delay"] is not None

    await until(is_so)
    return await process.order(order_id)


@pytest.mark.parametrize(
    ("operation", "fault", "step", "system", "says"),
    [
        ("create_order", "unavailable", "book_erp_order", "Tryton", "create order is not available."),
        ("find_account", "unavailable", "check_quote", "Tryton", "find account is not available."),
        ("create_subscription", "not_sent", "start_billing", "Quoteway", "Quoteway cannot be used at the moment."),
        ("create_subscription", "lost", "start_billing", "Quoteway", "Quoteway took the request, but its answer was"),
    ],
)
async def test_an_order_that_is_tried_again_says_so_and_no_more_once_it_has_gone_on(
    process: Process, pauses: Pauses, operation: str, fault: Fault, step: str, system: str, says: str
) -> None:
    process.system.fail(operation, fault)
    order_id = (await process.submit()).json()["orderId"]

    order = await delayed(process, order_id)
    flow = (await process.flow(order["flowId"]))["flow"]
    version = order["version"]
    pauses.over.set()
    booked = await process.ended(order_id)

    assert (order["delay"]["system"], order["delay"]["attempt"], order["delay"]["attemptsMax"]) == (system, 1, 3)
    assert order["delay"]["message"].startswith(says)
    assert order["timeline"][-1]["message"].startswith(f"Delayed. {says}")
    assert order["timeline"][-1]["message"].endswith("Tried 1 of 3 times; it goes on by itself.")
    failed_at = datetime.fromisoformat(order["timeline"][-1]["at"])
    waits_s = (datetime.fromisoformat(order["delay"]["nextAttemptAt"]) - failed_at).total_seconds()
    assert waits_s >= pauses.lengths_s[0] - 0.002, (
        "the timeline has the moment at which the attempt began to be written"
    )
    assert (flow["delay"]["step"], flow["delay"]["attempt"], flow["delay"]["attemptsMax"]) == (step, 1, 3)
    assert (booked["status"], booked["delay"]) == ("booked", None)
    assert booked["version"] > version, "what a caller sees has changed"
    assert (await process.flow(order["flowId"]))["flow"]["delay"] is None


async def test_a_parked_order_is_not_delayed_and_names_the_system(process: Process) -> None:
    process.system.fail("create_order", "unavailable", "unavailable", "unavailable")
    order = await process.ended((await process.submit()).json()["orderId"])

    flow = (await process.flow(order["flowId"]))["flow"]

    assert (order["status"], order["delay"], flow["delay"]) == ("parked", None, None)
    assert [entry["message"] for entry in order["timeline"] if entry["message"].startswith("Delayed.")] == [
        f"Delayed. create order is not available. Tried {number} of 3 times; it goes on by itself." for number in (1, 2)
    ]


async def test_a_rejected_order_carries_what_the_customer_accepted(process: Process) -> None:
    process.system.fail("check_credit", "rejected", "rejected")
    order = await process.ended((await process.submit()).json()["orderId"])

    assert order["status"] == "rejected"
    assert process.system.quote is not None
    net = sum(float(line.net_amount.amount) for line in process.system.quote.lines)
    assert order["total"]["currency"] == "EUR"
    assert float(order["total"]["amount"]) == pytest.approx(net)
    await process.idle()
    told = process.system.reports[order["orderId"]]
    assert told.total is not None
    assert told.total.amount == order["total"]["amount"]
