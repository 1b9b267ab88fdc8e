"""What a quote comes to, and what keeps its amounts from being booked: no server is asked."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_api.legal_entities import LegalEntity, PaymentTerm
from process_api.orders.carried_terms import carried_terms
from process_api.quotes.amounts import (
    accepted_net,
    amount_faults,
    check_amounts,
    erp_net,
    invoiced_at_once,
    taxed_lines,
)
from shared.canonical import BillingFrequency, Collection, Money, Quote, QuoteLine, Recurrence
from shared.problem import Rejected
from tests.process_api.system_stand_in import euros, line, mixed_quote

RULES = LegalEntity(tenant="nordwind", code="NW-DE", currency="EUR", shipping_sku="SHIPPING")


def quote(*lines: QuoteLine, **changes: Any) -> Quote:
    return msgspec.structs.replace(mixed_quote(), lines=list(lines), **changes)


def sensor(total: str | None = None, **changes: Any) -> QuoteLine:
    made = line("l1", "SENSOR-TEMP", "1", "89.50", Recurrence.none, "5")
    return msgspec.structs.replace(made, total=euros(total) if total else None, **changes)


def monthly(quantity: str = "1000", price: str = "4.90", discount: str = "7.77") -> QuoteLine:
    return line("l2", "MON-STD", quantity, price, Recurrence.month, discount)


def yearly(price: str = "1200.00") -> QuoteLine:
    return line("l3", "SUPPORT-PREM", "1", price, Recurrence.year)


def codes(found: Quote, rules: LegalEntity | None = RULES) -> list[str]:
    return [fault.code for fault in amount_faults(found, rules)]


def test_a_quote_comes_to_what_was_signed() -> None:
    signed = quote(line("l1", "SENSOR-TEMP", "500", "89.50", Recurrence.none, "7.77"), monthly())

    assert accepted_net(signed) == euros("45792.20")
    assert codes(msgspec.structs.replace(signed, grand_total=euros("45792.20"))) == []
    assert codes(msgspec.structs.replace(signed, grand_total=euros("45792.25"))) == ["grand_total_mismatch"]


def test_shipping_is_taxed_and_invoiced_by_the_erp() -> None:
    shipped = quote(sensor("85.03"), monthly(), shipping=euros("25.00"))

    assert erp_net(shipped) == euros("110.03")
    assert accepted_net(shipped) == euros("4629.30")
    assert [(each.line_id, each.net.amount) for each in taxed_lines(shipped)] == [
        ("l1", "85.03"),
        ("l2", "4519.27"),
        ("shipping", "25.00"),
    ]


@pytest.mark.parametrize(
    ("tax", "shipping", "grand_total", "fits"),
    [
        (None, None, "85.03", True),
        ("0.00", None, "85.03", True),
        ("16.16", None, "101.19", True),
        ("16.16", "25.00", "126.19", True),
        ("16.16", None, "85.03", False),
        (None, "25.00", "85.03", False),
        (None, None, "85.02", False),
    ],
)
def test_the_grand_total_is_that_of_lines_shipping_and_tax(
    tax: str | None, shipping: str | None, grand_total: str, fits: bool
) -> None:
    found = quote(
        sensor("85.03"),
        tax=euros(tax) if tax else None,
        shipping=euros(shipping) if shipping else None,
        grand_total=euros(grand_total),
    )

    assert (codes(found) == []) is fits


def test_another_grand_total_is_refused_with_both_sums() -> None:
    found = quote(sensor("85.03"), shipping=euros("25.00"), tax=euros("20.91"), grand_total=euros("160.00"))

    with pytest.raises(Rejected) as raised:
        check_amounts(found, RULES)

    assert raised.value.reason_code == "grand_total_mismatch"
    assert "at 160.00 EUR in all" in raised.value.detail
    assert "25.00 for shipping and 20.91 of tax come to 130.94 EUR" in raised.value.detail


def test_a_quote_in_another_currency_is_refused_as_that() -> None:
    pounds = [msgspec.structs.replace(sensor(), unit_price=Money(amount="89.50", currency="GBP"))]
    found = quote(*pounds, currency="GBP")

    with pytest.raises(Rejected, match=r"Quote 00001001 is in GBP; NW-DE sells in EUR\.") as raised:
        check_amounts(found, RULES)

    assert raised.value.reason_code == "wrong_currency"
    assert codes(found, None) == []


def test_billing_may_charge_in_another_currency_where_the_erp_has_nothing() -> None:
    dollars = msgspec.structs.replace(monthly(), unit_price=Money(amount="5.50", currency="USD"))

    assert codes(quote(dollars, currency="USD")) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"lines": [sensor("85.025")]}, "total"),
        ({"lines": [sensor(total=None, unit_price=Money(amount="89.50", currency="USD"))]}, "total"),
        ({"shipping": euros("25.001")}, "shipping"),
        ({"shipping": Money(amount="25.00", currency="USD")}, "shipping"),
    ],
)
def test_what_cannot_be_paid_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    faults = amount_faults(msgspec.structs.replace(quote(sensor("85.03")), **changes))

    assert [(fault.code, fault.field) for fault in faults] == [("amount_not_payable", field)]


def test_shipping_below_nothing_is_refused_as_no_discount_policy_sees_it() -> None:
    (fault,) = amount_faults(quote(sensor("85.03"), shipping=euros("-25.00")), RULES)

    assert (fault.code, fault.field) == ("shipping_negative", "shipping")


def test_amounts_beyond_all_bounds_are_named() -> None:
    assert codes(quote(line("l1", "SENSOR-TEMP", "999999999999", "999999999999", Recurrence.none))) == [
        "amounts_too_large"
    ]


@pytest.mark.parametrize(
    ("made", "frequency", "amount"),
    [
        (monthly(), None, "4519.27"),
        (monthly(), BillingFrequency.month, "4519.27"),
        (monthly(), BillingFrequency.quarter, "13557.81"),
        (monthly(), BillingFrequency.year, "54231.24"),
        (yearly(), BillingFrequency.month, "100.00"),
        (yearly(), BillingFrequency.quarter, "300.00"),
        (yearly("1000.00"), BillingFrequency.month, None),
        (yearly("1000.02"), BillingFrequency.quarter, None),
    ],
)
def test_an_invoice_is_a_whole_part_of_what_was_accepted(
    made: QuoteLine, frequency: BillingFrequency | None, amount: str | None
) -> None:
    found = invoiced_at_once(made, frequency)

    assert (found.amount if found else None) == amount
    faults = amount_faults(quote(made, billing_frequency=frequency), RULES)
    assert [fault.code for fault in faults] == ([] if amount else ["billing_frequency_not_divisible"])
    assert all(fault.line_id == made.line_id for fault in faults)


@given(
    st.decimals(min_value=0, max_value=100_000, places=2),
    st.integers(min_value=1, max_value=10_000),
    st.decimals(min_value=0, max_value=100, places=2),
    st.sampled_from([Recurrence.month, Recurrence.year]),
    st.sampled_from(list(BillingFrequency)),
)
def test_invoices_of_a_year_come_to_what_was_accepted_for_one(
    price: Decimal, quantity: int, discount: Decimal, recurrence: Recurrence, frequency: BillingFrequency
) -> None:
    made = line("l1", "S", str(quantity), f"{price:.2f}", recurrence, f"{discount:f}")

    amount = invoiced_at_once(made, frequency)

    invoices = {BillingFrequency.month: 12, BillingFrequency.quarter: 4, BillingFrequency.year: 1}[frequency]
    if amount is not None:
        assert amount.value * invoices == made.net_amount.value * (12 if recurrence is Recurrence.month else 1)


def test_terms_are_carried_in_the_words_of_erp_and_billing() -> None:
    rules = msgspec.structs.replace(
        RULES, payment_terms={"Net 14": PaymentTerm(erp="14 days net", days=14)}, timezone="Europe/Berlin"
    )

    terms = carried_terms(quote(sensor(), payment_terms="Net 14", shipping=euros("25.00")), rules)

    assert (terms.erp_payment_terms, terms.days_until_due, terms.shipping_sku) == ("14 days net", 14, "SHIPPING")
    assert (terms.collection, terms.timezone) == (Collection.send_invoice, "Europe/Berlin")
    unsaid = carried_terms(quote(sensor()), rules)
    assert (unsaid.erp_payment_terms, unsaid.days_until_due) == (None, 30)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"payment_terms": "Net 45"}, "unknown_payment_terms"), ({"shipping": euros("25.00")}, "shipping_not_configured")],
)
def test_what_cannot_be_carried_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected) as raised:
        carried_terms(quote(sensor(), **changes), msgspec.structs.replace(RULES, shipping_sku=None))

    assert raised.value.reason_code == reason
