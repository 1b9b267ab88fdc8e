"""Quotes of Salesforce CPQ, with objects and fields of its own: read through the name map, or refused by line."""

from pathlib import Path
from typing import Any

import pytest

from shared.canonical import Money, QuoteStatus, Recurrence
from shared.problem import Rejected
from system_api.vendor.salesforce_map import (
    LineFields,
    OrderFields,
    ProductFields,
    QuoteFields,
    SalesforceFields,
    SalesforceObjects,
)
from tests.system_api.crm.orgs import ACME, Org, org_of, refused, report

ACME_QUOTE_TOTAL = Money(amount="5699.00", currency="EUR")
QUOTE = "a0QQW0000000001"
CPQ_OBJECTS = SalesforceObjects(quote="SBQQ__Quote__c", line="SBQQ__QuoteLine__c")
CPQ_FIELDS = SalesforceFields(
    quote=QuoteFields(
        number="Name",
        status="SBQQ__Status__c",
        account="SBQQ__Account__c",
        revision="",
        legal_entity="",
        account_legal_entity="SBQQ__Account__r.Legal_Entity__c",
        kind="SBQQ__Type__c",
        start_date="SBQQ__StartDate__c",
        term_months="SBQQ__SubscriptionTerm__c",
        billing_frequency="SBQQ__BillingFrequency__c",
        payment_terms="SBQQ__PaymentTerms__c",
        purchase_order_number="",
        bill_to="",
        sold_to="",
        contact="SBQQ__PrimaryContact__c",
        email="",
        account_bill_to="SBQQ__Account__r.Bill_To_Contact__c",
        invoice_owner="",
        shipping="",
        tax="",
        grand_total="SBQQ__NetAmount__c",
        accepted_at="",
        expires_on="SBQQ__ExpirationDate__c",
    ),
    line=LineFields(
        quote="SBQQ__Quote__c",
        product="SBQQ__Product__c",
        quantity="SBQQ__Quantity__c",
        unit_price="SBQQ__ListPrice__c",
        description="SBQQ__Description__c",
        discount_percent="SBQQ__Discount__c",
        total="SBQQ__NetTotal__c",
        start_date="SBQQ__StartDate__c",
        bundle_parent="SBQQ__RequiredBy__c",
        position="SBQQ__Number__c",
        recurrence="SBQQ__BillingFrequency__c",
        usage="SBQQ__ChargeType__c",
        billing_type="SBQQ__BillingType__c",
        price_multiplier="SBQQ__ProrateMultiplier__c",
    ),
    product=ProductFields(recurrence="", usage=""),
    order=OrderFields(quote="CPQ_Quote__c"),
)


async def change_monthly_line(org: Org, **fields: Any) -> None:
    """Change the quote's line that is charged every month."""
    (line,) = await org.records(
        f"SELECT Id FROM SBQQ__QuoteLine__c WHERE SBQQ__Quote__c = '{QUOTE}' AND SBQQ__Number__c = 4"
    )
    await org.change("SBQQ__QuoteLine__c", line["Id"], **fields)


async def test_a_cpq_quote_is_read_through_the_map(tmp_path: Path) -> None:
    async with org_of(tmp_path, "cpq", objects=CPQ_OBJECTS, fields=CPQ_FIELDS) as org:
        quote = await org.crm.find_quote(QUOTE)
        told = await org.crm.report_order_status("ord-1", report(quote_id=QUOTE))
        (order,) = await org.records("SELECT Quote__c, CPQ_Quote__c FROM Quoteway_Order__c")

    assert quote is not None
    assert (quote.number, quote.status, quote.account_id, quote.legal_entity) == (
        "Q-00001",
        QuoteStatus.accepted,
        ACME,
        "NW-DE",
    )
    assert (quote.grand_total, quote.payment_terms, quote.term_months) == (ACME_QUOTE_TOTAL, "Net 30", 12)
    assert [(line.sku, line.quantity, line.total, line.recurrence) for line in quote.lines] == [
        ("GATEWAY-EDGE", "2", Money(amount="2831.00", currency="EUR"), Recurrence.none),
        ("SENSOR-TEMP", "20", Money(amount="1790.00", currency="EUR"), Recurrence.none),
        ("INSTALL-DAY", "1", Money(amount="980.00", currency="EUR"), Recurrence.none),
        ("MON-STD", "20", Money(amount="98.00", currency="EUR"), Recurrence.month),
    ]
    assert quote.bill_to is not None
    assert quote.bill_to.email == "accounts@acme.example"
    assert told.applied
    assert order["Quote__c"] is None
    assert order["CPQ_Quote__c"].startswith(QUOTE)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"SBQQ__ProrateMultiplier__c": 12}, "its total covers 12 times its price"),
        ({"SBQQ__BillingFrequency__c": None}, "does not say how often it is charged"),
    ],
)
async def test_a_cpq_line_that_cannot_be_carried_over_is_refused(
    tmp_path: Path, fields: dict[str, Any], said: str
) -> None:
    async with org_of(tmp_path, "cpq", objects=CPQ_OBJECTS, fields=CPQ_FIELDS) as org:
        await change_monthly_line(org, **fields)
        error = await refused(org.crm, "find_quote", QUOTE)

    assert isinstance(error, Rejected)
    assert said in error.detail
    assert "MON-STD" in error.detail


@pytest.mark.parametrize(("billed", "in_arrears"), [("Arrears", True), ("Advance", False), (None, False)])
async def test_a_cpq_line_says_whether_it_is_charged_in_arrears(
    tmp_path: Path, billed: str | None, in_arrears: bool
) -> None:
    async with org_of(tmp_path, "cpq", objects=CPQ_OBJECTS, fields=CPQ_FIELDS) as org:
        await change_monthly_line(org, SBQQ__BillingType__c=billed)
        quote = await org.crm.find_quote(QUOTE)

    assert quote is not None
    assert [line.in_arrears for line in quote.lines] == [False, False, False, in_arrears]
