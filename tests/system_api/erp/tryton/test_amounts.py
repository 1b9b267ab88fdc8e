"""Amounts, terms and dates of orders in a real Tryton, and in its stand-in: the accepted amounts are booked."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec
import pytest

from sandbox.vendors.tryton.rest import RestClient
from shared.canonical import Contact, Customer, ErpOrderDraft, ErpOrderLine, Money
from shared.problem import Rejected
from system_api.erp.tryton.adapter import Tryton
from system_api.erp.tryton.lines import dates_and_terms
from system_api.erp.tryton.records import CompanyRecord, Currency, ProductRecord, UnitRecord
from tests.system_api.erp.conftest import Books, connection_of
from tests.system_api.erp.drafts import euros, hardware, order_id

CENT = Decimal("0.01")


def half_up(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)


def ordered(place: int, sku: str, quantity: str, price: str, discount: str = "0", **changes: Any) -> ErpOrderLine:
    """Return a line as the process tier sends it: the accepted net amount, and the quoted unit price to four digits."""
    unit = Decimal(price) * (1 - Decimal(discount) / 100)
    line = ErpOrderLine(
        sku=sku,
        description=sku,
        quantity=quantity,
        net_unit_price=euros(f"{unit.quantize(Decimal('0.0001'), ROUND_HALF_UP):f}"),
        line_id=f"line-{place}",
        net_amount=euros(f"{half_up(unit * Decimal(quantity)):f}"),
    )
    return msgspec.structs.replace(line, **changes)


def draft_of(customer: Customer, *lines: ErpOrderLine, **changes: Any) -> ErpOrderDraft:
    nets = [line.net.value for line in lines]
    tax = sum((half_up(net * Decimal("0.19")) for net in nets), Decimal(0))
    amounts = {"expected_tax": euros(f"{tax:f}"), "expected_total": euros(f"{sum(nets, Decimal(0)) + tax:f}")}
    return hardware(customer.vendor_id, lines=list(lines), **amounts, **changes)


def sale(rest: RestClient, reference: str, *fields: str) -> dict[str, Any]:
    (found,) = rest.search("sale.sale", [["reference", "=", reference]], list(fields))
    return dict(found)


@pytest.mark.parametrize(
    ("lines", "untaxed", "parts"),
    [
        # Half to even, 85.025 would be 85.02.
        ([("SENSOR-TEMP", "1", "89.50", "5")], "85.03", [(1, "85.03")]),
        ([("SENSOR-TEMP", "2000", "9.99", "33.33")], "13320.67", [(1300, "6.6603"), (700, "6.6604")]),
        ([("SENSOR-TEMP", "500", "89.50", "7.77")], "41272.93", None),
        ([("SENSOR-TEMP", "3", "1490.00", "100")], "0.00", [(3, "0")]),
        # A credit is a positive quantity at a negative price.
        ([("SENSOR-TEMP", "2", "89.50", "0"), ("INSTALL-DAY", "3", "-8.335", "0")], "153.99", None),
        ([("SENSOR-TEMP", "1", "89.50", "5"), ("SENSOR-TEMP", "1", "89.50", "5")], "170.06", None),
    ],
)
async def test_every_line_is_booked_at_its_accepted_amount(
    erp: Tryton,
    acme: Customer,
    rest: RestClient,
    lines: list[tuple[str, str, str, str]],
    untaxed: str,
    parts: list[tuple[int, str]] | None,
) -> None:
    order = order_id()
    draft = draft_of(acme, *(ordered(place, *line) for place, line in enumerate(lines)))

    booked = await erp.create_order(order, draft)

    assert booked.untaxed == euros(untaxed)
    assert booked.line_count == len(lines)
    assert {line.line_id: line.net_amount for line in booked.lines} == {line.line_id: line.net for line in draft.lines}
    assert (await erp.find_order(order)).lines == booked.lines
    if parts is not None:
        kept = sale(rest, order, "lines.quantity", "lines.unit_price")["lines"]
        assert [(each["quantity"], each["unit_price"]) for each in kept] == [
            (quantity, Decimal(price)) for quantity, price in parts
        ]
    await erp.cancel_order(order)


async def test_many_prices_quantities_and_discounts_yield_the_accepted_amounts(erp: Tryton, acme: Customer) -> None:
    """Each is one line, so that no two errors cancel out."""
    prices, quantities = ("0.01", "0.3333", "4.90", "89.50", "1490.00"), ("1", "7", "150", "2000", "33333")
    discounts = ("0", "0.01", "5", "7.77", "33.33", "99.99")
    cases = [(price, number, off) for price in prices for number in quantities for off in discounts]
    lines = [ordered(place, "INSTALL-DAY", number, price, off) for place, (price, number, off) in enumerate(cases)]
    order = order_id()

    booked = await erp.create_order(order, draft_of(acme, *lines))

    assert {line.line_id: line.net_amount for line in booked.lines} == {line.line_id: line.net for line in lines}
    await erp.cancel_order(order)


async def test_line_with_another_amount_is_named(erp: Tryton, acme: Customer) -> None:
    order = order_id()
    first, second = ordered(1, "SENSOR-TEMP", "1", "89.50"), ordered(2, "INSTALL-DAY", "1", "980.00")
    await erp.create_order(order, draft_of(acme, first, second))
    # The same sum, otherwise divided.
    others = [
        msgspec.structs.replace(first, net_amount=second.net),
        msgspec.structs.replace(second, net_amount=first.net),
    ]

    with pytest.raises(Rejected, match=r"SENSOR-TEMP comes to 89.50, not to 980.00") as raised:
        await erp.create_order(order, draft_of(acme, *others))

    assert raised.value.reason_code == "read_back_mismatch"
    await erp.cancel_order(order)


async def test_digits_that_the_erp_does_not_keep_are_no_setting_for_it(books: Books, acme: Customer) -> None:
    connection = msgspec.structs.replace(connection_of(books, "NW-DE", "EUR"), unit_price_digits=6)
    erp = Tryton(connection)
    try:
        assert await erp.ready() == (
            "Tryton keeps unit prices to 4 digits, but the connection's unit_price_digits is 6."
        )
        with pytest.raises(Rejected) as raised:
            await erp.create_order(order_id(), draft_of(acme, ordered(1, "SENSOR-TEMP", "2000", "9.99", "33.33")))
        assert raised.value.reason_code == "refused_by_erp"
    finally:
        await erp.close()


async def test_amount_that_no_price_yields_is_refused_with_both_sums(
    erp: Tryton, acme: Customer, rest: RestClient
) -> None:
    order = order_id()
    nothing = ordered(1, "SENSOR-TEMP", "0", "89.50", net_amount=euros("3.00"))

    with pytest.raises(Rejected, match=r"0 for 3.00 EUR cannot be booked in the ERP, which makes 0.00") as raised:
        await erp.create_order(order, draft_of(acme, nothing))

    assert raised.value.reason_code == "net_not_bookable"
    assert rest.search("sale.sale", [["reference", "=", order]], ["state"]) == []


async def test_rounding_line_takes_the_remainder(erp: Tryton, acme: Customer, rest: RestClient) -> None:
    order = order_id()
    nothing = ordered(1, "SENSOR-TEMP", "0", "89.50", net_amount=euros("3.00"))

    booked = await erp.create_order(order, draft_of(acme, nothing, rounding_sku="INSTALL-DAY"))

    assert (booked.untaxed, booked.line_count) == (euros("3.00"), 1)
    assert [each.net_amount for each in booked.lines] == [euros("3.00")]
    kept = sale(rest, order, "lines.product.code")["lines"]
    assert [each["product"]["code"] for each in kept] == ["SENSOR-TEMP", "INSTALL-DAY"]


async def test_terms_purchase_order_and_contact_reach_the_sale(erp: Tryton, acme: Customer, rest: RestClient) -> None:
    order = order_id()
    extras = {
        "payment_terms": "30 days net",
        "purchase_order_number": "4500012345",
        "bill_to": Contact(name="Ines Kasse", email="kasse@acme.example"),
    }

    await erp.create_order(order, draft_of(acme, ordered(1, "SENSOR-TEMP", "1", "89.50"), **extras))

    kept = sale(rest, order, "payment_term.name", "description", "comment", "shipping_date", "invoice_method")
    assert kept["payment_term"]["name"] == "30 days net"
    assert kept["description"] == "PO 4500012345"
    assert kept["comment"].splitlines() == ["Quote 00001001", "Invoice to: Ines Kasse, kasse@acme.example"]
    assert (kept["shipping_date"], kept["invoice_method"]) == (None, "order")


@pytest.mark.parametrize(("sku", "method"), [("SENSOR-TEMP", "fulfillment"), ("INSTALL-DAY", "manual")])
async def test_later_delivery_is_not_invoiced_before(
    erp: Tryton, acme: Customer, rest: RestClient, sku: str, method: str
) -> None:
    order = order_id()
    later = (datetime.now(UTC) + timedelta(days=90)).date()
    draft = draft_of(acme, ordered(1, sku, "1", "89.50"), requested_on=later.isoformat())

    await erp.create_order(order, draft)
    booked = await erp.confirm_order(order)
    await asyncio.to_thread(rest.act, "sale.sale", int(booked.vendor_id or 0), "process")

    kept = sale(rest, order, "shipping_date", "invoice_method", "invoices.id")
    assert (kept["shipping_date"], kept["invoice_method"], kept["invoices"]) == (later, method, [])


async def test_past_delivery_date_is_invoiced_as_usual(erp: Tryton, acme: Customer, rest: RestClient) -> None:
    order = order_id()
    past = (datetime.now(UTC) - timedelta(days=3)).date()

    await erp.create_order(
        order, draft_of(acme, ordered(1, "SENSOR-TEMP", "1", "89.50"), requested_on=past.isoformat())
    )
    await erp.confirm_order(order)

    assert sale(rest, order, "invoice_method")["invoice_method"] == "order"
    await erp.cancel_order(order)


def test_money_of_a_draft_without_net_amounts_is_its_product() -> None:
    line = ErpOrderLine(sku="S", description="S", quantity="3", net_unit_price=Money(amount="0.3350", currency="EUR"))

    assert line.net == euros("1.01")


@pytest.mark.parametrize(("kind", "method"), [("goods", "fulfillment"), ("service", "manual")])
def test_a_later_sale_goes_by_the_product_of_its_rounding_too(kind: str, method: str) -> None:
    goods = ProductRecord(id=1, code="S", salable=True, list_price_used=None, sale_uom=UnitRecord(1))
    rounding = msgspec.structs.replace(goods, id=2, code="R", type=kind)
    unused = msgspec.structs.replace(goods, id=3, code="U", type="service")
    products = {"S": goods, "R": rounding, "U": unused}
    company = CompanyRecord(id=1, currency=Currency(id=1, code="EUR"))
    later = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    draft = hardware("1", requested_on=later)
    lines: list[dict[str, Any]] = [{"product": 1}, {"product": 2}]

    assert dates_and_terms(draft, lines, products, company)["invoice_method"] == method
    assert dates_and_terms(draft, lines[:1], products, company)["invoice_method"] == "fulfillment"
