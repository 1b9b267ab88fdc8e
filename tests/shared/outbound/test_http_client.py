"""The HTTP client: what may be retried, and what its errors mean."""

import asyncio
import contextlib
import socket

import httpx
import msgspec
import pytest

from sandbox.processes.ports import free_port
from shared.outbound import http_client, network
from shared.outbound.http_client import OutboundClient, raise_for_problem, retry_after_s
from shared.outbound.network import Answer, Network
from shared.outbound.outbound_settings import OutboundSettings
from shared.problem import (
    Conflict,
    IdempotencyMismatch,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    QuotewayError,
    Rejected,
    Unauthenticated,
    Unavailable,
)
from shared.telemetry.process_telemetry import set_correlation_id
from tests.patience import HANG_S
from tests.shared.outbound.peer import OK, PATIENT, QUICK, Peer


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "_BACKOFF_S", (0.01, 0.01))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_where_nobody_listens_nothing_was_sent(method: str) -> None:
    client = OutboundClient("peer", f"http://127.0.0.1:{free_port()}", settings=PATIENT)

    with pytest.raises(Unavailable, match="peer does not answer") as refused:
        await client.send(method, "/")
    assert (refused.value.vendor, refused.value.vendor_said) == ("peer", "ConnectError")
    await client.close()


WRITES = ["POST", "PUT", "PATCH", "DELETE"]
LOST = {
    "no answer": None,
    "closed without a word": b"",
    "half a status line": b"HTTP/1.1 20",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "not HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "broken compression": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhalf",
}


@pytest.mark.parametrize("answer", LOST.values(), ids=LOST)
@pytest.mark.parametrize("method", WRITES)
async def test_a_write_is_sent_once_and_its_lost_answer_is_an_unknown_outcome(
    method: str, answer: bytes | None
) -> None:
    peer = Peer(answer)
    async with peer.listening() as url:
        client = OutboundClient("peer", url, settings=QUICK if answer is None else PATIENT)
        with pytest.raises(OutcomeUnknown, match="peer took the request"):
            await client.send(method, "/orders")
        await client.close()

    assert len(peer.requests) == 1


@pytest.mark.parametrize("answer", LOST.values(), ids=LOST)
async def test_a_read_is_tried_three_times_and_is_then_unavailable_unless_nobody_answered_in_time(
    answer: bytes | None,
) -> None:
    peer = Peer(answer)
    async with peer.listening() as url:
        client = OutboundClient("peer", url, settings=QUICK if answer is None else PATIENT)
        with pytest.raises(Unavailable):
            await client.send("GET", "/orders")
        await client.close()

    assert len(peer.requests) == (1 if answer is None else 3)


async def test_read_is_retried_until_it_is_answered() -> None:
    peer = Peer(b"", OK)
    async with peer.listening() as url:
        client = OutboundClient("peer", url, settings=PATIENT)
        answer = await client.send("GET", "/orders")
        await client.close()

    assert answer.content == b"ok"
    assert len(peer.requests) == 2


@pytest.mark.parametrize("name", ["Zürich".encode(), "Zürich".encode("latin-1")])
@pytest.mark.parametrize("through_httpx", [True, False])
async def test_a_header_that_cannot_be_read_loses_no_answer(name: bytes, *, through_httpx: bool) -> None:
    peer = Peer(b"HTTP/1.1 200 OK\r\nRetry-After: 4\r\nX-City: " + name + b"\r\nContent-Length: 2\r\n\r\nok")
    async with peer.listening() as url:
        if through_httpx:  # as the OAuth client asks
            async with httpx.AsyncClient(transport=Network(PATIENT)) as oauth:
                asked = await oauth.get(f"{url}/orders")
            answer = Answer(asked.status_code, asked.content, asked.headers.multi_items())
        else:
            client = OutboundClient("peer", url, settings=PATIENT)
            answer = await client.send("GET", "/orders")
            await client.close()

    assert (answer.content, answer.headers["retry-after"]) == (b"ok", "4")


async def test_search_by_post_is_retried_if_marked_as_a_read() -> None:
    peer = Peer(b"", OK)
    async with peer.listening() as url:
        client = OutboundClient("peer", url, settings=PATIENT)
        assert (await client.send("POST", "/search", reads=True)).content == b"ok"
        await client.close()

    assert len(peer.requests) == 2


async def test_get_with_effects_is_not_retried_if_marked_as_a_write() -> None:
    peer = Peer(b"")
    async with peer.listening() as url:
        client = OutboundClient("peer", url, settings=PATIENT)
        with pytest.raises(OutcomeUnknown):
            await client.send("GET", "/fire", reads=False)
        await client.close()

    assert len(peer.requests) == 1


@pytest.mark.parametrize("status", [200, 201, 300, 400, 404, 409, 429, 500, 503])
async def test_answer_of_any_status_is_returned_without_a_retry(status: int) -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(status)

    client = OutboundClient("peer", "http://peer.test", transport=httpx.MockTransport(answer))

    assert (await client.send("GET", "/")).status_code == status
    assert len(seen) == 1


async def test_the_correlation_id_goes_along_and_redirects_are_not_followed() -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(307, headers={"Location": "http://evil.test/"})

    client = OutboundClient("peer", "http://peer.test/root", transport=httpx.MockTransport(answer))
    set_correlation_id("a-flow-of-ours")

    answered = await client.send("POST", "/x", params={"q": "a b"}, headers={"X-More": "1"}, content=b"{}")

    assert answered.status_code == 307
    [request] = seen
    assert str(request.url) == "http://peer.test/root/x?q=a+b"
    assert request.headers["x-correlation-id"] == "a-flow-of-ours"
    assert request.headers["x-more"] == "1"
    assert request.content == b"{}"


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    peer = Peer(OK)
    async with peer.listening() as url:
        client = OutboundClient("peer", url, settings=PATIENT)
        assert (await client.send("GET", "/")).content == b"ok"
        await client.close()


async def test_an_idle_connection_is_given_up_before_the_peer_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write on a connection that is being closed would be an unnecessary unknown outcome."""
    monkeypatch.setattr(network, "_KEEP_ALIVE_S", 0.05)
    peer = Peer(OK)
    async with peer.listening() as url:
        client = OutboundClient("peer", url, settings=PATIENT)
        await client.send("POST", "/")
        await asyncio.sleep(0.1)
        await client.send("POST", "/")
        await client.close()

    assert (len(peer.requests), peer.connections) == (2, 2)


async def test_write_on_a_closing_connection_is_not_retried() -> None:
    peer = Peer(OK, b"")
    async with peer.listening() as url:
        client = OutboundClient("peer", url, settings=PATIENT)
        await client.send("POST", "/")
        with pytest.raises(OutcomeUnknown):
            await client.send("POST", "/")
        await client.close()

    assert (len(peer.requests), peer.connections) == (2, 1)


async def test_request_without_a_free_connection_is_unavailable() -> None:
    peer = Peer(None)
    async with peer.listening() as url:
        limits = OutboundSettings(connect_timeout_s=0.1, answer_timeout_s=0.5, connections_max=1)
        client = OutboundClient("peer", url, settings=limits)
        first = asyncio.create_task(client.send("POST", "/"))
        await asyncio.sleep(0.05)
        with pytest.raises(Unavailable) as refused:
            await client.send("POST", "/")
        assert refused.value.vendor_said == "PoolTimeout"
        with pytest.raises(OutcomeUnknown):
            await first
        await client.close()

    assert len(peer.requests) == 1


async def test_network_sends_the_request_unchanged() -> None:
    peer = Peer(OK)
    async with peer.listening() as url:
        client = OutboundClient("peer", f"{url}/below", settings=PATIENT)
        set_correlation_id("a-flow-of-ours")
        await client.send("POST", "/x", params={"q": "a b&c"}, headers={"X-More": "1"})
        await client.close()

    head = peer.requests[0].decode().lower()
    assert head.startswith("post /below/x?q=a+b%26c http/1.1\r\n")
    assert "\r\nx-correlation-id: a-flow-of-ours\r\n" in head
    assert "\r\nx-more: 1\r\n" in head
    assert "\r\ncontent-length: 0\r\n" in head


async def test_a_redirect_over_the_network_is_an_answer_like_any_other() -> None:
    peer = Peer(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
    async with peer.listening() as url:
        client = OutboundClient("peer", url, settings=PATIENT)
        assert (await client.send("GET", "/")).status_code == 307
        await client.close()

    assert len(peer.requests) == 1


async def test_the_network_serves_httpx_as_well() -> None:
    peer = Peer(OK)
    async with peer.listening() as url, httpx.AsyncClient(transport=Network(PATIENT), base_url=url) as client:
        answer = await client.post("/form", data={"a": "1"})

    assert answer.raise_for_status().content == b"ok"
    assert b"content-type: application/x-www-form-urlencoded" in peer.requests[0].lower()


async def test_an_unroutable_peer_is_given_up_after_the_connect_time_out() -> None:
    with socket.socket() as full:
        # A listener whose queue is full drops further connection requests: connecting hangs.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        holding = [socket.socket() for _ in range(4)]
        for held in holding:
            held.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                held.connect(full.getsockname())
        settings = OutboundSettings(connect_timeout_s=0.1, answer_timeout_s=HANG_S)
        client = OutboundClient("peer", f"http://127.0.0.1:{full.getsockname()[1]}", settings=settings)
        with pytest.raises(Unavailable) as refused:
            await client.send("POST", "/")
        await client.close()
        for held in holding:
            held.close()
        assert refused.value.vendor_said == "ConnectTimeout"


# -- what another tier of ours answered ---------------------------------------------------------------------------


def answered(error: QuotewayError) -> Answer:
    return Answer(error.status, msgspec.json.encode(error.problem("c")), list(error.headers.items()))


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("Wrong."),
        NotFound("Nothing there."),
        Conflict("Not now."),
        IdempotencyMismatch("Another body."),
        Rejected("No.", reason_code="credit_refused"),
        Unavailable("Away.", retry_after_s=9),
        OutcomeUnknown("Lost."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_error_of_another_tier_is_raised_again(error: QuotewayError, *, safe: bool) -> None:
    with pytest.raises(type(error)) as raised:
        raise_for_problem(answered(error), "peer", safe=safe)

    assert raised.value.problem("c") == error.problem("c")


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_success_is_no_error(status: int) -> None:
    raise_for_problem(Answer(status, b""), "peer", safe=False)


@pytest.mark.parametrize(
    ("response", "family"),
    [
        (Answer(500, b""), OutcomeUnknown),
        (Answer(502, b"<h1>Bad gateway</h1>"), OutcomeUnknown),
        (Answer(504, b""), OutcomeUnknown),
        (Answer(302, b""), OutcomeUnknown),
        (Answer(404, b"nginx"), OutcomeUnknown),
        (Answer(400, b'{"error": "x"}'), OutcomeUnknown),
        (answered(QuotewayError("A defect.")), OutcomeUnknown),
        (answered(Unauthenticated("No token.")), Unavailable),
        (Answer(401, b""), Unavailable),
        (Answer(403, b""), Unavailable),
        (Answer(429, b"", [("Retry-After", "4")]), Unavailable),
        (Answer(503, b""), Unavailable),
    ],
)
def test_other_errors_are_unavailable_for_reads_and_mostly_unknown_for_writes(
    response: Answer, family: type[QuotewayError]
) -> None:
    with pytest.raises(Unavailable):
        raise_for_problem(response, "peer", safe=True)
    with pytest.raises(family, match="peer answered"):
        raise_for_problem(response, "peer", safe=False)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 0), ("7", 7), ("999999", 3600), ("", None), ("-1", None), ("1.5", None), ("soon", None), ("²", None),
     ("Wed, 21 Oct 2026 07:28:00 GMT", None)],
)  # fmt: skip
def test_retry_after_in_seconds_capped_at_an_hour(header: str, seconds: int | None) -> None:
    response = Answer(503, b"", [("retry-after", header)])

    assert retry_after_s(response) == seconds
