"""How answers are written: the same bytes as uvicorn's own, in one system call."""

import asyncio
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from shared.inbound import answer_writing
from shared.inbound.answer_writing import AnswerCycle

Message = dict[str, Any]


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def cycle_of(kind: type[RequestResponseCycle], wire: Any, *, method: str = "GET", keep_alive: bool = True) -> Any:
    """A cycle for one request."""
    scope: Any = {"type": "http", "method": method, "http_version": "1.1"}
    log = logging.getLogger("test")
    cycle: Any = kind(
        scope=scope,
        transport=wire,
        flow=FlowControl(wire),
        logger=log,
        access_logger=log,
        access_log=False,
        default_headers=[(b"date", b"Mon, 30 Nov 2026 06:00:00 GMT")],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: None,
    )
    cycle.close = lambda _: wire.close()
    return cycle


async def said(kind: type[RequestResponseCycle], messages: list[Message], **request: Any) -> tuple[bytes, bool]:
    """What an application's messages put on the wire, and whether the connection is closed then."""
    wire = Wire()
    cycle = cycle_of(kind, wire, **request)
    for message in messages:
        await cycle.send(message)
    return b"".join(wire.writes), wire.closed


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(content: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"X-Correlation-Id", b"etag", b"Connection", b"vary", b"cache-control"]),
        st.sampled_from([b"close", b"keep-alive", b"a, b", b"", b"\xe4\t~"]),
    ),
    max_size=4,
)


@given(
    status=st.sampled_from([200, 201, 204, 304, 404, 413, 503]),
    headers=HEADERS,
    parts=st.lists(st.binary(max_size=20), min_size=1, max_size=3),
    framing=st.sampled_from(["length", "chunks", "neither"]),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    keep_alive=st.booleans(),
)
def test_what_is_written_is_what_uvicorn_writes(
    status: int, headers: list[tuple[bytes, bytes]], parts: list[bytes], framing: str, method: str, keep_alive: bool
) -> None:
    if framing == "length":
        headers = [*headers, (b"Content-Length", str(sum(map(len, parts))).encode())]
    elif framing == "chunks":
        headers = [*headers, (b"Transfer-Encoding", b"chunked")]
    elif status in {204, 304}:
        parts = [b""]
    messages = [start(status, *headers), *(body(part, more=True) for part in parts[:-1]), body(parts[-1])]

    ours, theirs = (
        asyncio.run(said(kind, messages, method=method, keep_alive=keep_alive))
        for kind in (AnswerCycle, RequestResponseCycle)
    )

    assert ours == theirs


async def test_head_and_body_are_one_write() -> None:
    wire = Wire()
    cycle = cycle_of(AnswerCycle, wire)

    await cycle.send(start(200, (b"content-length", b"4")))
    assert wire.writes == []
    await cycle.send(body(b"here"))

    assert len(wire.writes) == 1
    assert wire.writes[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert wire.writes[0].endswith(b"\r\n\r\nhere")


async def test_a_large_body_is_not_copied_beside_its_head() -> None:
    wire, large = Wire(), b"x" * 100_000
    cycle = cycle_of(AnswerCycle, wire)

    await cycle.send(start(200, (b"content-length", b"100000")))
    await cycle.send(body(large))

    assert [len(each) for each in wire.writes[1:]] == [100_000]


@pytest.mark.parametrize(
    "header",
    [
        (b"x y", b"a"),
        (b"", b"a"),
        (b"x:", b"a"),
        (b"x\r\ny", b"a"),
        (b"x", b"a\r\nSet-Cookie: b"),
        (b"x", b"a\nb"),
        (b"x", b"\0"),
    ],
)
async def test_a_header_that_would_be_read_as_another_is_never_written(header: tuple[bytes, bytes]) -> None:
    wire = Wire()
    cycle = cycle_of(AnswerCycle, wire)

    with pytest.raises(RuntimeError):
        await cycle.send(start(200, header))

    assert wire.writes == []


@pytest.mark.parametrize(
    "messages",
    [
        [start(200, (b"content-length", b"4")), body(b"four!")],
        [start(200, (b"content-length", b"4")), body(b"for")],
        [start(200, (b"content-length", b"4")), body(b"four", more=True), body(b"!")],
        [body(b"four")],
        [start(), start()],
        [start(), body(), body()],
    ],
    ids=["longer", "shorter", "longer later", "no head", "two heads", "after the end"],
)
async def test_what_is_out_of_order_or_of_another_length_is_a_defect(messages: list[Message]) -> None:
    *before, last = messages
    cycle = cycle_of(AnswerCycle, Wire())
    for message in before:
        await cycle.send(message)

    with pytest.raises(RuntimeError):
        await cycle.send(last)


async def test_nothing_is_written_to_a_client_that_has_gone() -> None:
    wire = Wire()
    cycle = cycle_of(AnswerCycle, wire)
    cycle.disconnected = True

    await cycle.send(start())
    await cycle.send(body(b"x"))

    assert wire.writes == []


def test_the_names_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_writing, "_names", {})
    for number in range(answer_writing._NAMES_MAX + 5):
        assert answer_writing._checked(b"X-%d" % number) == b"x-%d" % number

    assert len(answer_writing._names) == answer_writing._NAMES_MAX
