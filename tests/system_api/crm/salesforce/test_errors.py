"""The Salesforce adapter's errors for answers that the simulator does not give by itself."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from shared.canonical import Money, OrderStatus, ReportedOrderStatus
from shared.outbound.network import Network
from shared.outbound.outbound_settings import OutboundSettings
from shared.problem import InvalidRequest, NeedsDecision, OutcomeUnknown, Rejected, Unavailable, VendorError
from system_api.crm.salesforce.adapter import Salesforce
from tests.system_api.conftest import Mute, salesforce_connection
from tests.system_api.crm.described_org import TOKEN, described_org
from tests.system_api.transports import Scripted, html, said

QUOTE_ID = "0Q0QW00000000010AA"
REPORT = ReportedOrderStatus(
    account_id="001QW0000000001YAA",
    quote_id=QUOTE_ID,
    status=OrderStatus.booked,
    version=3,
    currency="EUR",
    total=Money(amount="1234567.891", currency="EUR"),
)
ABSENT = said(404, [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}])


@pytest.fixture
def vendor() -> Scripted:
    return described_org(Scripted()).on("GET", "/ord-1", ABSENT)


@pytest_asyncio.fixture
async def crm(vendor: Scripted) -> AsyncIterator[Salesforce]:
    adapter = Salesforce(salesforce_connection("http://org.test"), vendor)
    yield adapter
    await adapter.close()


def held(version: int = 3, **fields: Any) -> httpx.Response:
    """Return the record as Salesforce has it, by default with what REPORT says, rounded as the org rounds."""
    told = {"Status__c": "booked", "Order_Total__c": 1234567.89}
    return said(200, {"Id": "a00QW00000000G8YAI", "Version__c": version, **told, **fields})


def error(status: int, code: str, message: str = "said so") -> httpx.Response:
    return said(status, [{"errorCode": code, "message": message, "fields": []}])


def query_answer(record: dict[str, Any]) -> httpx.Response:
    return said(200, {"totalSize": 1, "done": True, "records": [record]})


QUOTE = {
    "Id": QUOTE_ID,
    "QuoteNumber": "1",
    "Status": "Accepted",
    "AccountId": "001QW0000000001YAA",
    "CurrencyIsoCode": "EUR",
    "Revision__c": 2.0,
    "Legal_Entity__c": None,
    "Account": {"Legal_Entity__c": "NW-DE"},
    "QuoteLineItems": None,
}


def line(number: int, **changes: Any) -> dict[str, Any]:
    product = {"ProductCode": f"SKU-{number}", "Name": "Thing", "Recurrence__c": None}
    return {
        "Id": f"0QL{number:015d}",
        "Quantity": 2.0,
        "UnitPrice": 1.5,
        "Discount": None,
        "Product2": product,
        **changes,
    }


WEEKLY = {"ProductCode": "A", "Recurrence__c": "week"}


def one_line(**changes: Any) -> dict[str, Any]:
    return {"totalSize": 1, "done": True, "records": [line(1, **changes)]}


@pytest.mark.parametrize(
    ("answer", "family", "reason"),
    [
        (error(400, "UNABLE_TO_LOCK_ROW"), Unavailable, "row_locked"),
        (error(400, "DUPLICATE_VALUE"), Unavailable, "concurrent_upsert"),
        (error(503, "SERVER_UNAVAILABLE"), Unavailable, "unavailable"),
        (error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), Unavailable, "daily_quota_exhausted"),
        (error(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests"), Unavailable, "concurrency_limit"),
        (error(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION"), Rejected, "field_custom_validation_exception"),
        (error(400, "MALFORMED_ID"), Rejected, "malformed_id"),
        (error(403, "INSUFFICIENT_ACCESS_OR_READONLY"), Unavailable, "insufficient_access_or_readonly"),
        (error(400, "REQUIRED_FIELD_MISSING"), Unavailable, "required_field_missing"),
        (error(400, "INVALID_CROSS_REFERENCE_ID"), Rejected, "invalid_cross_reference_id"),
        (error(400, "CANNOT_EXECUTE_FLOW_TRIGGER"), Unavailable, "cannot_execute_flow_trigger"),
        (
            error(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
            Unavailable,
            "invalid_or_null_for_restricted_picklist",
        ),
        (error(400, "SOME_CODE_OF_NEXT_YEAR"), Rejected, "some_code_of_next_year"),
        (error(401, "SOME_CODE_OF_NEXT_YEAR"), Unavailable, "some_code_of_next_year"),
        (error(403, "SOME_CODE_OF_NEXT_YEAR"), Unavailable, "some_code_of_next_year"),
        (error(429, "SOME_CODE_OF_NEXT_YEAR"), Unavailable, "some_code_of_next_year"),
        (error(410, "UNSUPPORTED_API_VERSION"), Unavailable, "api_version_retired"),
        (error(403, "API_DISABLED_FOR_ORG"), Unavailable, "api_disabled_for_org"),
        (error(403, "ORG_LOCKED"), Unavailable, "org_locked"),
        (error(400, "STORAGE_LIMIT_EXCEEDED"), Unavailable, "storage_limit_exceeded"),
        (error(400, "JSON_PARSER_ERROR"), NeedsDecision, "json_parser_error"),
        (said(300, ["/a", "/b"]), Rejected, "duplicate_external_id"),
        (error(500, "UNKNOWN_EXCEPTION"), OutcomeUnknown, "outcome_unknown"),
        (html(502), OutcomeUnknown, "outcome_unknown"),
        (html(404, "No such host here"), OutcomeUnknown, "outcome_unknown"),
        (html(503, "Down for maintenance"), OutcomeUnknown, "outcome_unknown"),
        (said(200, {"unexpected": True}), OutcomeUnknown, "outcome_unknown"),
        (html(200, "Welcome"), OutcomeUnknown, "outcome_unknown"),
        (httpx.Response(200, content=b"\xff\xfe"), OutcomeUnknown, "outcome_unknown"),
        (httpx.Response(200, content=b"[" * 100_000), OutcomeUnknown, "outcome_unknown"),
    ],
)
async def test_answer_to_a_write_becomes_the_right_error(
    crm: Salesforce, vendor: Scripted, answer: httpx.Response, family: type[VendorError], reason: str
) -> None:
    vendor.on("PATCH", "/ord-1", answer)

    with pytest.raises(family) as raised:
        await crm.report_order_status("ord-1", REPORT)

    assert type(raised.value) is family
    assert raised.value.reason_code == reason
    assert len(vendor.sent("PATCH")) == 1  # no write is ever repeated


@pytest.mark.parametrize(
    ("answer", "family"),
    [
        (error(500, "UNKNOWN_EXCEPTION"), Unavailable),
        (html(502), Unavailable),
        (said(200, {"records": [{"Id": 7}]}), Unavailable),
        (error(400, "QUERY_TIMEOUT"), Unavailable),
        (error(400, "INVALID_FIELD", "No such column 'Legal_Entity__c'"), Unavailable),
        (error(400, "MALFORMED_QUERY", "unexpected token: SELCT"), NeedsDecision),
        (error(400, "SOME_CODE_OF_NEXT_YEAR"), Unavailable),
        (error(403, "SOME_CODE_OF_NEXT_YEAR"), Unavailable),
        (error(403, "MALFORMED_ID"), Unavailable),
    ],
)
async def test_an_answer_to_a_read_is_never_an_unknown_outcome(
    crm: Salesforce, vendor: Scripted, answer: httpx.Response, family: type[VendorError]
) -> None:
    vendor.on("GET", "/query", answer)

    with pytest.raises(family):
        await crm.find_quote(QUOTE_ID)


@pytest.mark.parametrize("code", ["MALFORMED_ID", "INVALID_ID_FIELD", "INVALID_QUERY_FILTER_OPERATOR"])
async def test_an_id_that_salesforce_cannot_have_is_not_found(crm: Salesforce, vendor: Scripted, code: str) -> None:
    vendor.on("GET", "/query", error(400, code))

    assert await crm.find_quote(QUOTE_ID) is None


CODES = [
    *("INVALID_FIELD", "MALFORMED_QUERY", "UNABLE_TO_LOCK_ROW", "REQUEST_LIMIT_EXCEEDED", "REQUIRED_FIELD_MISSING"),
    *("STRING_TOO_LONG", "INVALID_SESSION_ID", "UNSUPPORTED_API_VERSION", "UNKNOWN_EXCEPTION", "INVALID_TYPE"),
    *("INVALID_FIELD_FOR_INSERT_UPDATE", "QUERY_TIMEOUT", "SOME_CODE_OF_NEXT_YEAR"),
]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("writes", [False, True])
async def test_salesforces_own_words_are_kept_apart_from_the_plain_sentence(
    crm: Salesforce, vendor: Scripted, code: str, writes: bool
) -> None:
    words = "SELECT Id, Secret__c FROM Quote ^ ERROR at Row:1:Column:12"
    refusal = error(500 if code == "UNKNOWN_EXCEPTION" else 400, code, words)
    if code == "INVALID_SESSION_ID":
        refusal = error(401, code, words)
    vendor.on("GET", "/query", refusal).on("PATCH", "/ord-1", refusal)

    with pytest.raises(VendorError) as raised:
        await (crm.report_order_status("ord-1", REPORT) if writes else crm.find_quote(QUOTE_ID))

    assert words in (raised.value.vendor_said or "")
    assert not any(word in raised.value.detail for word in ("SELECT", "Secret__c", "Row:1"))
    assert raised.value.detail.startswith("Salesforce")


async def test_a_session_is_refreshed_once_and_no_more(crm: Salesforce, vendor: Scripted) -> None:
    vendor.on("GET", "/query", error(401, "INVALID_SESSION_ID"))

    with pytest.raises(Unavailable) as raised:
        await crm.find_quote(QUOTE_ID)

    assert raised.value.reason_code == "credentials_refused"
    assert len(vendor.sent("POST", "/token")) == 2
    assert len(vendor.sent("GET", "/query")) == 2


async def test_the_fresh_token_is_the_one_sent(crm: Salesforce, vendor: Scripted) -> None:
    vendor.on("POST", "/token", TOKEN, said(200, {"access_token": "second"}))
    vendor.on("GET", "/query", error(401, "INVALID_SESSION_ID"), query_answer(QUOTE))

    assert await crm.find_quote(QUOTE_ID) is not None

    assert [each.headers["Authorization"] for each in vendor.sent("GET", "/query")] == ["Bearer first", "Bearer second"]


async def test_an_empty_success_is_a_success(crm: Salesforce, vendor: Scripted) -> None:
    vendor.on("GET", "/ord-1", held(version=2), held()).on("PATCH", "/ord-1", httpx.Response(204))

    answer = await crm.report_order_status("ord-1", REPORT)

    assert answer.applied
    assert answer.vendor_id == "a00QW00000000G8YAI"


@pytest.mark.parametrize(
    "differing", [{"version": 2}, {"Status__c": "booking"}, {"Order_Total__c": 1.0}, {"Order_Total__c": None}]
)
async def test_accepted_report_that_was_not_stored_is_a_mismatch(
    crm: Salesforce, vendor: Scripted, differing: dict[str, Any]
) -> None:
    vendor.on("GET", "/ord-1", ABSENT, held(**differing)).on("PATCH", "/ord-1", said(201, {"id": "a00"}))
    with pytest.raises(Rejected) as raised:
        await crm.report_order_status("ord-1", REPORT)
    assert raised.value.reason_code == "read_back_mismatch"


@pytest.mark.parametrize(("told", "kept"), [("0", 5.0), ("5", 0)])
async def test_zero_total_is_compared_too(crm: Salesforce, vendor: Scripted, told: str, kept: float) -> None:
    report = msgspec.structs.replace(REPORT, total=Money(amount=told, currency="EUR"))
    vendor.on("GET", "/ord-1", ABSENT, held(Order_Total__c=kept)).on("PATCH", "/ord-1", said(201, {"id": "a00"}))

    with pytest.raises(Rejected) as raised:
        await crm.report_order_status("ord-1", report)

    assert raised.value.reason_code == "read_back_mismatch"


async def test_an_org_that_names_no_version_is_a_finding(crm: Salesforce, vendor: Scripted) -> None:
    vendor.on("GET", "/services/data", said(200, []))

    assert any("names no version" in each.what for each in await crm.check())


async def test_failed_read_back_is_an_unknown_outcome(crm: Salesforce, vendor: Scripted) -> None:
    vendor.on("PATCH", "/ord-1", said(201, {"id": "a00"}))
    with pytest.raises(OutcomeUnknown):
        await crm.report_order_status("ord-1", REPORT)


@pytest.mark.parametrize(("meanwhile", "ours"), [(4, False), (3, True)])
async def test_orgs_own_rule_is_distinguished_from_a_newer_version(
    crm: Salesforce, vendor: Scripted, meanwhile: int, ours: bool
) -> None:
    vendor.on("PATCH", "/ord-1", error(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION"))
    vendor.on("GET", "/ord-1", held(version=2), held(version=meanwhile))
    if ours:
        with pytest.raises(Rejected, match="said so"):
            await crm.report_order_status("ord-1", REPORT)
    else:
        answer = await crm.report_order_status("ord-1", REPORT)
        assert (answer.applied, answer.version) == (False, meanwhile)


class Busy(Scripted):
    """A vendor that is slow at each write, and counts concurrent ones."""

    def __init__(self) -> None:
        super().__init__()
        self.writes_at_once_max = 0
        self._writes = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "PATCH":
            return await super().handle_async_request(request)
        self._writes += 1
        self.writes_at_once_max = max(self.writes_at_once_max, self._writes)
        await asyncio.sleep(0.01)
        self._writes -= 1
        return await super().handle_async_request(request)


@pytest.mark.parametrize(("accounts", "at_once"), [(["001A"] * 4, 1), (["001A", "001B", "001C", "001D"], 4)])
async def test_reports_queue_within_one_account_only(accounts: list[str], at_once: int) -> None:
    vendor = Busy()
    described_org(vendor).on("GET", "/ord-1", held()).on("PATCH", "/ord-1", said(201, {"id": "a00"}))
    crm = Salesforce(salesforce_connection("http://org.test"), vendor)
    reports = [msgspec.structs.replace(REPORT, account_id=account) for account in accounts]

    await asyncio.gather(*(crm.report_order_status("ord-1", each) for each in reports))

    assert vendor.writes_at_once_max == at_once
    await crm.close()


async def test_money_leaves_as_an_exact_number(crm: Salesforce, vendor: Scripted) -> None:
    vendor.on("PATCH", "/ord-1", said(201, {"id": "a00QW00000000G8YAI", "success": True, "created": True}))
    vendor.on("GET", "/ord-1", ABSENT, held())

    await crm.report_order_status("ord-1", REPORT)

    assert b'"Order_Total__c":1234567.891,' in vendor.sent("PATCH")[0].content


@pytest.mark.parametrize("strange", ["..", ".", "a/b", "a b", "a\n", "", "é"])
async def test_an_order_id_that_would_change_the_address_is_not_sent(
    crm: Salesforce, vendor: Scripted, strange: str
) -> None:
    with pytest.raises(InvalidRequest):
        await crm.report_order_status(strange, REPORT)

    assert vendor.requests == []


async def test_lines_that_come_on_several_pages_are_all_read(crm: Salesforce, vendor: Scripted) -> None:
    first = {
        "totalSize": 3,
        "done": False,
        "records": [line(1), line(2)],
        "nextRecordsUrl": "/services/data/v67.0/query/0r8-2",
    }
    vendor.on("GET", "/query", query_answer({**QUOTE, "QuoteLineItems": first}))
    vendor.on("GET", "/query/0r8-2", said(200, {"totalSize": 3, "done": True, "records": [line(3)]}))

    quote = await crm.find_quote(QUOTE_ID)

    assert quote is not None
    assert [each.sku for each in quote.lines] == ["SKU-1", "SKU-2", "SKU-3"]
    assert quote.legal_entity == "NW-DE"  # the account's, where the quote has none


async def test_quote_with_missing_lines_is_unavailable(crm: Salesforce, vendor: Scripted) -> None:
    cut = {"totalSize": 3, "done": True, "records": [line(1)]}
    vendor.on("GET", "/query", query_answer({**QUOTE, "QuoteLineItems": cut}))

    with pytest.raises(Unavailable, match="counts 3 lines of the quote, but sent 1"):
        await crm.find_quote(QUOTE_ID)


@pytest.mark.parametrize("address", ["http://elsewhere.test/steal", "//elsewhere.test/services/data/", "query/x"])
async def test_next_page_on_another_host_is_not_followed(crm: Salesforce, vendor: Scripted, address: str) -> None:
    page = {"totalSize": 2, "done": False, "records": [line(1)], "nextRecordsUrl": address}
    vendor.on("GET", "/query", query_answer({**QUOTE, "QuoteLineItems": page}))

    with pytest.raises(Unavailable, match="as the next page"):
        await crm.find_quote(QUOTE_ID)

    assert len(vendor.sent("GET", "/query")) == 1
    assert {each.url.host for each in vendor.requests} == {"org.test"}


@pytest.mark.parametrize(
    ("changes", "said_so"),
    [
        ({"CurrencyIsoCode": None}, "Quote 1 has no CurrencyIsoCode"),
        ({"AccountId": None}, "Quote 1 has no AccountId"),
        ({"Account": None}, "Quote 1 has no Legal_Entity__c"),
        ({"Legal_Entity__c": "nw de"}, 'Quote 1 cannot be used: Legal entity "nw de": '),
        ({"QuoteLineItems": one_line(Product2=None)}, "product of line 0QL000000000000001 has no Product2.ProductCode"),
        ({"QuoteLineItems": one_line(Product2=WEEKLY)}, "(A): Product2.Recurrence__c is 'week'"),
        ({"QuoteLineItems": one_line(Quantity=-1)}, 'Line 1 (SKU-1), quantity "-1": '),
        ({"QuoteLineItems": one_line(Discount=-10)}, 'Line 1 (SKU-1), discount percent "-10": '),
    ],
)
async def test_a_quote_that_cannot_be_ordered_says_what_to_mend(
    crm: Salesforce, vendor: Scripted, changes: dict[str, Any], said_so: str
) -> None:
    vendor.on("GET", "/query", query_answer({**QUOTE, **changes}))

    with pytest.raises(Rejected) as raised:
        await crm.find_quote(QUOTE_ID)

    assert raised.value.reason_code == "incomplete_record"
    assert said_so in raised.value.detail
    assert raised.value.faults, "a refusal names the field"
    assert all(fault.pointer.startswith("/") for fault in raised.value.faults)
    assert not set("`$[]") & set(raised.value.detail)  # neither patterns nor addresses in a document


async def test_numbers_keep_every_digit(crm: Salesforce, vendor: Scripted) -> None:
    lines = msgspec.Raw(
        b'{"totalSize": 1, "records": [{"Id": "0QL000000000000001", "Quantity": 3.333333, "UnitPrice": 0.070001,'
        b' "Discount": 33.3333, "Product2": {"ProductCode": "A"}}]}'
    )
    page = {"totalSize": 1, "done": True, "records": [{**QUOTE, "QuoteLineItems": lines}]}
    vendor.on("GET", "/query", httpx.Response(200, content=msgspec.json.encode(page)))

    quote = await crm.find_quote(QUOTE_ID)

    assert quote is not None
    (only,) = quote.lines
    assert (only.quantity, only.unit_price.value) == ("3.333333", Decimal("0.070001"))
    assert only.discount_percent == "33.3333"


async def test_a_write_without_an_answer_is_an_unknown_outcome(mute: Mute, manner: str) -> None:
    crm = Salesforce(salesforce_connection(mute.url), Network(OutboundSettings(answer_timeout_s=0.3)))
    crm._api._token = "known"

    with pytest.raises(OutcomeUnknown):
        await crm._api.upsert("/sobjects/Quoteway_Order__c/Order_Id__c/ord-1", dict, {})

    assert mute.received == 1, manner
    await crm.close()
