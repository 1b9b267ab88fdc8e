"""docs/failures.md, row 26: a later system refuses what an earlier one has booked."""

from typing import Any

import pytest

from process_api.orders.readiness import examine, order_texts
from tests.faults.customers import HAMBURG, Books, billed, german_vat_id, new_account, order, stripe
from tests.faults.ordering import MONTHLY, SENSOR, Ordering
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


async def test_row_26_tax_id_that_the_erp_refuses_is_found_before_the_first_write(
    ordering: Ordering,
) -> None:
    account_id = new_account(ordering, HAMBURG, VAT_Id__c="ATU99999999")

    refused = await order(ordering, account_id, SENSOR, MONTHLY)

    assert refused["status"] == "rejected", refused
    assert "cannot be right: by the rules of AT, its check digits" in refused["whatWentWrong"]
    assert Books(ordering).parties(account_id) == []


async def order_with_another_tax_id_in_billing(ordering: Ordering) -> tuple[dict[str, Any], list[str]]:
    """The end of a second order of an account, whose tax id somebody has exchanged in billing's dashboard meanwhile.

    With it come the states of the sales that the ERP holds of that order.
    """
    account_id = new_account(ordering, HAMBURG, VAT_Id__c=german_vat_id())
    first = await order(ordering, account_id, MONTHLY)
    assert first["status"] == "booked", first
    customer = billed(ordering, first)["id"]
    [held] = stripe(ordering, "GET", f"/v1/customers/{customer}/tax_ids")["data"]
    stripe(ordering, "DELETE", f"/v1/customers/{customer}/tax_ids/{held['id']}")
    stripe(ordering, "POST", f"/v1/customers/{customer}/tax_ids", type="eu_vat", value=german_vat_id())

    second = await order(ordering, account_id, SENSOR, MONTHLY)
    return second, [sale.state for sale in ordering.sales.oracle.sales(second["orderId"])]


async def test_row_26_another_tax_id_in_billing_is_known_before_the_erp_books(ordering: Ordering) -> None:
    refused, sales = await order_with_another_tax_id_in_billing(ordering)

    assert refused["status"] == "rejected", refused
    assert "has another tax id in billing than the account states" in refused["whatWentWrong"]
    assert sales == []


async def test_row_26_mutation_without_the_dry_run_a_sale_is_booked_and_cancelled(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tuple(check for check in examine.SYSTEM_CHECKS if check.run.__module__ != order_texts.__name__)
    monkeypatch.setattr(examine, "SYSTEM_CHECKS", kept)

    refused, sales = await order_with_another_tax_id_in_billing(ordering)

    assert refused["status"] == "rejected", refused
    assert sales == ["cancelled"]
