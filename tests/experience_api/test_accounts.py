"""Account 360, credit and invoices."""

import pytest

from tests.experience_api.conftest import Experience
from tests.experience_api.recorded_answers import (
    ACCOUNT_ID,
    CREDIT,
    INVOICE_PAGE,
    LAST_PAGE,
    ORDER_ID,
    OVERVIEW,
    OVERVIEW_WITHOUT_ERP,
    QUOTE_ID,
    UNLIMITED_CREDIT,
    problem,
)

V1_ENDS = (
    "This operation is deprecated since 2026-11-24 and ends on 2027-12-01."
    " Move to GET /v2/accounts/{accountId}/overview."
)
CREDIT_VIEW = {
    "decision": "approved",
    "reason": "43115.62 EUR are left of 50000.00 EUR.",
    "limited": True,
    "limitAmount": "50000.00",
    "exposureAmount": "6884.38",
    "availableAmount": "43115.62",
    "currencyIsoCode": "EUR",
}
ERP_INVOICE_VIEW = {
    "invoiceId": "31",
    "source": "erp",
    "status": "open",
    "invoiceNumber": "2026-0031",
    "totalAmount": "6884.38",
    "amountDue": "884.38",
    "currencyIsoCode": "EUR",
    "issuedOn": "2026-03-02",
    "dueOn": "2026-04-01",
    "orderId": ORDER_ID,
}
DRAFT_VIEW = {
    "invoiceId": "in_0007",
    "source": "billing",
    "status": "draft",
    "invoiceNumber": "",
    "totalAmount": "116.62",
    "amountDue": "116.62",
    "currencyIsoCode": "USD",
    "issuedOn": "",
    "dueOn": "",
    "orderId": "",
}


async def test_an_overview_shows_every_system_side_by_side(experience: Experience) -> None:
    experience.process.will_answer(OVERVIEW)

    answer = await experience.get(f"/v1/accounts/{ACCOUNT_ID}/overview")

    assert answer.status_code == 200
    assert answer.json() == {
        "accountId": ACCOUNT_ID,
        "accountName": "Acme Industriewerke GmbH",
        "legalEntity": "NW-DE",
        "credit": {"availability": "available", "unavailableReason": "", "credit": CREDIT_VIEW},
        "openOrders": {
            "availability": "available",
            "unavailableReason": "",
            "orders": [
                {
                    "orderId": ORDER_ID,
                    "quoteId": QUOTE_ID,
                    "status": "parked",
                    "statusText": "Stopped. The integration team has to look into it.",
                    "totalAmount": "7001.00",
                    "currencyIsoCode": "EUR",
                    "createdAt": "2026-03-02T09:15:00.120Z",
                },
                {
                    "orderId": "ord_2",
                    "quoteId": "0Q0QW0000000004AAA",
                    "status": "received",
                    "statusText": "Received. The order waits for its turn.",
                    "totalAmount": "",
                    "currencyIsoCode": "",
                    "createdAt": "2026-03-02T09:16:00.000Z",
                },
            ],
        },
        "unpaidInvoices": {
            "availability": "available",
            "unavailableReason": "",
            "complete": True,
            "totals": [
                {"currencyIsoCode": "EUR", "amountDue": "884.38"},
                {"currencyIsoCode": "USD", "amountDue": "116.62"},
            ],
            "invoices": [ERP_INVOICE_VIEW, DRAFT_VIEW],
        },
        "subscriptions": {
            "availability": "available",
            "unavailableReason": "",
            "subscriptions": [
                {
                    "subscriptionId": "sub_0001",
                    "status": "active",
                    "billingPeriod": "month",
                    "periodAmount": "98.00",
                    "currencyIsoCode": "EUR",
                    "currentPeriodEndsAt": "2026-04-02T09:15:05Z",
                    "orderId": ORDER_ID,
                    "items": [{"sku": "MON-STD", "quantity": "20", "netUnitPrice": "4.90", "currencyIsoCode": "EUR"}],
                }
            ],
        },
        "warnings": [V1_ENDS],
    }


async def test_a_part_that_cannot_be_read_says_so_and_the_rest_still_answers(experience: Experience) -> None:
    experience.process.will_answer(OVERVIEW_WITHOUT_ERP)

    answer = await experience.get(f"/v1/accounts/{ACCOUNT_ID}/overview")

    assert answer.status_code == 200
    view = answer.json()
    assert view["credit"] == {
        "availability": "unavailable",
        "unavailableReason": "the ERP does not answer (ConnectError)",
        "credit": {
            "decision": "unknown",
            "reason": "The ERP could not be asked.",
            "limited": False,
            "limitAmount": "",
            "exposureAmount": "",
            "availableAmount": "",
            "currencyIsoCode": "",
        },
    }
    assert view["unpaidInvoices"]["availability"] == "unavailable"
    assert view["unpaidInvoices"]["complete"] is False
    assert view["unpaidInvoices"]["invoices"] == [DRAFT_VIEW]
    assert view["subscriptions"]["availability"] == "available"


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_without_salesforce_the_name_is_left_out_and_a_warning_says_so(
    experience: Experience, version: str
) -> None:
    experience.process.will_answer(
        {**OVERVIEW, "name": "", "account": {"status": "unavailable", "reason": "It rests."}}
    )

    answer = await experience.get(f"/{version}/accounts/{ACCOUNT_ID}/overview")

    assert answer.status_code == 200
    view = answer.json()
    assert (view["accountName"], view["legalEntity"]) == ("", "NW-DE")
    assert view["warnings"][-1] == "Salesforce could not be asked for the account: its name is left out. It rests."
    assert view["subscriptions"]["availability"] == "available"
    assert view.get("complete", False) is False
    assert answer.headers["cache-control"] == "no-store"


async def test_a_customer_the_erp_does_not_know_yet_has_no_credit_but_nothing_is_unavailable(
    experience: Experience,
) -> None:
    unknown = {"status": "available", "reason": None, "credit": None}
    experience.process.will_answer({**OVERVIEW, "credit": unknown})

    credit = (await experience.get(f"/v1/accounts/{ACCOUNT_ID}/overview")).json()["credit"]

    assert credit["availability"] == "available"
    assert credit["credit"]["decision"] == "unknown"
    assert "first order creates it" in credit["credit"]["reason"]


async def test_credit_status(experience: Experience) -> None:
    experience.process.will_answer(CREDIT)

    answer = await experience.get(f"/v1/accounts/{ACCOUNT_ID}/credit-status")

    assert answer.json() == {"accountId": ACCOUNT_ID, "credit": CREDIT_VIEW, "warnings": []}


async def test_credit_without_a_limit(experience: Experience) -> None:
    experience.process.will_answer(UNLIMITED_CREDIT)

    credit = (await experience.get(f"/v1/accounts/{ACCOUNT_ID}/credit-status")).json()["credit"]

    assert (credit["limited"], credit["limitAmount"], credit["availableAmount"]) == (False, "", "")
    assert (credit["exposureAmount"], credit["currencyIsoCode"]) == ("6884.38", "EUR")


async def test_a_page_of_invoices(experience: Experience) -> None:
    experience.process.will_answer(INVOICE_PAGE)

    answer = await experience.get(f"/v1/accounts/{ACCOUNT_ID}/invoices")

    assert answer.json() == {
        "accountId": ACCOUNT_ID,
        "invoices": [ERP_INVOICE_VIEW, DRAFT_VIEW],
        "nextCursor": "billing:",
        "warnings": [],
    }
    assert dict(experience.process.requests[0].url.params) == {"openOnly": "false", "limit": "20"}


async def test_the_next_page_of_invoices(experience: Experience) -> None:
    experience.process.will_answer(LAST_PAGE)

    path = f"/v1/accounts/{ACCOUNT_ID}/invoices?openOnly=true&pageSize=5&cursor=billing:in_0007"
    answer = await experience.get(path)

    assert answer.json()["invoices"] == []
    assert answer.json()["nextCursor"] == ""
    sent = dict(experience.process.requests[0].url.params)
    assert sent == {"openOnly": "true", "limit": "5", "cursor": "billing:in_0007"}


async def test_a_cursor_that_the_process_api_refuses_is_a_fault_of_the_caller(experience: Experience) -> None:
    fault = {"pointer": "query/cursor", "detail": "Send `nextCursor` of the page before, unchanged."}
    experience.process.will_answer(
        problem("invalid-request", 400, "The cursor is not one of ours.", errors=[fault]), 400
    )

    answer = await experience.get(f"/v1/accounts/{ACCOUNT_ID}/invoices?cursor=mine")

    assert answer.status_code == 400
    assert answer.json()["errors"] == [fault]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("pageSize=0", "query/pageSize"),
        ("pageSize=101", "query/pageSize"),
        ("pageSize=many", "query/pageSize"),
        ("openOnly=perhaps", "query/openOnly"),
        (f"cursor={'x' * 201}", "query/cursor"),
    ],
)
async def test_a_wrong_parameter_is_named_as_the_caller_knows_it(
    experience: Experience, query: str, pointer: str
) -> None:
    answer = await experience.get(f"/v1/accounts/{ACCOUNT_ID}/invoices?{query}")

    assert answer.status_code == 400
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert experience.process.requests == []


@pytest.mark.parametrize("part", ["overview", "credit-status", "invoices"])
@pytest.mark.parametrize("account_id", ["001", "x" * 19, "001QW00000000-1", "001QW0000000001%0A"])
async def test_what_is_no_salesforce_id_is_refused(experience: Experience, part: str, account_id: str) -> None:
    answer = await experience.get(f"/v1/accounts/{account_id}/{part}")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] in {"path/accountId", "path"}
    assert experience.process.requests == []
