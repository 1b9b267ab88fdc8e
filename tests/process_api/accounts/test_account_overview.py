"""Account overview: every part read on its own, and what is left when one cannot be read."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from process_api.accounts import account_overview
from process_api.accounts.account_overview import total_per_currency
from process_api.orders.record import Orders
from sandbox.processes.process import RunningProcess
from shared.canonical import (
    Money,
    Subscription,
    SubscriptionStatus,
)
from shared.problem import Unavailable
from tests.deadlines import over_once_left
from tests.issuer_process import bearer
from tests.patience import HANG_S
from tests.process_api.conftest import Process
from tests.process_api.customers.customer_desk import BILLING, ERP, Desk, desk_at, invoice
from tests.process_api.system_stand_in import Fault, mixed_quote


@pytest.fixture
def desk(process: Process, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A customer desk; whoever does answer is not given up on because the machine is busy."""
    monkeypatch.setattr(account_overview, "PART_DEADLINE_S", HANG_S)
    monkeypatch.setattr(account_overview, "CRM_DEADLINE_S", HANG_S)
    return desk_at(process)


@contextmanager
def silent(process: Process, path_part: str) -> Iterator[None]:
    """A part of the system API that takes requests and does not answer."""
    gate = process.switch.hold(path_part)
    try:
        yield
    finally:
        gate.set()


async def test_every_part_shows_what_its_system_holds(desk: Desk) -> None:
    desk.system.invoices = [
        invoice(ERP, "2", "100.10"),
        invoice(ERP, "1", "0", paid=True),
        invoice(BILLING, "1", "116.62"),
    ]
    desk.system.subscriptions["s"] = Subscription(external_id="s", status=SubscriptionStatus.active, vendor_id="sub_1")

    overview = await desk.overview()

    assert (overview["accountId"], overview["name"], overview["legalEntity"]) == (
        desk.account_id,
        "Acme Industriewerke GmbH",
        "NW-DE",
    )
    assert overview["credit"]["credit"]["available"] == {"amount": "43115.62", "currency": "EUR"}
    unpaid = overview["unpaidInvoices"]
    assert [each["vendorId"] for each in unpaid["invoices"]] == ["erp-2", "billing-1"]
    assert unpaid["totals"] == [{"amount": "216.72", "currency": "EUR"}]
    assert unpaid["complete"] is True
    assert [each["vendorId"] for each in overview["subscriptions"]["subscriptions"]] == ["sub_1"]
    assert overview["openOrders"]["orders"] == []
    assert {part["status"] for part in overview.values() if isinstance(part, dict)} == {"available"}
    assert {part["reason"] for part in overview.values() if isinstance(part, dict)} == {None}


async def test_credit_is_asked_for_nothing_more_in_the_accounts_own_currency(desk: Desk) -> None:
    await desk.overview()
    assert desk.system.asked("/credit") == {"amount": "0", "currency": "EUR"}


async def test_a_customer_that_the_erp_does_not_know_has_no_credit_and_that_is_no_failure(desk: Desk) -> None:
    desk.system.credit = None
    overview = await desk.overview()
    assert overview["credit"] == {"status": "available", "reason": None, "credit": None}


async def test_an_order_that_waits_for_a_person_is_open_and_a_booked_one_is_not(
    desk: Desk, issuer: RunningProcess
) -> None:
    booked = (await desk.process.submit()).json()["orderId"]
    assert (await desk.process.ended(booked))["status"] == "booked"
    desk.system.quote = msgspec.structs.replace(mixed_quote(), account_id=desk.account_id)
    outage: list[Fault] = ["unavailable"] * 50
    desk.system.fail("look_up_prices", *outage)
    parked = (await desk.process.submit()).json()["orderId"]
    assert (await desk.process.ended(parked))["status"] == "parked"

    (shown,) = (await desk.overview())["openOrders"]["orders"]

    assert (shown["orderId"], shown["status"], shown["quoteId"]) == (parked, "parked", desk.system.quote_id)
    stranger = await bearer(issuer, "experience-api", "quoteway-process", tenant="elsewhere")
    theirs = await desk.get("overview", headers=stranger)
    assert theirs.json()["openOrders"]["orders"] == [], "another tenant's orders are none of theirs"


@pytest.mark.parametrize(
    ("operation", "part", "left"),
    [
        ("check_credit", "credit", {"openOrders", "unpaidInvoices", "subscriptions"}),
        ("erp_invoices", "unpaidInvoices", {"credit", "openOrders", "subscriptions"}),
        ("billing_invoices", "unpaidInvoices", {"credit", "openOrders", "subscriptions"}),
        ("list_subscriptions", "subscriptions", {"credit", "openOrders", "unpaidInvoices"}),
    ],
)
async def test_a_part_that_fails_says_why_and_the_others_answer(
    desk: Desk, operation: str, part: str, left: set[str]
) -> None:
    desk.system.fail(operation, "unavailable")
    overview = await desk.overview()
    assert (overview[part]["status"], overview[part]["reason"]) == (
        "unavailable",
        f"{operation.replace('_', ' ')} is not available",
    )
    assert {overview[each]["status"] for each in left} == {"available"}


async def test_an_answer_that_is_none_of_ours_makes_its_part_unavailable(desk: Desk) -> None:
    desk.system.fail("list_subscriptions", "garbage")
    overview = await desk.overview()
    assert overview["subscriptions"]["status"] == "unavailable"
    assert overview["credit"]["status"] == "available"


async def test_without_our_own_orders_the_vendors_parts_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(Orders, "open_for_account", away)
    overview = await desk.overview()
    assert overview["openOrders"] == {"status": "unavailable", "reason": "the database does not answer", "orders": []}
    assert overview["credit"]["status"] == overview["subscriptions"]["status"] == "available"


@pytest.mark.parametrize(
    ("path_part", "silenced"),
    [("/v1/billing/", {"unpaidInvoices", "subscriptions"}), ("/v1/erp/", {"credit", "unpaidInvoices"})],
)
async def test_a_part_that_does_not_answer_in_time_is_not_waited_for(
    desk: Desk, path_part: str, silenced: set[str]
) -> None:
    desk.system.invoices = [invoice(ERP, "1", "10.00"), invoice(BILLING, "1", "20.00")]

    with silent(desk.process, path_part), over_once_left(2):
        overview = await desk.overview()

    parts = {name: part for name, part in overview.items() if isinstance(part, dict)}
    assert {name for name, part in parts.items() if part["status"] == "unavailable"} == silenced
    assert all("does not answer" in parts[name]["reason"] for name in silenced)


def test_a_part_gets_no_longer_than_a_caller_waits() -> None:
    # Apex gives a callout 10 s, the experience tier the process tier 7.5; the account itself is read before the parts.
    assert 1 <= account_overview.PART_DEADLINE_S <= 5


@pytest.mark.parametrize("hangs", [False, True])
async def test_without_the_crm_the_other_parts_of_a_known_account_answer(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, issuer: RunningProcess, hangs: bool
) -> None:
    booked = (await desk.process.submit()).json()["orderId"]
    assert (await desk.process.ended(booked))["status"] == "booked"
    desk.system.invoices = [invoice(ERP, "1", "10.00")]
    if hangs:
        monkeypatch.setattr(account_overview, "CRM_DEADLINE_S", 0.5)
        with silent(desk.process, "/v1/crm/accounts/"):
            overview = await desk.overview()
    else:
        desk.system.fail("find_account", "unavailable")
        overview = await desk.overview()
    why = "Salesforce does not answer at the moment." if hangs else "find account is not available"
    assert overview["account"] == {"status": "unavailable", "reason": why}
    assert (overview["name"], overview["legalEntity"]) == ("", "NW-DE")
    assert [each["vendorId"] for each in overview["unpaidInvoices"]["invoices"]] == ["erp-1"]
    assert overview["credit"]["credit"] is not None
    parts = ("credit", "openOrders", "unpaidInvoices", "subscriptions")
    assert {overview[part]["status"] for part in parts} == {"available"}
    stranger = await bearer(issuer, "experience-api", "quoteway-process", tenant="elsewhere")
    desk.system.fail("find_account", "unavailable")
    assert (await desk.get("overview", headers=stranger)).status_code == 503, "another tenant's order tells nothing"


async def test_without_the_crm_an_account_without_orders_has_no_overview(desk: Desk) -> None:
    desk.system.fail("find_account", "unavailable")
    answer = await desk.get("overview")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "find account is not available"


@pytest.mark.parametrize("what", ["overview", "credit-status", "invoices"])
async def test_an_unknown_account_is_not_found_and_no_vendor_is_asked(desk: Desk, what: str) -> None:
    desk.system.account = None
    answer = await desk.get(what)
    assert answer.status_code == 404
    assert desk.account_id in answer.json()["detail"]
    assert desk.system.calls == ["find_account"]


async def test_one_system_away_leaves_the_others_invoices_and_says_that_there_may_be_more(desk: Desk) -> None:
    desk.system.invoices = [invoice(ERP, "1", "100.00"), invoice(BILLING, "1", "50.00", "USD")]
    desk.system.fail("erp_invoices", "unavailable")

    unpaid = (await desk.overview())["unpaidInvoices"]

    assert [each["vendorId"] for each in unpaid["invoices"]] == ["billing-1"]
    assert unpaid["totals"] == [{"amount": "50.00", "currency": "USD"}]
    assert (unpaid["status"], unpaid["complete"]) == ("unavailable", False)


async def test_both_systems_away_both_say_why(desk: Desk) -> None:
    desk.system.fail("erp_invoices", "unavailable")
    desk.system.fail("billing_invoices", "unavailable")
    unpaid = (await desk.overview())["unpaidInvoices"]
    assert unpaid["reason"] == "erp invoices is not available; billing invoices is not available"
    assert (unpaid["invoices"], unpaid["totals"], unpaid["complete"]) == ([], [], False)


async def test_of_very_many_unpaid_invoices_the_newest_are_shown_and_totalled(desk: Desk) -> None:
    desk.system.invoices = [invoice(ERP, str(number), "1.01") for number in range(101)]
    unpaid = (await desk.overview())["unpaidInvoices"]
    assert (len(unpaid["invoices"]), unpaid["complete"], unpaid["status"]) == (100, False, "available")
    assert unpaid["totals"] == [{"amount": "101.00", "currency": "EUR"}]


def test_what_is_due_is_summed_per_currency_over_both_systems() -> None:
    invoices = [
        invoice(ERP, "1", "0.10", "USD"),
        invoice(ERP, "2", "0.20"),
        invoice(BILLING, "1", "0.10"),
        invoice(BILLING, "2", "-0.05"),
        invoice(BILLING, "3", "500", "JPY"),
    ]
    assert total_per_currency(invoices) == [
        Money(amount="0.25", currency="EUR"),
        Money(amount="500", currency="JPY"),
        Money(amount="0.10", currency="USD"),
    ]
    assert total_per_currency([]) == []
