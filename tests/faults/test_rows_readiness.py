"""docs/failures.md, row 26: a later system refuses what an earlier one has booked."""

from typing import Any

import pytest

from process_api.orders.readiness import examine
from tests.faults.ordering import SENSOR, Ordering
from tests.journeys.org import Line

pytestmark = pytest.mark.servers

# The ERP can sell the sensor; billing counts whole units, and would refuse half a one once the ERP has booked.
HALF_A_UNIT = Line("MON-STD", "1.5", "4.90")


async def order_half_a_unit(ordering: Ordering) -> tuple[dict[str, Any], list[str]]:
    """The order's end, and the states of the sales that the ERP holds of it."""
    order = await ordering.order(SENSOR, HALF_A_UNIT)
    return order, [sale.state for sale in ordering.sales.oracle.sales(order["orderId"])]


async def test_row_26_what_billing_refuses_is_known_before_the_erp_books(ordering: Ordering) -> None:
    order, sales = await order_half_a_unit(ordering)

    assert order["status"] == "rejected", order
    assert "Line 2 (MON-STD): 1.5 of it cannot be charged" in order["whatWentWrong"]
    assert sales == []


async def test_row_26_mutation_without_readiness_a_sale_is_booked_and_cancelled(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examine, "OWN_CHECKS", ())
    monkeypatch.setattr(examine, "SYSTEM_CHECKS", ())

    order, sales = await order_half_a_unit(ordering)

    assert order["status"] == "rejected", order
    assert sales == ["cancelled"]
