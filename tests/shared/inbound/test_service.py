"""The inbound policies on a small service with real tokens."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from litestar import Request, Response, get
from litestar.exceptions import ImproperlyConfiguredException

from shared.identity.auth import Authenticator, Principal
from shared.inbound import service as service_module
from shared.inbound.body import BODY_BYTES_MAX
from shared.inbound.service import create_service
from shared.operations.operation import public
from tests.app_lifespan import asgi_transport, running_app
from tests.shared.inbound.thing_service import (
    KEY,
    READ,
    authorization,
    create_thing,
    get_public,
    get_thing,
    poke,
    tier,
)
from tests.shared.tokens import AUDIENCE, METADATA_URL, StandInIssuer, claims, sign

METADATA = 'resource_metadata="http://service.test/.well-known/oauth-protected-resource"'


@get("/v1/things", operation_id="listThings", opt=READ, sync_to_thread=False)
def list_things() -> list[str]:
    """Beside another operation at its address."""
    return ["a"]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport())
    app = create_service(tier(authenticator), [get_thing, list_things, create_thing, poke, get_public], state={})
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://service.test") as found,
    ):
        yield found


async def create(client: httpx.AsyncClient, content: Any = b'{"thingName":"a"}', **headers: str) -> httpx.Response:
    sent = {**authorization(), "Content-Type": "application/json", "Idempotency-Key": "k", **headers}
    return await client.post("/v1/things", content=content, headers=sent)


def assert_problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    problem: dict[str, Any] = answer.json()
    assert answer.status_code == problem["status"] == status, problem
    assert problem["type"] == f"urn:quoteway:problem:{slug}"
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["correlationId"] == answer.headers["x-correlation-id"]
    return problem


async def test_a_caller_with_the_scope_is_let_in_as_who_its_token_says(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/things/a", headers=authorization())

    assert answer.json() == {"thing": "a", "tenant": "nordwind", "subject": "005QW0000000001AAA"}


@pytest.mark.parametrize("redact", [None, str.lower])
async def test_vendors_own_words_are_only_sent_by_a_tier_with_redaction(redact: Callable[[str], str] | None) -> None:
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport())
    app = create_service(tier(authenticator, redact=redact), [get_thing], state={})
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://service.test") as client,
    ):
        problem = (await client.get("/v1/things/refused", headers=authorization())).json()

    assert problem["reasonCode"] == "no"
    told = {name: problem[name] for name in ("vendorSaid", "whatToDo") if name in problem}
    assert told == ({} if redact is None else {"vendorSaid": "select id", "whatToDo": "Look."})


async def test_without_a_token_there_is_401(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/things/a")

    assert_problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == f'Bearer scope="things:read", {METADATA}'


async def test_wrong_token_is_401_without_a_reason(client: httpx.AsyncClient) -> None:
    # An expired but otherwise valid token is told so: tests/shared/identity/test_auth.py.
    early, foreign = sign(KEY, claims(iat=int(time.time()) + 3600)), sign(KEY, claims(aud="another"))
    answers = [
        await client.get("/v1/things/a", headers={"Authorization": f"Bearer {token}"}) for token in (early, foreign)
    ]

    problems = [assert_problem(answer, 401, "unauthenticated") for answer in answers]
    assert problems[0]["detail"] == problems[1]["detail"]
    assert 'error="invalid_token"' in answers[0].headers["www-authenticate"]


@pytest.mark.parametrize("scope", ["", "things:write", "things:rea", "Things:read"])
async def test_without_the_scope_there_is_403(client: httpx.AsyncClient, scope: str) -> None:
    answer = await client.get("/v1/things/a", headers=authorization(scope))

    assert_problem(answer, 403, "forbidden")
    assert answer.headers["www-authenticate"] == (f'Bearer error="insufficient_scope", scope="things:read", {METADATA}')


async def test_all_scopes_of_an_operation_are_needed(client: httpx.AsyncClient) -> None:
    answer = await create(client, **authorization("things:read"))

    assert "things:write" in assert_problem(answer, 403, "forbidden")["detail"]


async def test_body_of_a_caller_without_a_token_is_not_read(client: httpx.AsyncClient) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        raise AssertionError("the body was read")

    answer = await client.post("/v1/things", content=body())

    assert_problem(answer, 401, "unauthenticated")


async def test_an_address_that_is_not_there_is_404(client: httpx.AsyncClient) -> None:
    for path in ("/nothing", "/v1/things/a/b", "/v1"):
        assert_problem(await client.get(path, headers=authorization()), 404, "no-such-address")


async def test_a_method_that_an_address_does_not_take_is_405_and_names_those_it_takes(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.delete("/v1/things/a", headers=authorization())

    assert_problem(answer, 405, "method-not-allowed")
    assert "GET" in answer.headers["allow"]


async def test_options_needs_no_token(client: httpx.AsyncClient) -> None:
    answer = await client.options("/v1/things/a")

    assert answer.status_code == 204
    assert answer.headers["allow"] == "GET, OPTIONS"
    assert (await client.options("/v1/things")).headers["allow"] == "GET, POST, OPTIONS"
    assert (await client.options("/v1/nothing")).status_code == 404


async def test_public_operations_answer_without_a_token(client: httpx.AsyncClient) -> None:
    assert (await client.get("/public")).text == "hello"
    assert (await client.get("/health/live")).status_code == 200


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/things/A", "path/thingId"),
        ("/v1/things/a?pageSize=0", "query/pageSize"),
        ("/v1/things/a?pageSize=x", "query/pageSize"),
        ("/v1/things/a%0A", "path"),
        ("/v1/things/a%00", "path"),
        ("/v1/things/a?pageSize=1%0D", "path"),
    ],
)
async def test_a_wrong_parameter_is_named_as_the_caller_knows_it(
    client: httpx.AsyncClient, path: str, pointer: str
) -> None:
    problem = assert_problem(await client.get(path, headers=authorization()), 400, "invalid-request")

    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


async def test_every_wrong_parameter_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/things/A?pageSize=0", headers=authorization())

    problem = assert_problem(answer, 400, "invalid-request")
    assert {fault["pointer"] for fault in problem["errors"]} == {"path/thingId", "query/pageSize"}


async def test_a_missing_header_is_named(client: httpx.AsyncClient) -> None:
    headers = {**authorization(), "Content-Type": "application/json"}
    answer = await client.post("/v1/things", content=b'{"thingName":"a"}', headers=headers)

    problem = assert_problem(answer, 400, "invalid-request")
    assert problem["errors"] == [{"pointer": "header/Idempotency-Key", "detail": "This parameter is required."}]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"{}", "/thingName"),
        (b'{"thingName":1}', "/thingName"),
        (b'{"thingName":"a","count":"1"}', "/count"),
        (b'{"thingName":"a","count":1.5}', "/count"),
        (b'{"thingName":"a","other":1}', "/other"),
        (b'{"thingName":"a","thingName":"b"}', "/thingName"),
        (b"[]", ""),
        (b"null", ""),
        (b"{", ""),
        (b'{"thingName":"\xff"}', ""),
        (b'{"thingName":"\\ud800"}', ""),
        (b"[" * 100_000, ""),
    ],
)
async def test_a_wrong_body_is_refused_with_a_pointer(client: httpx.AsyncClient, body: bytes, pointer: str) -> None:
    problem = assert_problem(await create(client, body), 400, "invalid-request")

    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


async def test_every_fault_of_a_body_is_pointed_at(client: httpx.AsyncClient) -> None:
    problem = assert_problem(await create(client, b'{"thing_name":"a","count":"1"}'), 400, "invalid-request")

    assert [fault["pointer"] for fault in problem["errors"]] == ["/thingName", "/count", "/thing_name"]


async def test_a_right_body_reaches_the_handler(client: httpx.AsyncClient) -> None:
    answer = await create(client, '{"thingName":"Bücher","count":2}'.encode())

    assert (answer.status_code, answer.json()) == (201, {"thingName": "Bücher", "count": 2})


async def test_a_missing_body_is_said_to_be_missing(client: httpx.AsyncClient) -> None:
    problem = assert_problem(await create(client, b""), 400, "invalid-request")

    assert problem["detail"] == "A JSON body is needed."


async def test_an_operation_without_a_body_needs_none(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/pokes", headers=authorization())).json() == {"poked": True}


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded", ""])
async def test_only_json_is_taken(client: httpx.AsyncClient, media_type: str) -> None:
    problem = assert_problem(await create(client, **{"Content-Type": media_type}), 400, "invalid-request")

    assert problem["detail"] == "Send the body as application/json."


async def test_json_may_name_its_character_set(client: httpx.AsyncClient) -> None:
    assert (await create(client, **{"Content-Type": "Application/JSON; charset=utf-8"})).status_code == 201


@pytest.mark.parametrize("declared", [True, False])
async def test_a_large_body_is_413_whether_its_length_is_declared_or_not(
    client: httpx.AsyncClient, *, declared: bool
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 100_000

    content = b" " * (BODY_BYTES_MAX + 1) if declared else chunks()

    assert_problem(await create(client, content), 413, "payload-too-large")


async def test_a_body_that_trickles_in_is_given_up(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    monkeypatch.setattr(service_module, "BODY_TIMEOUT_S", 0.2)

    answer = await create(client, trickle())

    assert_problem(answer, 408, "request-timeout")
    assert answer.headers["connection"] == "close"


async def test_defect_is_500_with_logged_id_and_no_internal_details(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await client.get("/v1/things/broken", headers=authorization())

    problem = assert_problem(answer, 500, "internal-error")
    assert "hunter2" not in answer.text
    assert problem["correlationId"]
    [record] = [record for record in caplog.records if record.name == "shared.inbound.problem_answer"]
    assert record.exc_info is not None
    assert "hunter2" in str(record.exc_info[1])


async def test_a_known_error_keeps_its_headers(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/things/busy?pageSize=4", headers=authorization())

    assert assert_problem(answer, 409, "conflict")["retryAfterSeconds"] == 4
    assert answer.headers["retry-after"] == "4"


@pytest.mark.parametrize("path", ["/public", "/v1/things/a", "/v1/things/A", "/nothing"])
async def test_every_answer_carries_the_correlation_id_it_was_given_once(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"X-Correlation-Id": "from-the-caller.1"})

    assert answer.headers.get_list("x-correlation-id") == ["from-the-caller.1"]


@pytest.mark.parametrize("harmful", ["short", "x" * 65, "with space", 'quote"quote', "semi;colon", "new\\nline"])
async def test_a_harmful_correlation_id_is_replaced(client: httpx.AsyncClient, harmful: str) -> None:
    answer = await client.get("/public", headers={"X-Correlation-Id": harmful})

    assert answer.headers["x-correlation-id"] != harmful
    assert len(answer.headers["x-correlation-id"]) == 32


@pytest.mark.parametrize(
    ("plain", "accept", "media_type"),
    [
        (False, "application/json", "application/problem+json"),
        (True, "*/*", "application/json"),
        (True, "application/problem+json", "application/problem+json"),
    ],
)
async def test_a_tier_may_answer_problems_plainly(accept: str, media_type: str, *, plain: bool) -> None:
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport())
    app = create_service(tier(authenticator, plain=plain), [get_thing], state={})
    async with httpx.AsyncClient(transport=asgi_transport(app), base_url="http://service.test") as client:
        answer = await client.get("/v1/things/a", headers={"Accept": accept})

    assert (answer.status_code, answer.headers["content-type"]) == (401, media_type)


def test_a_handler_without_a_policy_keeps_the_service_from_starting() -> None:
    @get("/v1/forgotten", sync_to_thread=False)
    def forgotten() -> str:
        """Open by omission."""
        return "everything"

    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport())
    with pytest.raises(ImproperlyConfiguredException, match=r"/v1/forgotten: .* declares no policy"):
        create_service(tier(authenticator), [get_thing, forgotten], state={})


def test_hook_that_would_replace_the_chains_check_cannot_be_served() -> None:
    async def another(_request: Request[Any, Any, Any]) -> None:
        """Lets everything pass."""

    @get("/v1/hooked", opt=public(), before_request=another, sync_to_thread=False)
    def hooked() -> str:
        """Never served."""
        return "everything"

    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport())
    with pytest.raises(ImproperlyConfiguredException, match=r"/v1/hooked: .* before_request of its own"):
        create_service(tier(authenticator), [get_thing, hooked], state={})


async def test_state_reaches_handlers_and_shutdown_hooks_run_in_order() -> None:
    ended: list[str] = []

    @get("/v1/state", opt=public(), sync_to_thread=False)
    def read_state(request: Request[Principal, Any, Any]) -> Response[str]:
        """What was given."""
        return Response(request.app.state.given)

    async def begin() -> None:
        ended.append("began")

    async def end() -> None:
        ended.append("ended")

    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport())
    app = create_service(
        tier(authenticator), [read_state], state={"given": "42"}, on_startup=[begin], on_shutdown=[end]
    )
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://service.test") as client,
    ):
        assert (await client.get("/v1/state")).text == "42"

    assert ended == ["began", "ended"]
