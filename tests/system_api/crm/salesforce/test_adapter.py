"""The Salesforce adapter against the simulator of an org."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
import pytest_asyncio

from shared.canonical import Money, OrderStatus, OrderStatusReport, QuoteStatus, Recurrence
from shared.problem import OutcomeUnknown, Rejected, Unavailable
from system_api.crm.salesforce.adapter import Salesforce
from tests.system_api.conftest import Simulator, salesforce_connection
from tests.system_api.crm.salesforce.reports import ACME, order_id, report
from tests.system_api.transports import Lossy

BLUEFIN = "001QW0000000002YAA"
DEMO_QUOTE, DRAFT_QUOTE = "0Q0QW0000000001", "0Q0QW0000000006"


@pytest.fixture
def network() -> Lossy:
    return Lossy()


@pytest_asyncio.fixture
async def crm(salesforce_org: Simulator, network: Lossy) -> AsyncIterator[Salesforce]:
    adapter = Salesforce(salesforce_connection(salesforce_org.url, salesforce_org.credentials), network)
    yield adapter
    await adapter.close()
    salesforce_org.control("DELETE", "refuse")


@pytest_asyncio.fixture
async def rest(salesforce_org: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    """Salesforce's own API: what a sales user or an administrator does in the org."""
    known = salesforce_org.credentials
    async with httpx.AsyncClient(base_url=f"{salesforce_org.url}/services") as client:
        token = await client.post(
            "/oauth2/token",
            data={
                "grant_type": "client_credentials",
                "client_id": known["client_id"],
                "client_secret": known["client_secret"],
            },
        )
        client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        yield client


async def records(rest: httpx.AsyncClient, order: str) -> list[dict[str, Any]]:
    fields = (
        "Status__c, Version__c, ERP_Order_Number__c, Subscription__c, Failure_Reason__c, Order_Total__c, Account__c"
    )
    soql = f"SELECT {fields} FROM Quoteway_Order__c WHERE Order_Id__c = '{order}'"
    answer = (await rest.get("/data/v67.0/query", params={"q": soql})).raise_for_status()
    found: list[dict[str, Any]] = json.loads(answer.content, parse_float=Decimal)["records"]
    return found


async def test_a_quote_comes_with_its_lines_in_order_and_to_the_cent(crm: Salesforce) -> None:
    quote = await crm.find_quote(DEMO_QUOTE)

    assert quote is not None
    assert (quote.number, quote.revision, quote.status) == ("00001001", 1, QuoteStatus.accepted)
    assert (quote.account_id, quote.legal_entity, quote.currency) == (ACME, "NW-DE", "EUR")
    assert [(line.sku, line.quantity, line.unit_price.amount, line.discount_percent) for line in quote.lines] == [
        ("GATEWAY-EDGE", "2", "1490.00", "5"),
        ("SENSOR-TEMP", "20", "89.50", "0"),
        ("INSTALL-DAY", "1", "980.00", "0"),
        ("MON-STD", "20", "4.90", "0"),
    ]
    assert [line.recurrence for line in quote.lines] == [Recurrence.none] * 3 + [Recurrence.month]


async def test_only_an_accepted_quote_reads_as_accepted(crm: Salesforce) -> None:
    quote = await crm.find_quote(DRAFT_QUOTE)

    assert quote is not None
    assert quote.status is QuoteStatus.draft


@pytest.mark.parametrize("strange", ["0Q0QW0000000099", "nonsense", "x' OR Name != '", "0Q0QW0000000001\n", ""])
async def test_malformed_quote_id_finds_nothing(crm: Salesforce, network: Lossy, strange: str) -> None:
    assert await crm.find_quote(strange) is None
    assert await crm.find_account(strange) is None
    if len(strange) != 15:
        assert network.sent == []  # nothing of it ever reached a query


async def test_an_account_comes_with_its_address(crm: Salesforce) -> None:
    account = await crm.find_account(BLUEFIN)

    assert account is not None
    assert (account.name, account.currency, account.legal_entity) == ("Bluefin Cold Storage Inc.", "USD", "NW-US")
    assert account.billing_address is not None
    assert (account.billing_address.country, account.billing_address.region) == ("US", "CA")


@pytest.mark.parametrize(
    ("user", "record", "readable", "editable"),
    [
        ("005QW0000000001", ACME, True, True),
        ("005QW0000000001", DEMO_QUOTE, True, True),
        ("005QW0000000003", ACME, True, False),
        ("005QW0000000003", DEMO_QUOTE, True, False),
        ("005QW0000000002", BLUEFIN, True, True),
        ("005QW0000000002", ACME, False, False),
        ("005QW0000000002", DEMO_QUOTE, False, False),
        ("005QW0000000002", "001QW0000000099", False, False),
        ("005QW0000000099", ACME, False, False),
        ("005QW0000000001", "001QW0000000001AAA", False, False),
        ("005QW0000000001", "ord_1", False, False),
        ("x' OR UserId != '", ACME, False, False),
    ],
)
async def test_record_access_follows_the_org(
    crm: Salesforce, user: str, record: str, readable: bool, editable: bool
) -> None:
    access = await crm.record_access(user, record)

    assert (access.readable, access.editable) == (readable, editable)


async def test_an_account_without_a_legal_entity_is_refused_with_what_to_mend(
    crm: Salesforce, rest: httpx.AsyncClient
) -> None:
    made = await rest.post("/data/v67.0/sobjects/Account", json={"Name": "Half a record"})

    with pytest.raises(Rejected) as refusal:
        await crm.find_account(made.json()["id"])

    assert refusal.value.reason_code == "incomplete_record"
    assert "Half a record has no Legal_Entity__c. Mend it in Salesforce." in refusal.value.detail


async def test_a_quote_with_many_lines_loses_none(crm: Salesforce, rest: httpx.AsyncClient) -> None:
    opportunity = await rest.post(
        "/data/v67.0/sobjects/Opportunity",
        json={"Name": "Large", "AccountId": ACME, "StageName": "Prospecting", "CloseDate": "2026-12-01"},
    )
    quote = await rest.post(
        "/data/v67.0/sobjects/Quote",
        json={"Name": "Large", "OpportunityId": opportunity.json()["id"], "Legal_Entity__c": "NW-DE"},
    )
    product = await rest.get(
        "/data/v67.0/query", params={"q": "SELECT Id FROM Product2 WHERE ProductCode = 'SENSOR-TEMP'"}
    )
    for start in range(0, 230, 115):
        lines = [
            {
                "attributes": {"type": "QuoteLineItem"},
                "QuoteId": quote.json()["id"],
                "Product2Id": product.json()["records"][0]["Id"],
                "Quantity": 1,
                "UnitPrice": 89.5,
                "SortOrder": place,
            }
            for place in range(start, start + 115)
        ]
        (await rest.post("/data/v67.0/composite/sobjects", json={"records": lines})).raise_for_status()

    found = await crm.find_quote(quote.json()["id"])

    assert found is not None
    assert len(found.lines) == 230
    assert len({line.line_id for line in found.lines}) == 230


async def test_repeated_reports_make_one_record(
    crm: Salesforce, rest: httpx.AsyncClient, salesforce_org: Simulator
) -> None:
    order = order_id()
    booked = report(
        status=OrderStatus.booked,
        total=Money(amount="6776.35", currency="EUR"),
        erp_order_number="7",
        subscription_ids=["sub_1", "sub_2"],
    )

    first = await crm.report_order_status(order, booked)
    second = await crm.report_order_status(order, booked)

    assert first.applied
    assert second.applied
    assert first.vendor_id == second.vendor_id
    (record,) = await records(rest, order)
    assert record["Status__c"] == "booked"
    assert record["Order_Total__c"] == Decimal("6776.35")
    assert record["Subscription__c"] == "sub_1,sub_2"
    assert record["Account__c"] == ACME
    created = [each for each in salesforce_org.journal("Quoteway_Order__c") if each["external_id"] == order]
    assert [each["action"] for each in created if each["action"] == "created"] == ["created"]


async def test_an_older_version_never_overwrites_a_newer_one(crm: Salesforce, rest: httpx.AsyncClient) -> None:
    order = order_id()
    await crm.report_order_status(order, report(5, status=OrderStatus.booked))

    late = await crm.report_order_status(order, report(4, status=OrderStatus.booking))

    assert not late.applied
    assert late.version == 5
    (record,) = await records(rest, order)
    assert (record["Status__c"], record["Version__c"]) == ("booked", Decimal("5"))


async def race_of_two_reports(salesforce_org: Simulator) -> list[OrderStatusReport]:
    """Let two processes read version 1, then write the newer report first and the older one after it."""
    order = order_id()
    both_have_read, newer_is_written = asyncio.Barrier(2), asyncio.Event()

    class Racing(Lossy):
        def __init__(self, newer: bool) -> None:
            super().__init__()
            self.newer = newer

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method != "PATCH":
                return await super().handle_async_request(request)
            await both_have_read.wait()
            if not self.newer:
                await newer_is_written.wait()
            answer = await super().handle_async_request(request)
            newer_is_written.set()
            return answer

    connection = salesforce_connection(salesforce_org.url, salesforce_org.credentials)
    first, older, newer = (Salesforce(connection, way) for way in (None, Racing(newer=False), Racing(newer=True)))
    await first.report_order_status(order, report(1))
    answers = await asyncio.gather(
        older.report_order_status(order, report(2, status=OrderStatus.booking)),
        newer.report_order_status(order, report(3, status=OrderStatus.booked)),
    )
    for crm in (first, older, newer):
        await crm.close()
    return list(answers)


async def test_newer_of_two_concurrent_reports_stays(salesforce_org: Simulator) -> None:
    older, newer = await race_of_two_reports(salesforce_org)
    assert (older.applied, older.version) == (False, 3)
    assert (newer.applied, newer.version) == (True, 3)


async def test_reports_about_one_account_run_one_at_a_time(crm: Salesforce, rest: httpx.AsyncClient) -> None:
    orders = [order_id() for _ in range(6)]

    answers = await asyncio.gather(*(crm.report_order_status(order, report()) for order in orders))

    assert all(answer.applied for answer in answers)
    assert [len(await records(rest, order)) for order in orders] == [1] * 6


async def test_long_values_are_cut_to_the_fields_lengths(crm: Salesforce, rest: httpx.AsyncClient) -> None:
    order = order_id()
    subscriptions = [f"sub_{'x' * 24}{place}" for place in range(6)]

    await crm.report_order_status(
        order, report(status=OrderStatus.parked, failure_reason="é" * 1500, subscription_ids=subscriptions)
    )

    (record,) = await records(rest, order)
    assert len(record["Failure_Reason__c"]) == 1000
    assert record["Failure_Reason__c"].endswith("…")
    assert record["Subscription__c"].split(",") == subscriptions[:3]


async def test_a_lock_on_the_account_is_unavailable_with_a_wait(crm: Salesforce, salesforce_org: Simulator) -> None:
    salesforce_org.control("POST", "lock", record_id=ACME, times=1)

    with pytest.raises(Unavailable) as refusal:
        await crm.report_order_status(order_id(), report())

    assert refusal.value.reason_code == "row_locked"
    assert refusal.value.retry_after_s is not None
    assert 1 <= refusal.value.retry_after_s <= 4


async def test_an_ended_session_costs_one_refresh(crm: Salesforce, salesforce_org: Simulator, network: Lossy) -> None:
    await crm.report_order_status(order_id(), report())
    salesforce_org.control("DELETE", "sessions")
    network.sent.clear()

    answer = await crm.report_order_status(order_id(), report())

    assert answer.applied
    assert [path for _, path in network.sent].count("/services/oauth2/token") == 1
    assert [method for method, _ in network.sent] == ["GET", "POST", "GET", "PATCH", "GET", "POST"]


async def test_daily_limit_waits_longer_than_the_concurrency_limit(crm: Salesforce, salesforce_org: Simulator) -> None:
    refusal = {"method": "GET", "path": "/limits", "times": 1, "status": 403, "errorCode": "REQUEST_LIMIT_EXCEEDED"}
    salesforce_org.control("POST", "refuse", **refusal, message="TotalRequests Limit exceeded.")
    with pytest.raises(Unavailable) as day:
        await crm.ready()
    salesforce_org.control("POST", "refuse", **refusal, message="ConcurrentPerOrgLongTxn Limit exceeded.")
    with pytest.raises(Unavailable) as moment:
        await crm.ready()

    assert (day.value.reason_code, day.value.retry_after_s) == ("daily_quota_exhausted", 3600)
    assert moment.value.reason_code == "concurrency_limit"
    assert moment.value.retry_after_s is not None
    assert moment.value.retry_after_s <= 8


async def test_lost_answer_is_an_unknown_outcome_and_a_retry_makes_no_second_record(
    crm: Salesforce, rest: httpx.AsyncClient, network: Lossy
) -> None:
    order = order_id()
    with network.losing("PATCH", "/Quoteway_Order__c/"), pytest.raises(OutcomeUnknown):
        await crm.report_order_status(order, report())
    assert len(await records(rest, order)) == 1  # it did happen

    assert (await crm.report_order_status(order, report())).applied
    assert len(await records(rest, order)) == 1


async def test_wrong_credentials_say_which_setting_to_check(salesforce_org: Simulator) -> None:
    known = {**salesforce_org.credentials, "client_secret": "wrong"}
    crm = Salesforce(salesforce_connection(salesforce_org.url, known))

    with pytest.raises(Unavailable, match="client_id and client_secret") as refusal:
        await crm.ready()

    assert refusal.value.reason_code == "credentials_refused"
    await crm.close()


async def test_org_that_is_down_is_unavailable_for_reads_and_writes(dead_url: str) -> None:
    crm = Salesforce(salesforce_connection(dead_url))

    with pytest.raises(Unavailable):
        await crm.find_quote(DEMO_QUOTE)
    with pytest.raises(Unavailable):
        await crm.report_order_status(order_id(), report())
    await crm.close()
