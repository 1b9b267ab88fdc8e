"""Quotes of Salesforce CPQ, with objects and fields of its own: read through the name map, or refused by line."""

from pathlib import Path
from typing import Any

import pytest

from shared.canonical import Money, QuoteStatus, Recurrence
from shared.problem import Rejected
from tests.system_api.crm.cpq_names import CPQ_FIELDS, CPQ_OBJECTS
from tests.system_api.crm.orgs import ACME, Org, org_of, refused, report

ACME_QUOTE_TOTAL = Money(amount="5699.00", currency="EUR")
QUOTE = "a0QQW0000000001"


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
