"""Credit, and invoices page by page: what cannot be read is said, never skipped."""

from itertools import chain

import msgspec
import pytest

from shared.canonical import (
    CreditStatus,
)
from tests.process_api.conftest import Process
from tests.process_api.customers.customer_desk import BILLING, CREDIT, ERP, Desk, desk_at, invoice


@pytest.fixture
def desk(process: Process) -> Desk:
    return desk_at(process)


async def test_credit_is_what_the_erp_says(desk: Desk) -> None:
    answer = await desk.get("credit-status")
    assert answer.status_code == 200
    assert msgspec.json.decode(answer.content, type=CreditStatus) == CREDIT


async def test_credit_of_a_customer_that_the_erp_does_not_know_is_not_found(desk: Desk) -> None:
    desk.system.credit = None
    answer = await desk.get("credit-status")
    assert answer.status_code == 404
    assert "The ERP of NW-DE does not know" in answer.json()["detail"]


async def test_credit_without_the_erp_is_unavailable(desk: Desk) -> None:
    desk.system.fail("check_credit", "unavailable")
    assert (await desk.get("credit-status")).status_code == 503


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_the_pages_hold_every_invoice_once_the_erps_first(desk: Desk, limit: int) -> None:
    desk.system.invoices = [
        *(invoice(BILLING, number, "1.00") for number in ("9", "8", "7")),
        *(invoice(ERP, number, "1.00") for number in ("4", "3")),
    ]

    pages = await desk.walk(limit=limit)

    assert list(chain(*pages)) == ["erp-4", "erp-3", "billing-9", "billing-8", "billing-7"]
    assert all(len(page) <= limit for page in pages)


async def test_a_customer_without_invoices_has_pages_that_end(desk: Desk) -> None:
    assert await desk.walk(limit=5) == [[], []]


async def test_the_limit_and_the_filter_reach_both_systems(desk: Desk) -> None:
    desk.system.invoices = [
        invoice(ERP, "2", "0", paid=True),
        invoice(ERP, "1", "1.00"),
        invoice(BILLING, "2", "0", paid=True),
        invoice(BILLING, "1", "1.00"),
    ]
    assert list(chain(*await desk.walk(limit=1, openOnly="true"))) == ["erp-1", "billing-1"]
    assert desk.system.asked("/v1/erp/NW-DE/customers")["openOnly"] == "true"
    await desk.walk()
    assert desk.system.asked("/v1/billing/NW-DE/customers") == {"openOnly": "false", "limit": "20"}


async def test_a_page_of_a_system_that_is_away_is_unavailable_not_skipped(desk: Desk) -> None:
    desk.system.invoices = [invoice(ERP, "1", "1.00"), invoice(BILLING, "1", "1.00")]
    desk.system.fail("erp_invoices", "unavailable")
    assert (await desk.get("invoices")).status_code == 503


@pytest.mark.parametrize("cursor", ["", "erp", "crm:1", "billing", ":", "ERP:1"])
async def test_a_cursor_that_is_none_of_ours_is_refused(desk: Desk, cursor: str) -> None:
    answer = await desk.get("invoices", cursor=cursor)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "query/cursor"
