"""The way to the process API: its token, its deadline, and that no write leaves twice."""

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest

from experience_api import process_client
from experience_api.app import create_app
from experience_api.settings import ExperienceSettings
from tests.app_lifespan import asgi_transport, running_app
from tests.experience_api.conftest import OPERATIONS, SUBMISSION, Experience, RecordedProcess
from tests.experience_api.recorded_answers import BOOKED_ORDER, ORDER_ID, accepted, problem
from tests.kept_audit_log import KeptAuditLog
from tests.patience import HANG_S

ORDER = f"/v1/orders/{ORDER_ID}"
READS = [operation for operation in OPERATIONS if operation[1] != "/v1/orders"]
REFUSED = problem("unauthenticated", 401, "The token is not valid for this service.")


def claims_of(request: httpx.Request) -> dict[str, Any]:
    payload = request.headers["authorization"].removeprefix("Bearer ").split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return claims


async def never_answers(_: httpx.Request) -> httpx.Response:
    await asyncio.sleep(2 * HANG_S)
    raise AssertionError("unreachable")


async def test_calls_carry_this_services_own_token_for_the_callers_tenant(experience: Experience) -> None:
    experience.process.will_answer(BOOKED_ORDER)

    await experience.get(ORDER)

    claims = claims_of(experience.process.requests[0])
    assert (claims["aud"], claims["client_id"], claims["tenant"]) == ("quoteway-process", "experience-api", "nordwind")
    assert experience.headers["Authorization"] != experience.process.requests[0].headers["authorization"]


async def test_a_token_is_used_again(experience: Experience) -> None:
    experience.process.will_answer(BOOKED_ORDER)

    await experience.get(ORDER)
    await experience.get(ORDER)

    assert len({claims_of(request)["jti"] for request in experience.process.requests}) == 1


@pytest.mark.parametrize(("method", "path", "body"), [OPERATIONS[0], OPERATIONS[1]])
async def test_a_refused_token_is_renewed_once(experience: Experience, method: str, path: str, body: Any) -> None:
    experience.process.will_answer(REFUSED, 401)
    experience.process.will_answer(accepted() if method == "POST" else BOOKED_ORDER)

    answer = await experience.call(method, path, body)

    assert answer.is_success
    first, second = experience.process.requests
    assert claims_of(first)["jti"] != claims_of(second)["jti"]
    assert first.content == second.content


@pytest.mark.parametrize(("method", "path", "body"), OPERATIONS)
@pytest.mark.parametrize(("status", "sent"), [(401, 2), (403, 1)])
async def test_a_token_that_stays_refused_is_unavailable_not_the_callers_fault(
    experience: Experience, method: str, path: str, body: Any, status: int, sent: int
) -> None:
    experience.process.will_answer({**REFUSED, "status": status}, status)

    answer = await experience.call(method, path, body)

    assert answer.status_code == 503
    assert "www-authenticate" not in answer.headers
    assert len(experience.process.requests) == sent


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (httpx.ReadTimeout("slow"), 504),
        (httpx.RemoteProtocolError("cut off"), 504),
        (httpx.WriteError("broken pipe"), 504),
        (httpx.ConnectError("refused"), 503),
        (httpx.ConnectTimeout("slow"), 503),
    ],
)
async def test_a_submission_is_sent_once_whatever_happens(
    experience: Experience, failure: Exception, status: int
) -> None:
    experience.process.answers.append(failure)

    answer = await experience.submit()

    assert answer.status_code == status
    assert len(experience.process.requests) == 1
    if status == 504:
        assert "with the same Idempotency-Key" in answer.json()["detail"]
    else:
        assert answer.json()["retryAfterSeconds"] > 0


@pytest.mark.parametrize(("method", "path", "body"), READS)
async def test_a_read_is_tried_again_and_then_unavailable(
    experience: Experience, method: str, path: str, body: Any
) -> None:
    experience.process.answers.append(httpx.ReadError("cut off"))

    answer = await experience.call(method, path, body)

    assert answer.status_code == 503
    assert answer.json()["retryAfterSeconds"] > 0
    assert len(experience.process.requests) == 3


async def test_a_read_that_succeeds_the_second_time_is_a_success(experience: Experience) -> None:
    experience.process.answers.append(httpx.ReadError("cut off"))
    experience.process.will_answer(BOOKED_ORDER)

    assert (await experience.get(ORDER)).status_code == 200


def test_the_deadline_leaves_time_to_answer_within_8_s() -> None:
    assert process_client.DEADLINE_S <= 7.5


async def test_a_process_api_that_never_answers_is_given_up_in_time(
    experience: Experience, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough for every call to be sent, on a busy machine too; so all wait at once.
    monkeypatch.setattr(process_client, "DEADLINE_S", 3.0)
    experience.process.answers.append(never_answers)

    async with asyncio.timeout(HANG_S):
        answers = await asyncio.gather(*(experience.call(*operation) for operation in OPERATIONS))

    # A read is known not done. A submission may have arrived: it would be wrong to say that it has not.
    expected = {path: 504 if path == "/v1/orders" else 503 for _, path, _ in OPERATIONS}
    assert {answer.request.url.path: answer.status_code for answer in answers} == expected
    assert {answer.json()["reasonCode"] for answer in answers} == {"deadline_exceeded"}
    assert len(experience.process.requests) == len(OPERATIONS)


async def test_the_deadline_holds_for_all_attempts_together(
    experience: Experience, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow_failure(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.25)
        raise httpx.ReadError("cut off")

    monkeypatch.setattr(process_client, "DEADLINE_S", 0.4)
    experience.process.answers.append(slow_failure)

    answer = await experience.get(ORDER)

    assert (answer.status_code, answer.json()["reasonCode"]) == (503, "deadline_exceeded")
    assert len(experience.process.requests) < 3, "three attempts are what a read has without a deadline"


async def test_time_spent_before_the_call_counts(experience: Experience, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_client, "DEADLINE_S", -0.01)
    experience.process.will_answer(accepted(), 202)

    answer = await experience.submit()

    # Nothing was sent yet, and that is what the answer says.
    assert (answer.status_code, answer.json()["reasonCode"]) == (503, "deadline_exceeded")
    assert experience.process.requests == []


async def test_an_issuer_that_gives_no_token_is_unavailable(
    settings: ExperienceSettings, caller_headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """The issuer goes away between its keys and our token: for a submission, too, nothing was sent."""
    process = RecordedProcess()

    async def issuer_without_tokens(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(502, html="<h1>Bad gateway</h1>")
        async with httpx.AsyncClient() as client:
            found = await client.get(request.url)
        return httpx.Response(found.status_code, content=found.content)

    app = create_app(
        settings,
        process_transport=httpx.MockTransport(process.answer),
        issuer_transport=httpx.MockTransport(issuer_without_tokens),
        audit_log=KeptAuditLog(),
    )
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://experience.test") as client,
    ):
        answer = await client.post("/v1/orders", json=SUBMISSION, headers={**caller_headers, "Idempotency-Key": "k"})

    assert answer.status_code == 503
    assert answer.json()["detail"] == "Quoteway cannot be used at the moment. The integration team can see the reason."
    assert "the issuer" in caplog.text, "and the integration team does"
    assert process.requests == []
