"""Error answers: every family comes through, in the media type that the caller can read."""

from typing import Any

import httpx
import pytest

from sandbox.processes.process import RunningProcess
from tests.experience_api.conftest import OPERATIONS, SUBMISSION, Experience
from tests.experience_api.recorded_answers import ORDER_ID, accepted, problem
from tests.issuer_process import bearer

ORDER = f"/v1/orders/{ORDER_ID}"


@pytest.mark.parametrize(
    ("slug", "status", "members", "expected_members"),
    [
        ("invalid-request", 400, {"errors": [{"pointer": "/quoteId", "detail": "No."}]}, None),
        ("not-found", 404, {}, None),
        ("conflict", 409, {"retryAfterSeconds": 3}, None),
        ("idempotency-key-reused", 422, {}, None),
        ("rejected", 422, {"reasonCode": "credit_refused"}, None),
        ("unavailable", 503, {"reasonCode": "unavailable", "retryAfterSeconds": 17}, None),
        ("unavailable", 503, {"reasonCode": "unavailable"}, {"reasonCode": "unavailable", "retryAfterSeconds": 5}),
    ],
)
@pytest.mark.parametrize(("method", "path", "body"), OPERATIONS)
async def test_what_a_caller_can_act_on_comes_through(
    experience: Experience,
    method: str,
    path: str,
    body: Any,
    slug: str,
    status: int,
    members: dict[str, Any],
    expected_members: dict[str, Any] | None,
) -> None:
    experience.process.will_answer(problem(slug, status, "In so many words.", **members), status)

    answer = await experience.call(method, path, body)

    assert answer.status_code == status
    found = answer.json()
    assert found.pop("correlationId") == answer.headers["x-correlation-id"]
    assert found.pop("title")
    expected = members if expected_members is None else expected_members
    assert found == {
        "type": f"urn:quoteway:problem:{slug}",
        "status": status,
        "detail": "In so many words.",
        **expected,
    }
    if "retryAfterSeconds" in expected:
        assert answer.headers["retry-after"] == str(expected["retryAfterSeconds"])


async def test_an_unknown_outcome_of_a_submission_tells_what_to_do(experience: Experience) -> None:
    experience.process.will_answer(problem("outcome-unknown", 504, "The answer was lost"), 504)

    answer = await experience.submit()

    assert answer.status_code == 504
    assert answer.json()["type"] == "urn:quoteway:problem:outcome-unknown"
    assert answer.json()["detail"] == (
        "The answer was lost. Send the same request again with the same Idempotency-Key: it cannot order twice."
    )


@pytest.mark.parametrize(("method", "path", "body"), OPERATIONS)
@pytest.mark.parametrize("status", [500, 502])
async def test_an_error_page_in_between_is_unavailable_for_a_read_and_unknown_for_a_write(
    experience: Experience, method: str, path: str, body: Any, status: int
) -> None:
    experience.process.answers.append(httpx.Response(status, html="<h1>Bad gateway</h1>"))

    answer = await experience.call(method, path, body)

    assert answer.status_code == (504 if path == "/v1/orders" else 503)
    assert "Bad gateway" not in answer.text


@pytest.mark.parametrize(("method", "path", "body"), OPERATIONS)
async def test_an_answer_that_cannot_be_read_is_an_error_of_the_same_families(
    experience: Experience, method: str, path: str, body: Any
) -> None:
    experience.process.will_answer({"surprise": True})

    answer = await experience.call(method, path, body)

    assert answer.status_code == (504 if path == "/v1/orders" else 503)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/problem+json", "application/problem+json"),
        ("application/json, application/problem+json", "application/problem+json"),
    ],
)
async def test_problems_are_plain_json_unless_asked_otherwise(
    experience: Experience, accept: str, media_type: str
) -> None:
    experience.process.will_answer(problem("not-found", 404, "There is no order."), 404)

    answer = await experience.get(ORDER, Accept=accept)

    assert answer.headers["content-type"] == media_type
    assert answer.json()["status"] == 404


async def test_the_same_for_an_address_that_is_not_there(experience: Experience) -> None:
    plain = await experience.get("/v1/nothing")
    asked = await experience.get("/v1/nothing", Accept="application/problem+json")

    assert (plain.status_code, plain.headers["content-type"]) == (404, "application/json")
    assert (asked.status_code, asked.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(("method", "path", "body"), OPERATIONS)
async def test_no_operation_answers_without_a_token(experience: Experience, method: str, path: str, body: Any) -> None:
    experience.headers = {}

    answer = await experience.call(method, path, body)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert experience.process.requests == []


@pytest.mark.parametrize(("method", "path", "body"), OPERATIONS)
async def test_a_token_for_the_process_api_is_no_token_for_this_one(
    experience: Experience, issuer: RunningProcess, method: str, path: str, body: Any
) -> None:
    experience.headers = await bearer(issuer, "experience-api", "quoteway-process", tenant="nordwind")

    answer = await experience.call(method, path, body)

    assert answer.status_code == 401
    assert experience.process.requests == []


async def test_a_token_that_may_only_read_cannot_order(experience: Experience, issuer: RunningProcess) -> None:
    experience.headers = await bearer(issuer, "integration-operator", "quoteway-experience")

    answer = await experience.submit()

    assert answer.status_code == 403
    assert "orders:write" in answer.json()["detail"]
    assert experience.process.requests == []


@pytest.mark.parametrize(
    ("scope", "open_to"),
    [
        ("orders:write", ["/v1/orders"]),
        ("orders:read", [ORDER]),
        ("accounts:read", [path for _, path, _ in OPERATIONS if path.startswith("/v1/accounts")]),
        ("quotes:read", [path for _, path, _ in OPERATIONS if path.startswith("/v1/quotes")]),
    ],
)
async def test_each_scope_opens_its_operations_and_no_other(
    experience: Experience, issuer: RunningProcess, scope: str, open_to: list[str]
) -> None:
    experience.headers = await bearer(issuer, "salesforce-lightning", "quoteway-experience", scope=scope)
    experience.process.will_answer(problem("not-found", 404, "There is nothing."), 404)

    statuses = {path: (await experience.call(method, path, body)).status_code for method, path, body in OPERATIONS}

    assert {path for path, status in statuses.items() if status != 403} == set(open_to)


async def test_a_method_that_an_address_does_not_take(experience: Experience) -> None:
    answer = await experience.client.delete(ORDER, headers=experience.headers)

    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]


async def test_a_missing_body_says_what_is_needed(experience: Experience) -> None:
    answer = await experience.post("/v1/orders", **{"Idempotency-Key": "k", "Content-Type": "application/json"})

    assert answer.status_code == 400
    assert answer.json()["detail"] == "A JSON body is needed."


async def test_a_body_of_another_media_type_is_refused(experience: Experience) -> None:
    answer = await experience.client.post(
        "/v1/orders", data={"quoteId": "x"}, headers={**experience.headers, "Idempotency-Key": "k"}
    )

    assert answer.status_code == 400
    assert "application/json" in answer.json()["detail"]


async def test_a_correlation_id_is_taken_over_and_a_harmful_one_is_not(experience: Experience) -> None:
    experience.process.will_answer(accepted(), 202)

    kept = await experience.submit(SUBMISSION, **{"X-Correlation-Id": "apex-job-000001"})
    replaced = await experience.submit(SUBMISSION, **{"X-Correlation-Id": "a b"})

    assert kept.headers["x-correlation-id"] == "apex-job-000001"
    assert replaced.headers["x-correlation-id"] not in {"", "a b"}
