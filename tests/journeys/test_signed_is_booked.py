"""What the customer signed in Salesforce is what the real ERP's and billing's own books hold, to the cent."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.journeys.org import Line
from tests.journeys.stories import story
from tests.running_tiers import Sales

pytestmark = pytest.mark.servers

LIST_PRICES = {"GATEWAY-EDGE": "1490.00", "SENSOR-TEMP": "89.50", "INSTALL-DAY": "980.00", "MON-STD": "4.90"}


def books(sales: Sales, order: dict[str, Any]) -> tuple[Decimal, Decimal]:
    """Net and tax of what ERP and billing hold of an order."""
    net, tax = Decimal(0), Decimal(0)
    for sale in sales.oracle.sales(order["orderId"]):
        net, tax = net + sale.untaxed, tax + sale.tax
    for subscription in sales.oracle.subscriptions(order["orderId"]):
        for invoice in sales.oracle.billing_invoices(subscription["id"]):
            net += Decimal(invoice["total_excluding_tax"]) / 100
            tax += Decimal(invoice["total"] - invoice["total_excluding_tax"]) / 100
    return net, tax


def assert_booked_as_signed(sales: Sales, quote_id: str, order: dict[str, Any], signed: str) -> None:
    assert order["status"] == "booked", story(order)
    net, tax = books(sales, order)
    assert Decimal(str(sales.org.quote(quote_id)["GrandTotal"])) == Decimal(signed)
    assert net == Decimal(signed)
    assert Decimal(order["taxAmount"]) == tax
    assert Decimal(order["totalAmount"]) == net + tax
    (told,) = sales.oracle.crm_orders(order["orderId"])
    assert Decimal(str(told["Order_Total__c"])) == net + tax


@pytest.mark.parametrize(
    ("lines", "signed"),
    [
        # Half a cent: Salesforce rounds it up, Tryton to even.
        ([Line("SENSOR-TEMP", "1", "89.50", "5")], "85.03"),
        ([Line("SENSOR-TEMP", "500", "89.50", "7.77"), Line("MON-STD", "1000", "4.90", "7.77")], "45792.20"),
        # 82.54585 a unit, of which Tryton keeps four digits: two prices.
        ([Line("SENSOR-TEMP", "1999", "89.50", "7.77")], "165009.15"),
    ],
)
async def test_a_discount_that_rounds_is_booked_as_it_was_signed(sales: Sales, lines: list[Line], signed: str) -> None:
    quote_id = sales.org.make_quote("donau", "EUR", lines)

    order = await sales.submit_and_end(quote_id)

    assert_booked_as_signed(sales, quote_id, order, signed)


async def test_many_prices_quantities_and_discounts_are_booked_as_they_were_signed(sales: Sales) -> None:
    chance = random.Random(20261129)  # noqa: S311 a seed, so that a failure comes again
    lines = [
        Line(sku, str(chance.choice([1, 2, 3, 7, 19, 150, 999])), price, f"{chance.randrange(0, 2000) / 100:.2f}")
        for sku, price in LIST_PRICES.items()
        for _ in range(8)
    ]
    quote_id = sales.org.make_quote("donau", "EUR", lines)

    order = await sales.submit_and_end(quote_id)

    assert_booked_as_signed(sales, quote_id, order, str(sales.org.quote(quote_id)["GrandTotal"]))


async def test_shipping_is_booked_with_its_tax(sales: Sales) -> None:
    quote_id = sales.org.make_quote(
        "acme", "EUR", [Line("SENSOR-TEMP", "2", "89.50")], fields={"ShippingHandling": 25.0}
    )

    order = await sales.submit_and_end(quote_id)

    assert_booked_as_signed(sales, quote_id, order, "204.00")
    (sale,) = sales.oracle.sales(order["orderId"])
    assert [(sku, price, taxes) for sku, _, price, taxes in sale.lines] == [
        ("SENSOR-TEMP", Decimal("89.5"), ["DE"]),
        ("SHIPPING", Decimal(25), ["DE"]),
    ]
    assert sale.tax == Decimal("38.76")


async def test_a_product_on_two_lines_at_its_list_price_is_charged_for_both(sales: Sales) -> None:
    quote_id = sales.org.make_quote("donau", "EUR", [Line("MON-STD", "20", "4.90"), Line("MON-STD", "5", "4.90")])

    order = await sales.submit_and_end(quote_id)

    assert_booked_as_signed(sales, quote_id, order, "122.50")
    (subscription,) = sales.oracle.subscriptions(order["orderId"])
    assert [item["quantity"] for item in subscription["items"]["data"]] == [20, 5]


async def test_terms_purchase_order_and_frequency_are_in_the_books(sales: Sales) -> None:
    fields = {
        "PO_Number__c": "4500012345",
        "Payment_Terms__c": "Net 30",
        "Billing_Frequency__c": "Quarterly",
        "Term_Months__c": 24,
    }
    lines = [Line("SENSOR-TEMP", "1", "89.50"), Line("MON-STD", "20", "4.90", "5")]
    order = await sales.submit_and_end(sales.org.make_quote("acme", "EUR", lines, fields=fields))

    assert order["status"] == "booked", story(order)
    (subscription,) = sales.oracle.subscriptions(order["orderId"])
    (invoice,) = sales.oracle.billing_invoices(subscription["id"])
    # 93.10 a month, three times
    assert invoice["total_excluding_tax"] == 27930
    assert invoice["custom_fields"] == [{"name": "PO number", "value": "4500012345"}]
    recurring = subscription["items"]["data"][0]["price"]["recurring"]
    assert (recurring["interval"], recurring["interval_count"]) == ("month", 3)
    assert (subscription["days_until_due"], subscription["metadata"]["quoteway_term_months"]) == (30, "24")


async def test_a_line_that_begins_later_is_not_charged_before(sales: Sales) -> None:
    later = (datetime.now(UTC) + timedelta(days=75)).date().isoformat()
    lines = [Line("MON-STD", "10", "4.90"), Line("MON-STD", "20", "4.90", service_date=later)]

    order = await sales.submit_and_end(sales.org.make_quote("acme", "EUR", lines))

    assert order["status"] == "booked", story(order)
    found = {each["metadata"].get("quoteway_starts_on"): each for each in sales.oracle.subscriptions(order["orderId"])}
    assert set(found) == {None, later}
    charged = {
        start: [invoice["total_excluding_tax"] for invoice in sales.oracle.billing_invoices(each["id"])]
        for start, each in found.items()
    }
    assert charged == {None: [4900], later: [0]}
    assert (found[None]["status"], found[later]["status"]) == ("active", "trialing")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"Payment_Terms__c": "Net 45"}, 'no payment terms "Net 45"'),
        ({"Tax": 1.0}, "with 1.00 EUR of tax, but 17.01 EUR is due"),
        ({"Start_Date__c": "2020-01-01", "Billing_Frequency__c": "Monthly"}, ""),
    ],
)
async def test_what_cannot_be_carried_over_leaves_nothing_in_the_books(
    sales: Sales, fields: dict[str, Any], says: str
) -> None:
    lines = [Line("SENSOR-TEMP", "1", "89.50")]
    if "Start_Date__c" in fields:
        lines, says = [Line("MON-STD", "1", "4.90")], "begins on 2020-01-01, which is past"

    order = await sales.submit_and_end(sales.org.make_quote("acme", "EUR", lines, fields=fields))

    assert order["status"] == "rejected", story(order)
    assert says in order["whatWentWrong"], story(order)
    assert sales.oracle.sales(order["orderId"]) == []
    assert sales.oracle.subscriptions(order["orderId"]) == []
