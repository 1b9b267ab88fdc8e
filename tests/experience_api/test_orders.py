"""Submitting and following orders."""

import json
from typing import Any

import pytest

from experience_api.order_words import STATUS_TEXTS
from shared.canonical import OrderStatus
from shared.seller_words import REASON_TEXTS
from tests.experience_api.conftest import SUBMISSION, Experience
from tests.experience_api.recorded_answers import (
    ACCOUNT_ID,
    BOOKED_ORDER,
    NEW_ORDER,
    ORDER_ID,
    QUOTE_ID,
    READINESS,
    REJECTED_ORDER,
    accepted,
    problem,
)


async def test_a_submission_answers_202_with_all_that_headers_say_in_the_body(experience: Experience) -> None:
    experience.process.will_answer(accepted(), 202)

    answer = await experience.submit()

    assert answer.status_code == 202
    assert answer.json() == {
        "orderId": ORDER_ID,
        "status": "received",
        "statusText": "Received. The order waits for its turn.",
        "statusUrl": f"/v1/orders/{ORDER_ID}",
        "retryAfterSeconds": 2,
        "replayed": False,
        "warnings": [],
    }
    assert answer.headers["location"] == f"/v1/orders/{ORDER_ID}"
    assert answer.headers["retry-after"] == "2"


async def test_the_process_api_gets_the_submission_its_key_and_the_correlation_id(experience: Experience) -> None:
    experience.process.will_answer(accepted(), 202)

    await experience.submit(key='"a-quoted-key"', **{"X-Correlation-Id": "flow-interview-0001"})

    [request] = experience.process.requests
    assert (request.method, request.url.path) == ("POST", "/v1/orders")
    assert json.loads(request.content) == SUBMISSION
    assert request.headers["idempotency-key"] == '"a-quoted-key"'
    assert request.headers["x-correlation-id"] == "flow-interview-0001"


async def test_a_replayed_submission_of_a_finished_order_says_so_and_asks_for_no_polling(
    experience: Experience,
) -> None:
    experience.process.will_answer(accepted(status="booked", replayed=True), 202)

    answer = await experience.submit()

    assert answer.json()["replayed"] is True
    assert answer.json()["retryAfterSeconds"] == 0
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": ""}])
async def test_a_submission_without_a_key_is_refused_before_the_process_api_hears_of_it(
    experience: Experience, headers: dict[str, str]
) -> None:
    answer = await experience.post("/v1/orders", SUBMISSION, **headers)

    assert answer.status_code == 400
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["header/Idempotency-Key"]
    assert experience.process.requests == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"quoteId": QUOTE_ID}, "/quoteRevision"),
        ({"quoteId": QUOTE_ID, "quoteRevision": 0}, "/quoteRevision"),
        ({"quoteId": QUOTE_ID, "quoteRevision": "one"}, "/quoteRevision"),
        ({"quoteId": "no id", "quoteRevision": 1}, "/quoteId"),
        ({"quoteId": f"{QUOTE_ID}\n", "quoteRevision": 1}, "/quoteId"),
        ({**SUBMISSION, "amount": "1"}, "/amount"),
        ([], ""),
    ],
)
async def test_a_wrong_submission_is_refused_with_a_pointer(experience: Experience, body: Any, pointer: str) -> None:
    answer = await experience.submit(body)

    assert answer.status_code == 400
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert experience.process.requests == []


async def test_a_booked_order_shows_what_a_sales_user_looks_for(experience: Experience) -> None:
    experience.process.will_answer(BOOKED_ORDER)

    answer = await experience.get(f"/v1/orders/{ORDER_ID}")

    assert answer.status_code == 200
    assert answer.headers["etag"] == '"14"'
    assert answer.json() == {
        "orderId": ORDER_ID,
        "quoteId": QUOTE_ID,
        "quoteRevision": 1,
        "accountId": ACCOUNT_ID,
        "legalEntity": "NW-DE",
        "status": "booked",
        "statusText": "Booked. The ERP and billing hold the order.",
        "finished": True,
        "whatWentWrong": "",
        "reasonCode": "",
        "reasonDetail": "",
        "nextStep": "",
        "orderNumber": "17",
        "subscriptionIds": ["sub_0001"],
        "totalAmount": "7001.00",
        "taxAmount": "1117.81",
        "currencyIsoCode": "EUR",
        "timeline": [
            {
                "reachedAt": "2026-03-02T09:15:00.120Z",
                "status": "received",
                "statusText": STATUS_TEXTS[OrderStatus.received],
                "message": f"Order received for revision 1 of quote {QUOTE_ID}.",
            },
            {
                "reachedAt": "2026-03-02T09:15:00.800Z",
                "status": "validating",
                "statusText": STATUS_TEXTS[OrderStatus.validating],
                "message": "Tax is 1117.81 EUR (Germany); 7001.00 in all.",
            },
            {
                "reachedAt": "2026-03-02T09:15:02.420Z",
                "status": "booking",
                "statusText": STATUS_TEXTS[OrderStatus.booking],
                "message": "ERP order 17 confirmed over 6884.38 EUR.",
            },
            {
                "reachedAt": "2026-03-02T09:15:07.480Z",
                "status": "booked",
                "statusText": STATUS_TEXTS[OrderStatus.booked],
                "message": "The order is booked.",
            },
        ],
        "createdAt": "2026-03-02T09:15:00.120Z",
        "updatedAt": "2026-03-02T09:15:07.480Z",
        "version": 14,
        "retryAfterSeconds": 0,
        "warnings": [],
        "faults": [],
        "delayed": False,
        "delaySystemName": "",
        "delayReason": "",
        "attempt": 0,
        "attemptsMax": 0,
        "nextAttemptAt": "",
    }


async def test_a_rejected_order_says_in_plain_words_what_went_wrong_and_what_to_do(experience: Experience) -> None:
    experience.process.will_answer(REJECTED_ORDER)

    view = (await experience.get(f"/v1/orders/{ORDER_ID}")).json()

    assert view["whatWentWrong"] == REASON_TEXTS["credit_refused"]
    assert view["reasonCode"] == "credit_refused"
    assert view["reasonDetail"] == "Credit refused: 4000.00 EUR of 5000.00 EUR are owed."
    assert view["nextStep"].endswith("submit the quote again.")
    assert view["finished"] is True
    assert (view["totalAmount"], view["currencyIsoCode"], view["orderNumber"]) == ("5883.19", "EUR", "")


@pytest.mark.parametrize(
    ("reason_code", "reason", "expected"),
    [
        ("a_code_of_next_year", "The moon is in the wrong phase.", "The moon is in the wrong phase."),
        (None, "Stopped by an operator.", "Stopped by an operator."),
        ("a_code_of_next_year", None, "The order could not be booked, and no reason was given."),
        (None, None, "The order could not be booked, and no reason was given."),
    ],
)
async def test_a_reason_without_words_of_ours_falls_back_on_the_process_api(
    experience: Experience, reason_code: str | None, reason: str | None, expected: str
) -> None:
    experience.process.will_answer({**REJECTED_ORDER, "reasonCode": reason_code, "reason": reason})

    view = (await experience.get(f"/v1/orders/{ORDER_ID}")).json()

    assert view["whatWentWrong"] == expected


async def test_a_new_order_is_neither_finished_nor_wrong(experience: Experience) -> None:
    experience.process.will_answer(NEW_ORDER)

    view = (await experience.get(f"/v1/orders/{ORDER_ID}")).json()

    assert (view["finished"], view["whatWentWrong"], view["accountId"]) == (False, "", "")
    assert view["retryAfterSeconds"] == 2


async def test_a_parked_order_is_not_finished_but_is_asked_for_seldom(experience: Experience) -> None:
    parked = {
        **REJECTED_ORDER,
        "status": "parked",
        "reasonCode": "outcome_unknown",
        "reason": "Tryton: ReadTimeout in book_erp_order.",
    }
    experience.process.will_answer(parked)

    view = (await experience.get(f"/v1/orders/{ORDER_ID}")).json()

    assert (view["finished"], view["retryAfterSeconds"]) == (False, 60)
    assert view["whatWentWrong"] == REASON_TEXTS["outcome_unknown"]
    assert view["reasonDetail"] == view["whatWentWrong"]
    assert "do not submit the quote again" in view["nextStep"]


async def test_a_parked_order_names_the_system_where_the_process_api_does(experience: Experience) -> None:
    reason = "Stripe does not answer. This has lasted for so long that the order is stopped."
    parked = {**REJECTED_ORDER, "status": "parked", "reasonCode": "unavailable", "reason": reason}
    experience.process.will_answer(parked)

    view = (await experience.get(f"/v1/orders/{ORDER_ID}")).json()

    assert (view["whatWentWrong"], view["reasonDetail"]) == (reason, reason)


DELAY = {
    "system": "Stripe",
    "message": "Stripe does not answer.",
    "attempt": 2,
    "attemptsMax": 8,
    "nextAttemptAt": "2026-03-02T09:16:00.000Z",
}


async def test_retried_order_is_delayed_and_names_system_and_next_attempt(
    experience: Experience,
) -> None:
    experience.process.will_answer({**BOOKED_ORDER, "status": "provisioning", "delay": DELAY})

    view = (await experience.get(f"/v1/orders/{ORDER_ID}")).json()

    assert (view["delayed"], view["delaySystemName"], view["delayReason"]) == (
        True,
        "Stripe",
        "Stripe does not answer.",
    )
    assert (view["attempt"], view["attemptsMax"], view["nextAttemptAt"]) == (2, 8, "2026-03-02T09:16:00.000Z")
    assert view["statusText"] == "Delayed. Stripe does not answer."
    assert "tried again by itself" in view["nextStep"]
    assert (view["status"], view["finished"], view["retryAfterSeconds"]) == ("provisioning", False, 2)


async def test_what_we_did_after_the_end_is_not_on_a_sellers_timeline(experience: Experience) -> None:
    ours = [
        {"at": "2026-03-02T09:15:08.000Z", "status": "rejected", "step": "report_ending", "internal": True,
         "message": "Salesforce knows that the order is rejected."},
        {"at": "2026-03-02T09:25:08.000Z", "status": "rejected", "step": "second_look", "internal": True,
         "message": "Looked again: no request has arrived late."},
    ]  # fmt: skip
    experience.process.will_answer({**REJECTED_ORDER, "timeline": [*REJECTED_ORDER["timeline"], *ours]})

    view = (await experience.get(f"/v1/orders/{ORDER_ID}")).json()

    assert view["timeline"][-1]["status"] == "rejected"
    assert view["timeline"][-1]["message"] == "Credit refused: 4000.00 EUR of 5000.00 EUR are owed."


@pytest.mark.parametrize(
    ("reason_code", "says"),
    [
        ("credit_refused", "credit desk"),
        ("quote_expired", "Extend the quote"),
        ("quote_not_accepted", "accept the quote"),
        ("unknown_product", "Exchange or remove the product"),
        ("read_back_mismatch", "integration team"),
        ("a_code_of_next_year", "Mend what went wrong"),
    ],
)
async def test_the_next_step_of_a_rejected_order_fits_its_reason(
    experience: Experience, reason_code: str, says: str
) -> None:
    experience.process.will_answer({**REJECTED_ORDER, "reasonCode": reason_code})

    assert says in (await experience.get(f"/v1/orders/{ORDER_ID}")).json()["nextStep"]


async def test_fields_that_the_process_api_adds_later_are_passed_over(experience: Experience) -> None:
    experience.process.will_answer({**BOOKED_ORDER, "colour": "green", "total": {**BOOKED_ORDER["total"], "net": "1"}})

    assert (await experience.get(f"/v1/orders/{ORDER_ID}")).status_code == 200


async def test_an_order_that_is_not_there_is_404(experience: Experience) -> None:
    experience.process.will_answer(problem("not-found", 404, "There is no order ord_x."), 404)

    answer = await experience.get("/v1/orders/ord_x")

    assert answer.status_code == 404
    assert answer.json()["detail"] == "There is no order ord_x."


@pytest.mark.parametrize("order_id", ["%2e%2e", "a%20b", "x" * 65, "ord_1%0A", "ord_1%00"])
async def test_an_impossible_order_id_is_refused_before_the_process_api_hears_of_it(
    experience: Experience, order_id: str
) -> None:
    answer = await experience.get(f"/v1/orders/{order_id}")

    assert answer.status_code in {400, 404}
    assert experience.process.requests == []


async def test_a_whole_number_may_have_a_point_as_json_schema_says(experience: Experience) -> None:
    experience.process.will_answer(accepted(), 202)

    answer = await experience.submit({**SUBMISSION, "quoteRevision": 1.0})

    assert answer.status_code == 202, answer.text
    assert json.loads(experience.process.requests[0].content) == SUBMISSION


def test_every_status_has_words() -> None:
    assert set(STATUS_TEXTS) == set(OrderStatus)


async def test_the_total_that_the_user_saw_is_handed_on(experience: Experience) -> None:
    experience.process.will_answer(accepted(), 202)

    answer = await experience.submit({**SUBMISSION, "expectedTotal": "4129.00", "currencyIsoCode": "EUR"})

    assert answer.status_code == 202
    sent = json.loads(experience.process.requests[0].content)
    assert sent == {**SUBMISSION, "expectedTotal": "4129.00", "expectedCurrency": "EUR"}


async def test_every_fault_of_a_quote_is_told_with_the_order(experience: Experience) -> None:
    faults = READINESS["faults"]
    experience.process.will_answer({**REJECTED_ORDER, "reasonCode": "not_ready", "faults": faults})

    order = (await experience.get(f"/v1/orders/{ORDER_ID}")).json()

    assert order["whatWentWrong"] == f"{faults[0]['message']} {faults[1]['message']}"
    assert [(fault["code"], fault["lineId"], fault["fieldName"]) for fault in order["faults"]] == [
        ("quantity_not_whole", "0QLQW0000000002AAA", "quantity"),
        ("quote_expired", "", "expiresOn"),
    ]
