"""What a Salesforce user reads, through all three tiers: account, credit, invoices, prices and orders.

A customer of this module's own has bought twice, so that everything shown of it is known to the cent.
"""

import asyncio
import json
import os
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio

from experience_api.process_client import DEADLINE_S
from process_api.accounts.account_overview import CRM_DEADLINE_S, PART_DEADLINE_S
from sandbox.vendors.tryton.rest import RestClient
from tests.deadlines import over_once_left
from tests.journeys.accounts import make_account
from tests.journeys.org import ACCOUNTS, Line
from tests.patience import HANG_S
from tests.running_tiers import Sales

pytestmark = pytest.mark.servers

LINES = [Line("SENSOR-TEMP", "8", "89.50", "10"), Line("MON-STD", "20", "4.90")]
# 8 x 80.55, and 20 x 4.90, each with 19 % German VAT
ERP_TOTAL, BILLING_TOTAL, ORDER_TOTAL = "766.84", "116.62", "883.46"
EXPOSURE, UNPAID = "1533.68", "1650.30"
NOBODY = "001QW0000000999"
# As in production: the running tiers of the tests have more patience.
LONGEST_OVERVIEW_S = CRM_DEADLINE_S + PART_DEADLINE_S


@dataclass
class Customer:
    """A customer with two booked orders: the ERP's invoices of both and billing's of the first are open claims."""

    sales: Sales
    name: str
    account_id: str
    orders: list[dict[str, Any]] = field(default_factory=list)
    erp_invoices: list[str] = field(default_factory=list)
    billing_invoices: list[str] = field(default_factory=list)

    async def read(self, what: str, account_id: str | None = None, **params: Any) -> dict[str, Any]:
        """Read something of the account, which must answer."""
        answer = await self.sales.client.get(
            f"/v1/accounts/{account_id or self.account_id}/{what}",
            params=params,
            headers={"Cache-Control": "no-cache"},  # the vendors' data has been changed behind Quoteway's back
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def buy(self) -> None:
        """Buy what LINES say; the ERP then invoices its part."""
        order = await self.sales.submit_and_end(self.sales.org.make_quote(self.name, "EUR", LINES))
        assert order["status"] == "booked", json.dumps(order, indent=1)
        self.orders.append(order)
        # In a thread: the worker lives in this loop, and would lose its lease while a vendor is waited for.
        await asyncio.to_thread(self._be_invoiced, order["orderId"])

    def finalize(self, invoice_id: str) -> None:
        """Have billing open a draft now; by itself it would an hour later."""
        key = (self.sales.landscape.run_dir / "stripe.key").read_text().strip()
        address = f"{self.sales.landscape.url('stripe')}/v1/invoices/{invoice_id}/finalize"
        httpx.post(address, headers={"Authorization": f"Bearer {key}"}, timeout=HANG_S).raise_for_status()

    def _be_invoiced(self, order_id: str) -> None:
        (sale,) = self.sales.oracle.sales(order_id)
        erp = self._erp()
        erp.act("sale.sale", sale.sale_id, "process")
        invoice_id = erp.read("sale.sale", sale.sale_id, ["invoices.id"])["invoices"][0]["id"]
        erp.act("account.invoice", invoice_id, "post")
        self.erp_invoices.append(str(invoice_id))
        (subscription,) = self.sales.oracle.subscriptions(order_id)
        (invoice,) = self.sales.oracle.billing_invoices(subscription["id"])
        self.billing_invoices.append(invoice["id"])

    def _erp(self) -> RestClient:
        landscape = self.sales.landscape
        company = landscape.erp.companies["NW-DE"]
        return RestClient(landscape.tryton.url, landscape.tryton.database, landscape.erp.rest_key, company)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def customer(running: Sales) -> AsyncIterator[Customer]:
    """A customer that nobody else's tests know, with two orders and four invoices."""
    name = f"Reader {uuid.uuid4().hex[:8]} GmbH"
    customer = Customer(running, name, make_account(running, name))
    await customer.buy()
    await customer.buy()
    customer.finalize(customer.billing_invoices[0])
    yield customer


@contextmanager
def paused(sales: Sales, name: str) -> Iterator[None]:
    """A vendor that takes requests and does not answer."""
    pid = sales.landscape.processes[name].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


# -- account overview ---------------------------------------------------------------------------------------------


async def test_an_overview_shows_the_customer_across_all_systems(customer: Customer) -> None:
    overview = await customer.read("overview")

    assert (overview["accountId"], overview["accountName"], overview["legalEntity"]) == (
        customer.account_id,
        customer.name,
        "NW-DE",
    )
    assert {part["availability"] for part in overview.values() if isinstance(part, dict)} == {"available"}
    assert overview["credit"]["credit"]["exposureAmount"] == EXPOSURE
    assert overview["openOrders"]["orders"] == [], "booked orders are not open"
    running = overview["subscriptions"]["subscriptions"]
    assert {each["orderId"] for each in running} == {each["orderId"] for each in customer.orders}
    assert {each["subscriptionId"] for each in running} == {
        identifier for order in customer.orders for identifier in order["subscriptionIds"]
    }
    assert [(each["status"], each["billingPeriod"], each["periodAmount"]) for each in running] == [
        ("active", "month", "98.00")
    ] * 2


async def test_an_overview_sums_what_is_unpaid_and_leaves_drafts_out(customer: Customer) -> None:
    unpaid = (await customer.read("overview"))["unpaidInvoices"]

    assert [(each["source"], each["invoiceId"]) for each in unpaid["invoices"]] == [
        ("erp", customer.erp_invoices[1]),
        ("erp", customer.erp_invoices[0]),
        ("billing", customer.billing_invoices[0]),
    ]
    assert [each["amountDue"] for each in unpaid["invoices"]] == [ERP_TOTAL, ERP_TOTAL, BILLING_TOTAL]
    assert unpaid["totals"] == [{"currencyIsoCode": "EUR", "amountDue": UNPAID}]
    assert unpaid["complete"] is True


async def test_with_the_erp_down_billings_part_answers_and_the_order_that_was_stopped_is_open(
    customer: Customer,
) -> None:
    sales, tryton = customer.sales, customer.sales.landscape.tryton
    name = f"Stopped {uuid.uuid4().hex[:8]} GmbH"
    stopped_id = make_account(sales, name)
    quote_id = sales.org.make_quote(name, "EUR", LINES)
    await asyncio.to_thread(tryton.stop)
    try:
        overview = await customer.read("overview")
        credit = await sales.client.get(
            f"/v1/accounts/{customer.account_id}/credit-status", headers={"Cache-Control": "no-cache"}
        )
        order = await sales.submit_and_end(quote_id)
    finally:
        await asyncio.to_thread(tryton.start)
    stopped = await customer.read("overview", stopped_id)

    assert overview["credit"]["availability"] == "unavailable"
    assert overview["credit"]["credit"]["decision"] == "unknown"
    unpaid = overview["unpaidInvoices"]
    assert (unpaid["availability"], unpaid["complete"]) == ("unavailable", False)
    assert unpaid["unavailableReason"]
    assert [each["invoiceId"] for each in unpaid["invoices"]] == customer.billing_invoices[:1]
    assert unpaid["totals"] == [{"currencyIsoCode": "EUR", "amountDue": BILLING_TOTAL}]
    assert overview["openOrders"]["availability"] == "available"
    assert len(overview["subscriptions"]["subscriptions"]) == 2
    assert credit.status_code == 503
    assert int(credit.headers["retry-after"]) > 0
    assert order["status"] == "parked", json.dumps(order, indent=1)
    (shown,) = stopped["openOrders"]["orders"]
    assert (shown["orderId"], shown["quoteId"], shown["status"]) == (order["orderId"], quote_id, "parked")
    assert shown["statusText"] == "Stopped. The integration team has to look into it."


async def test_billing_that_does_not_answer_is_not_waited_for_longer_than_apex_waits(customer: Customer) -> None:
    assert LONGEST_OVERVIEW_S < DEADLINE_S < 8, "Apex gives a callout 10 s"
    with paused(customer.sales, "stripe"), over_once_left(2):
        overview = await customer.read("overview")

    assert overview["subscriptions"]["availability"] == "unavailable"
    assert "does not answer" in overview["subscriptions"]["unavailableReason"]
    assert overview["unpaidInvoices"]["availability"] == "unavailable"
    assert [each["invoiceId"] for each in overview["unpaidInvoices"]["invoices"]] == customer.erp_invoices[::-1]
    assert overview["credit"]["availability"] == "available"
    assert overview["credit"]["credit"]["exposureAmount"] == EXPOSURE


# -- credit -------------------------------------------------------------------------------------------------------


async def test_credit_without_a_limit_shows_what_is_owed(customer: Customer) -> None:
    credit = (await customer.read("credit-status"))["credit"]
    assert (credit["decision"], credit["limited"]) == ("approved", False)
    assert (credit["limitAmount"], credit["exposureAmount"], credit["availableAmount"]) == ("", EXPOSURE, "")
    assert credit["currencyIsoCode"] == "EUR"


async def test_credit_with_a_limit_shows_what_is_left_of_it(customer: Customer) -> None:
    # Nobody's tests book anything for this customer: all its orders are over the limit.
    credit = (await customer.read("credit-status", ACCOUNTS["tidewater"]))["credit"]
    assert (credit["decision"], credit["limited"]) == ("approved", True)
    assert (credit["limitAmount"], credit["exposureAmount"], credit["availableAmount"]) == (
        "5000.00",
        "0.00",
        "5000.00",
    )


async def test_the_erp_does_not_know_a_customer_before_its_first_order(sales: Sales) -> None:
    account_id = make_account(sales, f"New {uuid.uuid4().hex[:8]} GmbH")
    credit = await sales.client.get(f"/v1/accounts/{account_id}/credit-status")
    assert credit.status_code == 404
    assert "its first order will" in credit.json()["detail"]
    overview = (await sales.client.get(f"/v1/accounts/{account_id}/overview")).json()
    assert overview["credit"]["availability"] == "available"
    assert overview["credit"]["credit"]["reason"].startswith("The ERP does not know this customer yet")
    assert overview["unpaidInvoices"]["invoices"] == overview["subscriptions"]["subscriptions"] == []


# -- invoices -----------------------------------------------------------------------------------------------------


async def pages(customer: Customer, **params: Any) -> list[list[dict[str, Any]]]:
    """Every page of invoices until the cursor is empty."""
    found: list[list[dict[str, Any]]] = []
    cursor = ""
    while len(found) < 20:
        page = await customer.read("invoices", **params, cursor=cursor)
        found.append(page["invoices"])
        cursor = page["nextCursor"]
        if cursor == "":
            return found
    raise AssertionError(f"the pages do not end: {found}")


async def test_page_by_page_every_invoice_is_shown_once(customer: Customer) -> None:
    found = await pages(customer, pageSize=1)

    assert all(len(page) <= 1 for page in found)
    assert [invoice["invoiceId"] for page in found for invoice in page] == [
        *reversed(customer.erp_invoices),
        *reversed(customer.billing_invoices),
    ]
    assert [invoice["status"] for page in found for invoice in page] == ["open", "open", "draft", "open"]


async def test_an_invoice_says_which_order_it_is_of_and_what_is_due_when(customer: Customer) -> None:
    (newest, oldest), (draft, billed) = await pages(customer)

    assert [each["orderId"] for each in (newest, draft)] == [customer.orders[1]["orderId"]] * 2
    assert [each["orderId"] for each in (oldest, billed)] == [customer.orders[0]["orderId"]] * 2
    assert (oldest["totalAmount"], oldest["amountDue"], oldest["currencyIsoCode"]) == (ERP_TOTAL, ERP_TOTAL, "EUR")
    assert (billed["totalAmount"], billed["amountDue"], billed["currencyIsoCode"]) == (
        BILLING_TOTAL,
        BILLING_TOTAL,
        "EUR",
    )
    assert oldest["invoiceNumber"]
    assert billed["invoiceNumber"]
    assert oldest["issuedOn"] < oldest["dueOn"]
    assert (draft["invoiceNumber"], draft["issuedOn"]) == ("", "")


async def test_only_open_invoices_when_asked_for(customer: Customer) -> None:
    shown = [invoice["invoiceId"] for page in await pages(customer, pageSize=1, openOnly="true") for invoice in page]
    assert shown == [*reversed(customer.erp_invoices), customer.billing_invoices[0]]


async def test_a_cursor_of_ones_own_making_is_refused(customer: Customer) -> None:
    for cursor in ("nonsense", "erp:x", "billing:'"):
        answer = await customer.sales.client.get(
            f"/v1/accounts/{customer.account_id}/invoices", params={"cursor": cursor}
        )
        assert answer.status_code == 400, (cursor, answer.text)


# -- pricing preview ----------------------------------------------------------------------------------------------


async def preview(sales: Sales, quote_id: str) -> dict[str, Any]:
    """The preview of a quote, which must answer."""
    answer = await sales.client.post(f"/v1/quotes/{quote_id}/pricing-preview")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_preview_shows_quoted_erp_and_billing_price_tax_and_difference(sales: Sales) -> None:
    found = await preview(sales, sales.org.make_quote("acme", "EUR", LINES))

    assert (found["orderable"], found["currencyIsoCode"], found["taxIssue"]) == (True, "EUR", "")
    assert (found["netAmount"], found["taxAmount"], found["totalAmount"]) == ("742.40", "141.06", ORDER_TOTAL)
    sensor, monitoring = found["lines"]
    assert (sensor["quotedUnitPrice"], sensor["erpUnitPrice"], sensor["billingUnitPrice"]) == (
        "89.50",
        "89.50",
        "",
    )
    assert (float(sensor["netUnitPrice"]), sensor["netAmount"], sensor["taxAmount"]) == (80.55, "644.40", "122.44")
    assert (sensor["differencePercent"], sensor["withinPolicy"], sensor["issue"]) == ("-10.00", True, "")
    assert (monitoring["erpUnitPrice"], monitoring["billingUnitPrice"]) == ("4.90", "4.90")
    assert (monitoring["netAmount"], monitoring["taxAmount"], monitoring["recurrence"]) == ("98.00", "18.62", "month")


async def test_a_preview_names_what_is_not_sold_and_what_is_outside_the_policy(sales: Sales) -> None:
    lines = [
        Line("MON-LEGACY", "3", "3.90"),
        Line("GATEWAY-EDGE", "1", "1490.00", "45"),
        Line("GATEWAY-EDGE", "1", "1490.00", "20"),
    ]

    found = await preview(sales, sales.org.make_quote("acme", "EUR", lines))

    gone, cheap, lowest = found["lines"]
    assert (gone["erpUnitPrice"], gone["billingUnitPrice"], gone["differencePercent"]) == ("", "", "")
    assert (gone["withinPolicy"], gone["issue"]) == (False, "MON-LEGACY is not sold by billing in EUR.")
    assert (cheap["withinPolicy"], cheap["differencePercent"]) == (False, "-45.00")
    assert "at most 20" in cheap["issue"]
    assert (lowest["withinPolicy"], lowest["differencePercent"]) == (True, "-20.00")
    assert found["orderable"] is False
    assert found["taxAmount"], "the tax does not depend on the price list"


async def test_what_a_preview_says_is_what_the_order_comes_to(customer: Customer) -> None:
    order = customer.orders[0]
    found = await preview(customer.sales, order["quoteId"])
    assert found["totalAmount"] == order["totalAmount"] == ORDER_TOTAL


# -- orders -------------------------------------------------------------------------------------------------------


async def test_a_booked_order_reads_in_plain_words(customer: Customer) -> None:
    order = await customer.sales.order(customer.orders[0]["orderId"])

    assert (order["status"], order["statusText"]) == ("booked", "Booked. The ERP and billing hold the order.")
    assert (order["finished"], order["whatWentWrong"], order["nextStep"], order["retryAfterSeconds"]) == (
        True,
        "",
        "",
        0,
    )
    (sale,) = customer.sales.oracle.sales(order["orderId"])
    assert order["orderNumber"] == sale.number
    assert (order["totalAmount"], order["taxAmount"], order["currencyIsoCode"]) == (ORDER_TOTAL, "141.06", "EUR")
    statuses = [entry["status"] for entry in order["timeline"]]
    assert statuses == ["received", "validating", "booking", "provisioning", "booked"]
    assert all(entry["message"] and entry["statusText"] for entry in order["timeline"])


async def test_a_refused_order_reads_in_plain_words(sales: Sales) -> None:
    order = await sales.submit_and_end(
        sales.org.make_quote("acme", "EUR", [Line("GATEWAY-EDGE", "1", "1490.00", "45")])
    )

    assert (order["status"], order["statusText"], order["finished"]) == ("rejected", "Not booked.", True)
    assert order["whatWentWrong"].startswith("Line 1 (GATEWAY-EDGE): GATEWAY-EDGE is 45.00 % below the list price")
    assert order["reasonCode"] == "price_outside_policy"
    assert "GATEWAY-EDGE is 45.00 % below the list price" in order["reasonDetail"]
    assert order["nextStep"].startswith("Change the price or the discount")


# -- what is not there --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/v1/accounts/{NOBODY}/overview"),
        ("GET", f"/v1/accounts/{NOBODY}/credit-status"),
        ("GET", f"/v1/accounts/{NOBODY}/invoices"),
        ("POST", "/v1/quotes/0Q0QW0000000999/pricing-preview"),
        ("GET", "/v1/orders/ord_nothing_there"),
    ],
)
async def test_what_nobody_knows_is_not_found(sales: Sales, method: str, path: str) -> None:
    answer = await sales.client.request(method, path)
    assert answer.status_code == 404, answer.text
    assert answer.json()["type"] == "urn:quoteway:problem:not-found"
    assert answer.json()["detail"].startswith("There is no")
