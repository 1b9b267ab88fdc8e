"""The Tryton adapter's errors for answers of Tryton 8.2, and of something in between."""

import base64
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from shared.outbound.network import Network
from shared.outbound.outbound_settings import OutboundSettings
from shared.problem import OutcomeUnknown, Rejected, Unavailable, VendorError
from system_api.erp.tryton.adapter import Tryton
from system_api.erp.tryton.records import Id
from system_api.erp.tryton.rest import TrytonRest
from tests.system_api.conftest import Mute
from tests.system_api.erp.conftest import tryton_connection
from tests.system_api.erp.drafts import hardware
from tests.system_api.transports import Scripted, html, said


@pytest.fixture
def vendor() -> Scripted:
    return Scripted()


@pytest_asyncio.fixture
async def rest(vendor: Scripted) -> AsyncIterator[TrytonRest]:
    client = TrytonRest(tryton_connection("http://tryton.test"), vendor)
    yield client
    await client.close()


def refused(message: str, description: str = "", status: int = 400) -> httpx.Response:
    return said(status, {"status": status, "message": message, "description": description})


LIMIT = 'The party "Tidewater Logistics GmbH" will exceed their €5000.00 credit limit by €17880.00.'


@pytest.mark.parametrize(
    ("answer", "family", "reason"),
    [
        (refused("The code on party must be unique."), Rejected, "refused_by_erp"),
        (refused(LIMIT), Rejected, "credit_limit"),
        (refused('You are not allowed to access "Sale".'), Unavailable, "not_allowed"),
        (refused('Calling button "confirm on "Sale" is not allowed.'), Unavailable, "not_allowed"),
        (refused("Really?", "a warning", status=409), Rejected, "refused_by_erp"),
        (html(400, "Unable to read JSON request"), OutcomeUnknown, "outcome_unknown"),
        (html(401), Unavailable, "credentials_refused"),
        (html(403), Unavailable, "not_allowed"),
        (html(404), Unavailable, "not_found_here"),
        (html(405), Unavailable, "not_found_here"),
        (html(423, "Concurrency"), Unavailable, "concurrent_change"),
        (html(429, "Too many"), Unavailable, "rate_limit"),
        (html(503, 'could not obtain lock on relation "sale_sale"'), Unavailable, "row_locked"),
        (html(503, "database away"), OutcomeUnknown, "outcome_unknown"),
        (html(500, "KeyError"), OutcomeUnknown, "outcome_unknown"),
        (html(502), OutcomeUnknown, "outcome_unknown"),
        (html(200, "Welcome"), OutcomeUnknown, "outcome_unknown"),
        (said(200, {"error": ["UserError", ["No"]]}), OutcomeUnknown, "outcome_unknown"),
        (said(201, {"id": 1}), OutcomeUnknown, "outcome_unknown"),
    ],
)
async def test_answer_to_a_write_becomes_the_right_error(
    rest: TrytonRest, vendor: Scripted, answer: httpx.Response, family: type[VendorError], reason: str
) -> None:
    vendor.on("POST", "/sale.sale", answer)

    with pytest.raises(family) as raised:
        await rest.create("sale.sale", {}, ["id"], Id)

    assert type(raised.value) is family
    assert raised.value.reason_code == reason
    assert len(vendor.requests) == 1


@pytest.mark.parametrize("answer", [html(500), html(502), html(503), html(200), said(200, [{"name": "no id"}])])
async def test_a_read_is_never_an_unknown_outcome(rest: TrytonRest, vendor: Scripted, answer: httpx.Response) -> None:
    vendor.on("GET", "/sale.sale", answer)

    with pytest.raises(Unavailable):
        await rest.search("sale.sale", [], ["id"], Id, limit=1)


async def test_the_erps_sentence_is_handed_on(rest: TrytonRest, vendor: Scripted) -> None:
    vendor.on("POST", "/quote", refused("You are not allowed.", "Within groups: Sales"))

    with pytest.raises(Rejected, match=r"^Tryton refused: You are not allowed\. Within groups: Sales$"):
        await rest.press("sale.sale", 7, "quote", Id)


async def test_every_request_names_the_company_and_skips_no_warning(rest: TrytonRest, vendor: Scripted) -> None:
    vendor.on("GET", "/sale.sale", said(200, [])).on("POST", "/confirm", said(200, {"id": 1}))

    await rest.search("sale.sale", [["reference", "=", "ä"]], ["id", "lines.id"], Id, limit=5, newest_first=True)
    await rest.press("sale.sale", 1, "confirm", Id)

    read, write = vendor.requests
    for request in vendor.requests:
        context = json.loads(base64.urlsafe_b64decode(request.headers["X-Tryton-Context"]))
        assert context == {"company": 1}
        assert request.headers["Authorization"] == "Bearer key"
    assert read.url.params.get_list("f") == ["id", "lines.id"]
    assert json.loads(base64.urlsafe_b64decode(read.url.params["d"])) == [["reference", "=", "ä"]]
    assert json.loads(base64.urlsafe_b64decode(read.url.params["o"])) == [["id", "DESC"]]
    assert write.url.path == "/tryton/rest/model/sale.sale/1/confirm"


SALE = {
    "id": 1,
    "state": "quotation",
    "number": "S1",
    "untaxed_amount": {"__class__": "Decimal", "decimal": "4621.00"},
    "tax_amount": {"__class__": "Decimal", "decimal": "877.99"},
    "total_amount": {"__class__": "Decimal", "decimal": "5498.99"},
    "currency": {"id": 1, "code": "EUR"},
    "party": {"id": 1},
    "lines": [
        {"type": "line", "quantity": 2.0, "unit_price": {"decimal": "1415.5000"}, "product": {"code": "GATEWAY-EDGE"}},
        {"type": "line", "quantity": 20.0, "unit_price": {"decimal": "89.50"}, "product": {"code": "SENSOR-TEMP"}},
        {"type": "comment", "quantity": None, "unit_price": None, "product": None},
    ],
}


@pytest.mark.parametrize(
    ("changes", "said_so"),
    [
        ({"lines": SALE["lines"][:1]}, "it has 1 lines, not 2"),  # type: ignore[index]  # the lines are a list
        ({"currency": {"id": 2, "code": "USD"}}, "its currency is USD, not EUR"),
        ({"total_amount": {"decimal": "5499.00"}}, "its total is 5499.00, not 5498.99"),
    ],
)
async def test_an_order_that_lost_something_on_the_way_is_a_mismatch(
    vendor: Scripted, changes: dict[str, object], said_so: str
) -> None:
    erp = Tryton(tryton_connection("http://tryton.test"), vendor)
    vendor.on("GET", "/sale.sale", said(200, [{**SALE, **changes}]))

    with pytest.raises(Rejected, match=said_so) as raised:
        await erp.create_order("ord-1", hardware("1"))

    assert raised.value.reason_code == "read_back_mismatch"
    await erp.close()


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1E+400", "1.23456789"])
async def test_invalid_amounts_are_not_passed_on(vendor: Scripted, amount: str) -> None:
    erp = Tryton(tryton_connection("http://tryton.test"), vendor)
    vendor.on("GET", "/sale.sale", said(200, [{**SALE, "total_amount": {"decimal": amount}}]))

    with pytest.raises(Unavailable, match="cannot be understood"):
        await erp.find_order("ord-1")
    await erp.close()


@pytest.mark.parametrize("party", ["9" * 19, "9" * 5000, "x", ""])
async def test_an_id_that_tryton_cannot_have_is_not_asked_for(vendor: Scripted, party: str) -> None:
    erp = Tryton(tryton_connection("http://tryton.test"), vendor)

    assert await erp._parties.entry(party) is None
    with pytest.raises(Rejected) as raised:
        await erp._parties.by_id(party)

    assert raised.value.reason_code == "unknown_customer"
    assert vendor.requests == []
    await erp.close()


async def test_a_state_that_is_not_known_is_not_guessed(vendor: Scripted) -> None:
    erp = Tryton(tryton_connection("http://tryton.test"), vendor)
    vendor.on("GET", "/sale.sale", said(200, [{**SALE, "state": "invented_later"}]))

    with pytest.raises(Unavailable) as raised:
        await erp.find_order("ord-1")
    assert "unknown state" in (raised.value.vendor_said or "")
    await erp.close()


async def test_a_write_without_an_answer_is_an_unknown_outcome(mute: Mute, manner: str) -> None:
    rest = TrytonRest(tryton_connection(mute.url), Network(OutboundSettings(answer_timeout_s=0.3)))

    with pytest.raises(OutcomeUnknown):
        await rest.create("sale.sale", {}, ["id"], Id)

    assert mute.received == 1, manner
    await rest.close()
