"""docs/failures.md, rows 6, 7, 20, 21 and 24: what a vendor did, said, or did not get to say.

Every row has its mutation: with the guard off, the comparison with the vendors' own data has to find the damage.
"""

from dataclasses import replace
from typing import Any

import pytest

from process_api.engine.executor import running_engine
from process_api.engine.steps import Patience
from process_api.orders.submission import ORDER_SUBMISSION
from sandbox.fault_proxy.rules import Fault, Rule
from system_api.billing.stripe import adapter as stripe
from system_api.erp.tryton.sales import TrytonSales
from tests.faults.late_undo import register_undo_afterwards
from tests.faults.ordering import MONTHLY, SENSOR, YEARLY, Ordering
from tests.faults.vendor_writes import STRIPE_START, TRYTON_SALE, leave_the_others, make_without_looking_back
from tests.patience import until

pytestmark = pytest.mark.servers

TRYTON_CONFIRM = r"/rest/model/sale\.sale/\d+/confirm$"
DECLINED = '{"error": {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}}'


def lose(path: str, times: int = 1) -> Rule:
    """The vendor does the work, and its answer is lost."""
    return Rule(fault=Fault.lose_answer, methods=["POST"], path=path, times=times)


# -- row 6 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [TRYTON_SALE, r"/quote$", TRYTON_CONFIRM])
async def test_row_06_time_out_after_the_erp_accepted(ordering: Ordering, path: str) -> None:
    ordering.faults("erp").put(lose(path))

    order = await ordering.order(SENSOR, MONTHLY)

    assert order["status"] == "booked", order
    assert ordering.faults("erp").statistics().log[-1].status == 200
    assert ordering.findings().violations == []


async def test_row_06_mutation_without_the_search_by_reference_the_sale_is_doubled(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    under = TrytonSales._under
    blind = iter([True, False, True])

    async def searches_in_vain(self: TrytonSales, external_id: str) -> list[Any]:
        return [] if next(blind, False) else await under(self, external_id)

    monkeypatch.setattr(TrytonSales, "_under", searches_in_vain)
    # The sale is made, its answer is lost; who does not find it makes another, and nobody looks for the first.
    monkeypatch.setattr(TrytonSales, "_make", make_without_looking_back)
    monkeypatch.setattr(TrytonSales, "_only", leave_the_others)
    ordering.faults("erp").put(lose(TRYTON_SALE))

    await ordering.order(SENSOR, MONTHLY)

    assert any("2 sales" in found for found in ordering.findings().duplicates)


# -- row 7 ----------------------------------------------------------------------------------------------------------


async def test_row_07_answer_lost_after_billing_accepted(ordering: Ordering) -> None:
    ordering.faults("stripe").put(lose(STRIPE_START))

    order = await ordering.order(SENSOR, MONTHLY, YEARLY)

    assert order["status"] == "booked", order
    assert ordering.findings().violations == []


@pytest.mark.usefixtures("keys_that_never_repeat")
async def test_row_07_mutation_without_search_and_key_the_subscription_is_doubled(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: Any) -> list[Any]:
        return []

    monkeypatch.setattr(stripe.Stripe, "_of_customer", nothing)
    ordering.faults("stripe").put(lose(STRIPE_START))

    await ordering.order(SENSOR, MONTHLY)

    assert any("2 subscriptions" in found for found in ordering.findings().duplicates)


async def test_row_07_the_vendors_key_alone_is_enough(ordering: Ordering, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> list[Any]:
        return []

    monkeypatch.setattr(stripe.Stripe, "_of_customer", nothing)
    ordering.faults("stripe").put(lose(STRIPE_START))

    order = await ordering.order(SENSOR, MONTHLY)

    assert order["status"] == "booked", order
    assert ordering.findings().violations == []


# -- rows 20 and 21 -------------------------------------------------------------------------------------------------


async def test_row_20_a_poison_order_is_parked_with_its_reason_and_its_neighbours_go_on(ordering: Ordering) -> None:
    poison = ordering.quote(SENSOR, MONTHLY)
    answer = await ordering.sales.submit(poison)
    order_id = answer.json()["orderId"]
    ordering.faults("erp").put(
        Rule(fault=Fault.bad_gateway, methods=["POST"], path=TRYTON_SALE, body=order_id),
    )

    neighbours = await ordering.orders(3, SENSOR, MONTHLY)
    order = await ordering.sales.ended(order_id)
    ordering.remember(order, SENSOR, MONTHLY)

    assert {each["status"] for each in neighbours} == {"booked"}
    assert order["status"] == "parked"
    assert "Tryton took a request" in order["reasonDetail"], order
    assert "502" not in order["reasonDetail"], "that is for operators, with the flow's attempts"
    findings = ordering.findings()
    assert (findings.violations, findings.parked) == ([], [order_id])


async def test_row_20_mutation_with_unlimited_attempts_a_poison_order_never_ends(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    sagas = running_engine().sagas
    untiring = replace(sagas[ORDER_SUBMISSION.name], patience=Patience(1_000_000, 0.02, 0.02, 0.02))
    monkeypatch.setitem(sagas, ORDER_SUBMISSION.name, untiring)
    poison, before = ordering.quote(SENSOR, MONTHLY), asked(ordering)
    order_id = (await ordering.sales.submit(poison)).json()["orderId"]
    ordering.faults("erp").put(Rule(fault=Fault.bad_gateway, methods=["POST"], path=TRYTON_SALE, body=order_id))

    # With the guard it is asked 3 times.
    await until(lambda: asked(ordering) >= before + 10)

    assert (await ordering.sales.order(order_id))["status"] == "booking"
    ordering.faults("erp").clear()
    assert (await ordering.sales.ended(order_id))["status"] == "booked"


def asked(ordering: Ordering) -> int:
    """How often the ERP's proxy has answered 502."""
    return ordering.faults("erp").statistics().faults.get(Fault.bad_gateway, 0)


def declined_at_the_second() -> Rule:
    """The first subscription starts, the second is refused."""
    return Rule(fault=Fault.answer, methods=["POST"], path=STRIPE_START, skip=1, times=1, status=402, content=DECLINED)


async def test_row_21_what_had_begun_is_undone_although_the_undo_fails_at_first(ordering: Ordering) -> None:
    ordering.faults("stripe").put(
        declined_at_the_second(),
        Rule(fault=Fault.lose_answer, methods=["DELETE"], path="^/v1/subscriptions/", times=1),
    )
    ordering.faults("erp").put(Rule(fault=Fault.bad_gateway, methods=["POST"], path="/cancel$", times=2))

    order = await ordering.order(SENSOR, MONTHLY, YEARLY)

    assert order["status"] == "rejected", order
    assert ordering.findings().violations == []


async def test_row_21_an_undo_that_never_works_is_parked(ordering: Ordering) -> None:
    ordering.faults("stripe").put(declined_at_the_second())
    ordering.faults("erp").put(Rule(fault=Fault.bad_gateway, methods=["POST"], path="/(draft|cancel)$"))

    order = await ordering.order(SENSOR, MONTHLY, YEARLY)

    assert order["status"] == "parked", order
    assert ordering.findings().parked == [order["orderId"]]


@pytest.mark.usefixtures("undo_registered_afterwards")
async def test_row_21_mutation_an_undo_registered_after_the_step_leaves_something_over(ordering: Ordering) -> None:
    ordering.faults("stripe").put(declined_at_the_second())

    order = await ordering.order(SENSOR, MONTHLY, YEARLY)

    assert order["status"] == "rejected", order
    assert ordering.findings().leftovers != []


@pytest.fixture
def undo_registered_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step counts as begun only once it is done."""
    register_undo_afterwards(monkeypatch)


# -- row 24 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [TRYTON_SALE, TRYTON_CONFIRM])
async def test_row_24_a_200_with_an_error_inside_is_no_success(ordering: Ordering, path: str) -> None:
    ordering.faults("erp").put(
        Rule(fault=Fault.answer, methods=["POST"], path=path, times=1, status=200, content='{"errors": ["no"]}')
    )

    order = await ordering.order(SENSOR, MONTHLY)

    assert order["status"] == "booked", order
    assert ordering.findings().violations == []


async def test_row_24_mutation_who_believes_every_200_loses_the_order(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = TrytonSales._advance

    async def believe(self: TrytonSales, sale: Any, external_id: str, button: str) -> Any:
        if button == "quote":
            return await advance(self, sale, external_id, button)
        await self._rest._client.send(
            "POST", f"{self._rest._models}/sale.sale/{sale.id}/confirm", headers=self._rest._headers, content=b"{}"
        )
        return sale

    monkeypatch.setattr(TrytonSales, "_advance", believe)
    ordering.faults("erp").put(
        Rule(fault=Fault.answer, methods=["POST"], path=TRYTON_CONFIRM, times=1, status=200, content='{"errors": []}')
    )

    order = await ordering.order(SENSOR, MONTHLY)

    assert order["status"] == "booked"
    assert any("booked, but the ERP holds" in found for found in ordering.findings().lost)
