"""What one read of the quote tells is refused at the submission, and claims neither key nor revision."""

import uuid
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from process_api.access.idempotency import body_hash
from process_api.orders.intake import Submission
from shared.canonical import Quote, QuoteKind, QuoteStatus
from tests.process_api.conftest import Process

pytestmark = pytest.mark.servers


def replaced(process: Process, **fields: Any) -> Quote:
    """The quote with these fields from now on."""
    assert process.system.quote is not None
    process.system.quote = msgspec.structs.replace(process.system.quote, **fields)
    return process.system.quote


async def orders_of(process: Process, quote_id: str) -> int:
    async with process.worker.store.transaction_across_tenants() as connection:
        count = text("SELECT count(*) FROM quoteway.orders WHERE quote_id = :quote")
        return int(await connection.scalar(count, {"quote": quote_id}) or 0)


@pytest.mark.parametrize(
    ("fields", "status", "reason_code"),
    [
        ({"status": QuoteStatus.draft}, 422, "quote_not_accepted"),
        ({"status": QuoteStatus.denied}, 422, "quote_not_accepted"),
        ({"revision": 2}, 409, "quote_revision_changed"),
        ({"expires_on": "2020-01-01"}, 422, "quote_expired"),
        ({"lines": []}, 422, "quote_empty"),
        ({"kind": QuoteKind.renewal}, 422, "renewal_not_supported"),
        ({"status": QuoteStatus.draft, "lines": []}, 422, "not_ready"),
    ],
)
async def test_what_the_quote_tells_is_refused_at_once(
    process: Process, fields: dict[str, Any], status: int, reason_code: str
) -> None:
    quote = replaced(process, **fields)

    answer = await process.submit()

    assert (answer.status_code, answer.json()["reasonCode"]) == (status, reason_code), answer.text
    assert await orders_of(process, quote.quote_id) == 0


async def test_another_revision_is_answered_with_the_present_one(process: Process) -> None:
    replaced(process, revision=4)

    assert "is at revision 4 now; revision 1 was submitted" in (await process.submit()).json()["detail"]


async def test_no_such_quote_is_404(process: Process) -> None:
    account_id = "001QW0000000001AAA"

    answer = await process.submit(quoteId=account_id)

    assert answer.status_code == 404
    assert answer.json()["detail"] == f"There is no quote {account_id}."
    assert await orders_of(process, account_id) == 0


async def test_another_total_than_the_user_saw_is_refused_with_both(process: Process) -> None:
    answer = await process.submit(expectedTotal="4128.00")

    assert (answer.status_code, answer.json()["reasonCode"]) == (422, "total_changed")
    assert "4129.00 EUR" in answer.json()["detail"]
    assert "4128.00 EUR" in answer.json()["detail"]
    assert (await process.submit(expectedTotal="4129.00", expectedCurrency="EUR")).status_code == 202


@pytest.mark.parametrize(
    "other", [{"expectedTotal": "4128.99"}, {"expectedTotal": "4129.00", "expectedCurrency": "USD"}]
)
@pytest.mark.parametrize("ended", [False, True], ids=["its flow waits for the quote", "booked"])
async def test_another_total_than_an_order_of_the_same_revision_is_refused_and_claims_no_key(
    process: Process, other: dict[str, str], ended: bool
) -> None:
    gate = None
    if not ended:
        process.system.fail("find_quote", "unavailable")  # so that the submission does without, and the flow waits
        gate = process.switch.hold("/v1/crm/accounts/")
    first = await process.submit(expectedTotal="4129.00")
    assert first.status_code == 202
    if ended:
        await process.ended(first.json()["orderId"])
    key = uuid.uuid4().hex

    answer = await process.submit(key, **other)
    same = await process.submit(key, expectedTotal="4129.00")

    assert (answer.status_code, answer.json()["reasonCode"]) == (422, "total_changed"), answer.text
    assert "4129.00 EUR" in answer.json()["detail"]
    assert (same.status_code, same.json()["orderId"]) == (202, first.json()["orderId"])
    if gate is not None:
        gate.set()
    assert (await process.ended(first.json()["orderId"]))["status"] == "booked"


async def test_another_total_under_the_same_key_is_another_request(process: Process) -> None:
    key = uuid.uuid4().hex
    first = await process.submit(key, expectedTotal="4129.00")

    answer = await process.submit(key, expectedTotal="4128.99")

    assert (answer.status_code, answer.json()["type"]) == (422, "urn:quoteway:problem:idempotency-key-reused")
    assert (await process.submit(key, expectedTotal="4129.00")).json()["orderId"] == first.json()["orderId"]


async def test_a_total_that_cannot_be_compared_yet_is_not_accepted(process: Process) -> None:
    gate = process.switch.hold("/v1/crm/quotes/")  # neither submission nor flow reads the quote
    first = await process.submit()
    key = uuid.uuid4().hex

    unknown = await process.submit(key, expectedTotal="4128.99")
    without = await process.submit()
    gate.set()
    await process.ended(first.json()["orderId"])
    known = await process.submit(key, expectedTotal="4128.99")

    assert (unknown.status_code, unknown.json()["reasonCode"]) == (503, "total_not_compared")
    assert unknown.headers["Retry-After"]
    assert without.json()["orderId"] == first.json()["orderId"]
    assert (known.status_code, known.json()["reasonCode"]) == (422, "total_changed")


async def test_a_refused_submissions_key_stays_free(process: Process) -> None:
    key, good = uuid.uuid4().hex, process.system.quote
    replaced(process, status=QuoteStatus.draft)
    assert (await process.submit(key)).status_code == 422
    process.system.quote = good

    answer = await process.submit(key)

    assert answer.status_code == 202
    assert answer.json()["replayed"] is False


async def test_a_key_answers_with_its_order_whatever_became_of_the_quote(process: Process) -> None:
    key = uuid.uuid4().hex
    first = (await process.submit(key)).json()
    await process.ended(first["orderId"])
    replaced(process, status=QuoteStatus.denied, revision=9)

    again = await process.submit(key)
    by_revision = await process.submit()

    assert (again.status_code, by_revision.status_code) == (202, 202)
    assert again.json()["orderId"] == by_revision.json()["orderId"] == first["orderId"]


@pytest.mark.parametrize("fault", ["unavailable", "rejected", "not_sent"])
async def test_what_cannot_be_read_now_is_taken_in_and_decided_by_its_flow(process: Process, fault: Any) -> None:
    replaced(process, status=QuoteStatus.draft)
    process.system.fail("find_quote", *[fault] * (3 if fault == "not_sent" else 1))

    answer = await process.submit()

    assert answer.status_code == 202
    order = await process.ended(answer.json()["orderId"])
    assert (order["status"], order["reasonCode"]) == ("rejected", "quote_not_accepted")


async def test_the_flow_holds_the_total_against_the_quote_too(process: Process) -> None:
    process.system.fail("find_quote", "unavailable")

    answer = await process.submit(expectedTotal="1.00")

    assert answer.status_code == 202
    order = await process.ended(answer.json()["orderId"])
    assert (order["status"], order["reasonCode"]) == ("rejected", "total_changed")


def test_a_key_of_an_earlier_release_stands_for_the_same_body() -> None:
    class Before(msgspec.Struct):
        quote_id: str
        quote_revision: int

    now = Submission(quote_id="0Q0", quote_revision=1)

    assert body_hash(now) == body_hash(Before("0Q0", 1))
    assert body_hash(now) != body_hash(msgspec.structs.replace(now, expected_total="1"))
