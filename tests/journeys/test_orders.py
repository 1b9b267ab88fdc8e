"""From an accepted quote to the vendors' own data, through all three tiers."""

import asyncio
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.journeys.org import ACCOUNTS, Line
from tests.journeys.stories import story
from tests.patience import HANG_S
from tests.running_tiers import Sales

pytestmark = pytest.mark.servers

HARDWARE = [Line("GATEWAY-EDGE", "2", "1490.00", "5"), Line("SENSOR-TEMP", "20", "89.50")]
MIXED = [*HARDWARE, Line("INSTALL-DAY", "1", "980.00"), Line("MON-STD", "20", "4.90")]


async def told_salesforce(sales: Sales, order: dict[str, Any]) -> dict[str, Any]:
    """What Salesforce has been told of an order; of a bad end it is told after the end, so that takes a moment."""
    async with asyncio.timeout(HANG_S):
        # Salesforce has no way to wait for a record.
        while not (records := await asyncio.to_thread(sales.oracle.crm_orders, order["orderId"])):  # noqa: ASYNC110 it is asked over HTTP
            await asyncio.sleep(0.1)
    (record,) = records
    return record


async def test_an_accepted_quote_is_booked_in_every_system_once(sales: Sales) -> None:
    quote_id = sales.org.make_quote("acme", "EUR", MIXED)

    order = await sales.submit_and_end(quote_id)

    assert order["status"] == "booked", story(order)
    (sale,) = sales.oracle.sales(order["orderId"])
    assert sale.state in {"confirmed", "processing"}
    assert sale.lines == [
        ("GATEWAY-EDGE", Decimal(2), Decimal("1415.5"), ["DE"]),
        ("SENSOR-TEMP", Decimal(20), Decimal("89.5"), ["DE"]),
        ("INSTALL-DAY", Decimal(1), Decimal(980), ["DE"]),
    ]
    assert (sale.untaxed, sale.tax, sale.total) == (Decimal("5601.00"), Decimal("1064.19"), Decimal("6665.19"))
    (subscription,) = sales.oracle.subscriptions(order["orderId"])
    assert subscription["status"] == "active"
    assert [(item["price"]["product"], item["quantity"]) for item in subscription["items"]["data"]] == [("MON-STD", 20)]
    (record,) = sales.oracle.crm_orders(order["orderId"])
    assert record["Status__c"] == "booked"
    assert record["ERP_Order_Number__c"] == sale.number
    assert record["Subscription__c"] == subscription["id"]


async def test_nothing_is_invoiced_twice(sales: Sales) -> None:
    order = await sales.submit_and_end(sales.org.make_quote("acme", "EUR", MIXED))

    (sale,) = sales.oracle.sales(order["orderId"])
    (subscription,) = sales.oracle.subscriptions(order["orderId"])
    billed = sum(invoice["total"] for invoice in sales.oracle.billing_invoices(subscription["id"]))
    assert "MON-STD" not in {line[0] for line in sale.lines}
    # 20 x 4.90, and 19 %: in the smallest coin, as Stripe counts
    assert billed == 11662


async def test_the_other_legal_entity_books_in_its_own_company_and_currency(sales: Sales) -> None:
    lines = [Line("GATEWAY-EDGE", "1", "1590.00"), Line("MON-STD", "5", "5.50"), Line("SUPPORT-PREM", "1", "1320.00")]
    order = await sales.submit_and_end(sales.org.make_quote("bluefin", "USD", lines, legal_entity="NW-US"))

    assert order["status"] == "booked", story(order)
    (sale,) = sales.oracle.sales(order["orderId"])
    assert (sale.currency, sale.total) == ("USD", Decimal("1705.28"))
    assert [line[3] for line in sale.lines] == [["US-CA"]]
    periods = {
        item["price"]["recurring"]["interval"]
        for subscription in sales.oracle.subscriptions(order["orderId"])
        for item in subscription["items"]["data"]
    }
    assert periods == {"month", "year"}


async def test_a_new_customer_is_created_once_and_taxed_where_it_lives(sales: Sales) -> None:
    quotes = [sales.org.make_quote("donau", "EUR", [Line("SENSOR-TEMP", "1", "89.50")]) for _ in range(3)]

    orders = await asyncio.gather(*(sales.submit_and_end(quote_id) for quote_id in quotes))

    assert {order["status"] for order in orders} == {"booked"}, [story(order) for order in orders]
    found = [sale for order in orders for sale in sales.oracle.sales(order["orderId"])]
    assert len(found) == 3
    assert {line[3][0] for sale in found for line in sale.lines} == {"EU-REVERSE-CHARGE"}
    assert {sale.tax for sale in found} == {Decimal(0)}
    assert len({sale.party for sale in found}) == 1


async def test_a_quote_submitted_by_many_at_once_is_one_order(sales: Sales) -> None:
    quote_id = sales.org.make_quote("acme", "EUR", [Line("SENSOR-TEMP", "1", "89.50"), Line("MON-STD", "1", "4.90")])

    answers = await asyncio.gather(*(sales.submit(quote_id) for _ in range(10)))

    order_ids = {answer.json()["orderId"] for answer in answers}
    assert len(order_ids) == 1
    order = await sales.ended(order_ids.pop())
    assert order["status"] == "booked", story(order)
    assert len(sales.oracle.sales(order["orderId"])) == 1
    assert len(sales.oracle.subscriptions(order["orderId"])) == 1


@pytest.mark.parametrize(
    ("account", "lines", "reason"),
    [
        ("tidewater", [Line("GATEWAY-EDGE", "12", "1490.00")], "credit"),
        ("acme", [Line("GATEWAY-EDGE", "1", "1490.00", "45")], "below the list price"),
        ("acme", [Line("MON-LEGACY", "3", "3.90")], "MON-LEGACY"),
    ],
)
async def test_a_refused_order_says_why_and_leaves_nothing_over(
    sales: Sales, account: str, lines: list[Line], reason: str
) -> None:
    order = await sales.submit_and_end(sales.org.make_quote(account, "EUR", lines))

    assert order["status"] == "rejected"
    assert reason.lower() in str(order).lower(), story(order)
    assert sales.oracle.sales(order["orderId"]) == []
    assert sales.oracle.subscriptions(order["orderId"]) == []
    record = await told_salesforce(sales, order)
    assert record["Status__c"] == "rejected"
    assert record["Failure_Reason__c"]


async def test_what_the_quote_tells_is_refused_at_the_submission(sales: Sales) -> None:
    lines = [Line("SENSOR-TEMP", "4", "89.50")]
    draft = sales.org.make_quote("acme", "EUR", lines, status="Draft")
    accepted = sales.org.make_quote("acme", "EUR", lines)

    not_accepted = await sales.submit(draft)
    of_an_account = await sales.submit(ACCOUNTS["acme"])
    other_total = await sales.submit(accepted, expectedTotal="1.00")

    assert (not_accepted.status_code, not_accepted.json()["reasonCode"]) == (422, "quote_not_accepted")
    assert of_an_account.status_code == 404
    assert (other_total.status_code, other_total.json()["reasonCode"]) == (422, "total_changed")


async def test_an_org_out_of_order_is_no_business_no(sales: Sales) -> None:
    quote_id = sales.org.make_quote("acme", "EUR", [Line("SENSOR-TEMP", "1", "89.50")])
    retired = {"status": 410, "errorCode": "UNSUPPORTED_API_VERSION", "message": "The requested version is retired."}
    sales.org.refuse(method="GET", path="/query", times=2, **retired)

    order = await sales.submit_and_end(quote_id)

    assert order["status"] == "booked", story(order)


async def test_billing_refuses_after_the_erp_booked_so_the_erp_order_is_cancelled(sales: Sales) -> None:
    refusal = {
        "method": "POST",
        "path": "/v1/subscriptions",
        "times": 1,
        "status": 402,
        "code": "card_declined",
        "message": "Your card was declined.",
    }
    async with httpx.AsyncClient(base_url=sales.landscape.url("stripe"), timeout=HANG_S) as stripe:
        (await stripe.post("/_sandbox/refuse", json=refusal)).raise_for_status()

    order = await sales.submit_and_end(sales.org.make_quote("acme", "EUR", MIXED))

    assert order["status"] == "rejected", story(order)
    (sale,) = sales.oracle.sales(order["orderId"])
    assert sale.state == "cancelled"
    assert {each["status"] for each in sales.oracle.subscriptions(order["orderId"])} <= {"canceled"}
    assert (await told_salesforce(sales, order))["Status__c"] == "rejected"


async def test_an_erp_that_is_down_parks_the_order_with_nothing_left_over(sales: Sales) -> None:
    quote_id = sales.org.make_quote("acme", "EUR", MIXED)
    sales.landscape.tryton.stop()
    try:
        order = await sales.submit_and_end(quote_id)
    finally:
        sales.landscape.tryton.start()

    assert order["status"] == "parked", story(order)
    assert sales.oracle.sales(order["orderId"]) == []
    assert sales.oracle.subscriptions(order["orderId"]) == []


async def test_a_short_outage_of_salesforce_is_waited_out(sales: Sales) -> None:
    quote_id = sales.org.make_quote("acme", "EUR", [Line("SENSOR-TEMP", "1", "89.50")])
    sales.org.refuse(
        method="GET", path="/services/data", times=2, status=503, errorCode="SERVER_UNAVAILABLE", message="away"
    )
    order = await sales.submit_and_end(quote_id)
    assert order["status"] == "booked", story(order)
