"""Orders and invoices in a real Tryton, and in its stand-in."""

from typing import Any

import pytest

from sandbox.vendors.tryton.rest import RestClient
from shared.canonical import (
    Address,
    Customer,
    ErpOrderState,
    InvoiceSource,
    InvoiceStatus,
)
from shared.problem import OutcomeUnknown, Rejected, Unavailable
from system_api.erp.tryton.adapter import Tryton
from tests.system_api.erp.conftest import sales
from tests.system_api.erp.drafts import TIDEWATER, euros, hardware, line, new_customer, order_id
from tests.system_api.transports import Lossy

# -- orders -----------------------------------------------------------------------------------------------------------


async def test_unquoted_sale_is_quoted_by_the_next_call(
    erp: Tryton, acme: Customer, rest: RestClient, network: Lossy
) -> None:
    order = order_id()
    with network.losing("POST", "/sale.sale"), pytest.raises(OutcomeUnknown):
        await erp.create_order(order, hardware(acme.vendor_id))
    assert (await erp.find_order(order)).state is ErpOrderState.draft

    assert (await erp.create_order(order, hardware(acme.vendor_id))).state is ErpOrderState.quoted
    assert len(sales(rest, order)) == 1


async def test_interrupted_cancellation_is_finished_by_the_next_call(
    erp: Tryton, acme: Customer, network: Lossy
) -> None:
    order = order_id()
    await erp.create_order(order, hardware(acme.vendor_id))
    await erp.confirm_order(order)
    with network.losing("POST", "/draft"), pytest.raises(OutcomeUnknown):
        await erp.cancel_order(order)

    assert (await erp.cancel_order(order)).state is ErpOrderState.cancelled


async def test_a_read_that_is_not_answered_in_time_is_not_repeated_at_once(erp: Tryton, network: Lossy) -> None:
    with network.losing("GET", "/sale.sale"), pytest.raises(Unavailable):
        await erp.find_order(order_id())

    assert len(network.sent) == 1


@pytest.mark.parametrize(
    ("changes", "said_so"),
    [
        ({"expected_tax": euros("870.00"), "expected_total": euros("5491.00")}, "its tax is 877.99, not 870.00"),
        ({"expected_total": euros("5499.00")}, "its net amount is 4621.00, not 4621.01"),
    ],
)
async def test_order_with_another_sum_is_refused_with_both_sums(
    erp: Tryton, acme: Customer, changes: dict[str, Any], said_so: str
) -> None:
    order = order_id()

    with pytest.raises(Rejected, match=said_so):
        await erp.create_order(order, hardware(acme.vendor_id, **changes))

    await erp.cancel_order(order)


async def test_tax_may_be_rounded_otherwise_and_then_the_erps_counts(erp: Tryton, acme: Customer) -> None:
    # Three lines of 0.50 net: 0.095 each is 0.30 rounded per line, but 0.285 of their sum, half to even, is 0.28.
    lines = [line("SENSOR-TEMP", "1", "0.50") for _ in range(3)]
    draft = hardware(acme.vendor_id, lines=lines, expected_tax=euros("0.30"), expected_total=euros("1.80"))

    booked = await erp.create_order(order_id(), draft)

    assert (booked.tax, booked.total) == (euros("0.28"), euros("1.78"))


async def test_an_order_over_the_limit_is_refused_in_the_erps_own_words(erp: Tryton, rest: RestClient) -> None:
    customer = await erp.find_customer(TIDEWATER)
    assert customer is not None
    draft = hardware(
        customer.vendor_id,
        lines=[line("GATEWAY-EDGE", "4", "1490.00")],
        expected_tax=euros("1132.40"),
        expected_total=euros("7092.40"),
    )
    order = order_id()
    await erp.create_order(order, draft)

    with pytest.raises(Rejected, match="credit limit") as raised:
        await erp.confirm_order(order)

    assert raised.value.reason_code == "credit_limit"
    assert [each["state"] for each in sales(rest, order)] == ["quotation"]
    await erp.cancel_order(order)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"customer_vendor_id": "not-a-number"}, "unknown_customer"),
        ({"lines": [line("SENSOR-TEMP", "0.5", "1.00")]}, "refused_by_erp"),
    ],
)
async def test_unbookable_order_is_refused_and_leaves_nothing(
    erp: Tryton, acme: Customer, rest: RestClient, changes: dict[str, Any], reason: str
) -> None:
    order = order_id()

    with pytest.raises(Rejected) as raised:
        await erp.create_order(order, hardware(acme.vendor_id, **changes))

    assert raised.value.reason_code == reason
    assert sales(rest, order) == []


async def test_a_processed_order_can_no_longer_be_withdrawn_and_its_invoice_is_listed(
    erp: Tryton, rest: RestClient
) -> None:
    customer = await erp.ensure_customer(
        new_customer(address=Address(street="s", postal_code="1", city="Köln", country="DE"), vat_id=None)
    )
    orders = [order_id(), order_id()]
    for order in orders:
        await erp.create_order(order, hardware(customer.vendor_id))
        booked = await erp.confirm_order(order)
        rest.act("sale.sale", int(booked.vendor_id or 0), "process")

    assert (await erp.confirm_order(orders[0])).state is ErpOrderState.confirmed
    with pytest.raises(Rejected, match="a person has to cancel") as raised:
        await erp.cancel_order(orders[0])
    assert raised.value.reason_code == "too_late_to_cancel"

    (processed,) = rest.search("sale.sale", [["reference", "=", orders[1]]], ["invoices.id"])
    rest.act("account.invoice", processed["invoices"][0]["id"], "post")
    first = await erp.list_invoices(customer.account_id, open_only=False, limit=1, cursor=None)
    second = await erp.list_invoices(customer.account_id, open_only=False, limit=1, cursor=first.next_cursor)
    unpaid = await erp.list_invoices(customer.account_id, open_only=True, limit=10, cursor=None)

    assert [each.order_id for each in (*first.invoices, *second.invoices)] == orders[::-1]
    assert [each.status for each in (*first.invoices, *second.invoices)] == [InvoiceStatus.open, InvoiceStatus.draft]
    assert (first.next_cursor, second.next_cursor) == (first.invoices[0].vendor_id, None)
    (posted,) = unpaid.invoices
    assert posted.source is InvoiceSource.erp
    assert (posted.total, posted.amount_due) == (euros("5498.99"), euros("5498.99"))
    assert posted.number is not None
    assert posted.issued_on is not None
    assert posted.due_on is not None
    assert posted.due_on > posted.issued_on
    assert second.invoices[0].number is None
