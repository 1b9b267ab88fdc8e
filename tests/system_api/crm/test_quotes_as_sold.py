"""The rest of a quote besides products and prices: totals, dates, terms, contacts, shipping."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from shared.canonical import BillingFrequency, Contact, Money, QuoteKind
from shared.problem import Rejected
from tests.system_api.crm.orgs import ACME, BLUEFIN, Org, org_of

GRETA = Contact(name="Greta Winter", email="accounts@acme.example", contact_id="003QW0000000001YAA")


@pytest_asyncio.fixture
async def org(tmp_path: Path) -> AsyncIterator[Org]:
    async with org_of(tmp_path) as running:
        yield running


def euros(amount: str) -> Money:
    return Money(amount=amount, currency="EUR")


async def test_line_totals_and_the_grand_total_are_what_the_org_shows(org: Org) -> None:
    quote_id = await org.quote(
        {"sku": "SENSOR-TEMP", "Quantity": 1, "UnitPrice": 89.50, "Discount": 5},
        {"sku": "SENSOR-TEMP", "Quantity": 500, "UnitPrice": 89.50, "Discount": 7.77},
        ShippingHandling=25.00,
        Tax=8.08,
    )

    quote = await org.crm.find_quote(quote_id)

    assert quote is not None
    # 89.50 less 5 % is 85.025: Salesforce rounds half up.
    assert [line.total for line in quote.lines] == [euros("85.03"), euros("41272.93")]
    assert (quote.shipping, quote.tax, quote.grand_total) == (euros("25.00"), euros("8.08"), euros("41391.04"))


async def test_dates_terms_and_numbers_are_read(org: Org) -> None:
    quote_id = await org.quote(
        {"sku": "MON-STD", "Quantity": 3, "UnitPrice": 4.90, "ServiceDate": "2027-02-01"},
        {"sku": "MON-STD", "Quantity": 1, "UnitPrice": 4.90},
        Quote_Kind__c="Renewal",
        Start_Date__c="2027-01-15",
        Term_Months__c=24,
        Billing_Frequency__c="Quarterly",
        Payment_Terms__c="Net 30",
        PO_Number__c="4500012345",
        ExpirationDate="2027-01-10",
        Accepted_At__c="2026-12-24T18:30:00.000+0100",
        Invoice_Owner__c=BLUEFIN,
    )

    quote = await org.crm.find_quote(quote_id)

    assert quote is not None
    assert (quote.kind, quote.start_date, quote.term_months) == (QuoteKind.renewal, "2027-01-15", 24)
    assert (quote.billing_frequency, quote.payment_terms) == (BillingFrequency.quarter, "Net 30")
    assert (quote.purchase_order_number, quote.expires_on) == ("4500012345", "2027-01-10")
    assert quote.accepted_at == "2026-12-24T17:30:00Z"
    assert quote.invoice_owner_id == BLUEFIN
    assert [line.start_date for line in quote.lines] == ["2027-02-01", None]
    assert all(line.changed_at is not None and line.changed_at.endswith("Z") for line in quote.lines)


async def test_missing_values_of_a_quote_are_none(org: Org) -> None:
    quote = await org.crm.find_quote(await org.quote({"sku": "SENSOR-TEMP", "Quantity": 1, "UnitPrice": 1}))

    assert quote is not None
    assert (quote.kind, quote.start_date, quote.term_months) == (QuoteKind.new, None, None)
    assert (quote.billing_frequency, quote.payment_terms, quote.purchase_order_number) == (None, None, None)
    assert (quote.shipping, quote.tax, quote.accepted_at, quote.expires_on) == (None, None, None, None)
    assert quote.invoice_owner_id is None
    (line,) = quote.lines
    assert (line.start_date, line.usage, line.bundle_parent_id) == (None, False, None)


async def test_bundles_and_usage_are_read(org: Org) -> None:
    quote_id = await org.quote({"sku": "GATEWAY-EDGE", "Quantity": 1, "UnitPrice": 10})
    product = await org.product("MON-STD")
    await org.change("Product2", product, Usage__c=True)
    (parent,) = await org.records(f"SELECT Id FROM QuoteLineItem WHERE QuoteId = '{quote_id}'")
    await org.create(
        "QuoteLineItem",
        QuoteId=quote_id,
        Product2Id=product,
        Quantity=1,
        UnitPrice=1,
        SortOrder=2,
        Bundle_Parent__c=parent["Id"],
    )

    quote = await org.crm.find_quote(quote_id)

    assert quote is not None
    assert [(line.usage, line.bundle_parent_id) for line in quote.lines] == [(False, None), (True, parent["Id"])]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, GRETA),  # the account's
        ({"Email": "quotes@acme.example"}, Contact(email="quotes@acme.example")),
        (
            {"ContactId": "003QW0000000003", "Email": "quotes@acme.example"},
            Contact(name="Jan Hansen", email="quotes@acme.example", contact_id="003QW0000000003YAA"),
        ),
        (
            {"ContactId": "003QW0000000003"},
            Contact(name="Jan Hansen", email="buchhaltung@tidewater.example", contact_id="003QW0000000003YAA"),
        ),
        ({"Bill_To_Contact__c": "003QW0000000001", "ContactId": "003QW0000000003", "Email": "q@acme.example"}, GRETA),
    ],
)
async def test_the_invoice_goes_to_the_nearest_contact(org: Org, fields: dict[str, Any], expected: Contact) -> None:
    quote_id = await org.quote({"sku": "SENSOR-TEMP", "Quantity": 1, "UnitPrice": 1}, **fields)

    quote = await org.crm.find_quote(quote_id)

    assert quote is not None
    assert quote.bill_to == expected


async def test_bill_to_is_none_without_any_contact(org: Org) -> None:
    await org.change("Account", ACME, Bill_To_Contact__c=None)

    quote = await org.crm.find_quote(await org.quote({"sku": "SENSOR-TEMP", "Quantity": 1, "UnitPrice": 1}))

    assert quote is not None
    assert quote.bill_to is None


async def test_a_yen_has_no_cents(org: Org) -> None:
    line = {"sku": "SENSOR-TEMP", "Quantity": 3, "UnitPrice": 1001, "Discount": 5}

    quote = await org.crm.find_quote(await org.quote(line, CurrencyIsoCode="JPY"))

    assert quote is not None
    assert quote.lines[0].total == Money(amount="2853", currency="JPY")  # 2852.85


async def test_a_term_that_is_no_number_of_months_is_refused_by_name(org: Org) -> None:
    quote_id = await org.quote({"sku": "SENSOR-TEMP", "Quantity": 1, "UnitPrice": 1}, Term_Months__c=0)

    with pytest.raises(Rejected, match=r'Term months "0": Expected a whole number from 1 to 1200, got 0\. Mend it'):
        await org.crm.find_quote(quote_id)


async def test_pasted_line_breaks_and_tabs_become_spaces(org: Org) -> None:
    fields = {"PO_Number__c": "PO 4500\t012\r\n345\n"}
    quote_id = await org.quote({"sku": "SENSOR-TEMP", "Quantity": 1, "UnitPrice": 1, "Description": "a\nb"}, **fields)

    quote = await org.crm.find_quote(quote_id)

    assert quote is not None
    assert quote.purchase_order_number == "PO 4500 012 345"
    assert quote.lines[0].description == "a\nb"
