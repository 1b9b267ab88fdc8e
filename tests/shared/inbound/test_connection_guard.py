"""Slow and broken clients, on real sockets against a serving process: each is disconnected in time."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.processes.process import RunningProcess, start_process
from tests.patience import HANG_S

PROGRAM = """
import asyncio
import sys
from typing import Any
from litestar import Litestar, Request, get, post
from shared.inbound import connection_guard
from shared.inbound.serve import serve

connection_guard.HEADERS_WITHIN_S = float(sys.argv[1])
connection_guard.ANSWER_READ_WITHIN_S = 1.0
connection_guard.BODY_LINGERS_S = float(sys.argv[2])
connection_guard.BODY_AND_FRAMES_BYTES_MAX = 200_000

@get("/", sync_to_thread=False)
def root() -> str:
    return "here"

@get("/much", sync_to_thread=False)
def much() -> bytes:
    return b"x" * 30_000_000

@get("/never")
async def never() -> None:
    await asyncio.Event().wait()

@post("/headers", status_code=200)
async def headers(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return {"body": len(await request.body()), "names": sorted({name.decode() for name, _ in request.scope["headers"]})}

serve(Litestar([root, much, never, headers], logging_config=None), "127.0.0.1", 0, "The thing")
"""
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module")
def thing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProcess]:
    log = tmp_path_factory.mktemp("thing") / "log"
    with start_process(
        "thing", [sys.executable, "-c", PROGRAM, "0.5", "0.5"], log_path=log, ready="json line"
    ) as process:
        yield process


async def opened(thing: RunningProcess) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(thing.url.rsplit(":", 1)[1]))


async def answer_to(thing: RunningProcess, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """Return everything the server says until it closes the connection, which it has to do within 5 s."""
    reader, writer = await opened(thing)
    async with asyncio.timeout(HANG_S):
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause_s)
        said = b""
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                said += chunk
    writer.close()
    return said


def problem(said: bytes) -> dict[str, object]:
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    found: dict[str, object] = json.loads(body)
    assert f"x-correlation-id: {found['correlationId']}".encode() in head
    return found


async def test_slow_headers_are_cut_off_with_a_problem(thing: RunningProcess) -> None:
    said = await answer_to(thing, REQUEST[:20])

    assert problem(said)["status"] == 408


async def test_trickling_headers_get_no_extra_time(thing: RunningProcess) -> None:
    reader, writer = await opened(thing)
    reading = asyncio.create_task(reader.read(65_536))
    sent = 0
    writer.write(b"GET / HTTP/1.1\r\n")
    while not reading.done() and sent < 10_000:
        writer.write(b"X-Slow: 1\r\n")
        sent += 1
        await asyncio.sleep(0.05)
    writer.close()

    assert problem(await reading)["status"] == 408
    assert sent < 10_000


async def test_silent_connection_is_closed(thing: RunningProcess) -> None:
    assert problem(await answer_to(thing))["status"] == 408


async def test_a_further_request_on_a_kept_connection_has_the_same_deadline(thing: RunningProcess) -> None:
    said = await answer_to(thing, REQUEST, REQUEST[:20], pause_s=0.1)

    assert said.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 408" in said


async def test_500_slow_clients_are_closed_while_others_are_served(thing: RunningProcess) -> None:
    slow = [asyncio.create_task(answer_to(thing, REQUEST[:20])) for _ in range(500)]
    await asyncio.sleep(0.1)
    reader, writer = await opened(thing)
    writer.write(REQUEST)
    served = await reader.read(100)
    writer.close()

    assert served.startswith(b"HTTP/1.1 200 OK")
    assert all(b" 408 " in said for said in await asyncio.gather(*slow))


LARGE_HEADS = {
    "one header": b"GET / HTTP/1.1\r\nHost: a\r\nX-Pad: " + b"x" * 100_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-Pad: y\r\n" * 10_000 + b"\r\n",
    "the name": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"x" * 100_000 + b": y\r\n\r\n",
    "the address": b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "with a body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nX: " + b"x" * 33_000 + b"\r\n\r\nab",
}


@pytest.mark.parametrize("part_bytes", [1_000_000, 8000, 30_000], ids=["one read", "small reads", "large reads"])
@pytest.mark.parametrize("head", LARGE_HEADS.values(), ids=LARGE_HEADS)
async def test_too_many_header_bytes_are_refused_however_they_arrive(
    thing: RunningProcess, head: bytes, part_bytes: int
) -> None:
    parts = [head[at : at + part_bytes] for at in range(0, len(head), part_bytes)]

    assert problem(await answer_to(thing, *parts, pause_s=0.01))["status"] == 431


async def test_headers_up_to_the_bound_are_taken_and_counted_anew_for_each_request(thing: RunningProcess) -> None:
    large = b"GET / HTTP/1.1\r\nHost: a\r\nX-Pad: " + b"x" * 32_000 + b"\r\n\r\n"

    said = await answer_to(thing, large + large, large[:-2] + b"Connection: close\r\n\r\n")

    assert said.count(b"HTTP/1.1 200 OK") == 3
    assert b" 431 " not in said


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n",
    ],
)
async def test_invalid_http_is_400_or_closed_and_never_500(thing: RunningProcess, rubbish: bytes) -> None:
    said = await answer_to(thing, rubbish)

    assert b"HTTP/1.1 5" not in said
    assert said == b"" or b"HTTP/1.1 4" in said


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET /x#/../y HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://evil/x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://a:81/x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_ambiguous_request_is_400(thing: RunningProcess, head: bytes) -> None:
    assert problem(await answer_to(thing, head))["status"] == 400


async def test_an_absolute_address_of_this_host_is_taken(thing: RunningProcess) -> None:
    said = await answer_to(thing, b"GET http://A:80/ HTTP/1.1\r\nHost: a:80\r\nConnection: close\r\n\r\n")

    assert said.startswith(b"HTTP/1.1 200 OK")


CHUNKED = b"POST /headers HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("broken", [b"ZZ\r\n", b"2\r\nabXX", b"-1\r\n", b"2\nab", b"0x2\r\nab\r\n", b"2 \r\nab\r\n"])
@pytest.mark.parametrize("pause_s", [0.0, 0.2], ids=["at once", "later"])
async def test_broken_chunks_are_answered_400_once_and_closed(
    thing: RunningProcess, broken: bytes, pause_s: float
) -> None:
    parts = [CHUNKED, broken] if pause_s else [CHUNKED + broken]

    said = await answer_to(thing, *parts, pause_s=pause_s)

    assert problem(said)["status"] == 400
    assert said.count(b"HTTP/1.1") == 1


async def test_broken_chunks_behind_an_answer_that_is_due_are_only_closed(thing: RunningProcess) -> None:
    """An answer now would be taken for that of the request before."""
    assert await answer_to(thing, b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n", CHUNKED + b"ZZ\r\n") == b""
    assert await answer_to(thing, b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n" + b"RUBBISH\r\n\r\n") == b""


async def test_broken_chunks_of_a_request_that_has_its_answer_get_no_second_one(thing: RunningProcess) -> None:
    refused = CHUNKED.replace(b"/headers", b"/much")

    said = await answer_to(thing, refused, b"ZZ\r\n", pause_s=0.3)

    assert said.startswith(b"HTTP/1.1 405")
    assert said.count(b"HTTP/1.1") == 1


async def test_trailers_are_not_treated_as_headers(thing: RunningProcess) -> None:
    head = CHUNKED[:-2] + b"Connection: close\r\n\r\n"
    said = await answer_to(thing, head + b"2\r\nab\r\n0\r\nAuthorization: Bearer x\r\nTxn-Token: y\r\n\r\n")

    assert json.loads(said.partition(b"\r\n\r\n")[2]) == {
        "body": 2,
        "names": ["connection", "host", "transfer-encoding"],
    }


@pytest.mark.parametrize(
    "endless",
    [b"0\r\nX: " + b"x" * 400_000, b"0\r\n" + b"X: y\r\n" * 70_000, b"1;" + b"x" * 400_000],
    ids=["a trailer", "trailers", "a chunk's extension"],
)
async def test_bytes_after_the_headers_are_bounded(thing: RunningProcess, endless: bytes) -> None:
    parts = [endless[at : at + 50_000] for at in range(0, len(endless), 50_000)]

    said = await answer_to(thing, CHUNKED, *parts)

    assert said == b"" or problem(said)["status"] in {413, 431}


async def trickle_a_refused_body(thing: RunningProcess, bytes_max: int) -> tuple[bytes, bool]:
    """What a client is told that sends a body nobody reads, a byte at a time, and whether it is let go meanwhile."""
    reader, writer = await opened(thing)
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
    said = await reader.readuntil(b"}")
    closed = asyncio.create_task(reader.read(1))
    with contextlib.suppress(ConnectionError):
        for _ in range(bytes_max):
            if closed.done():
                break
            writer.write(b"x")
            await asyncio.sleep(0.05)
    was_closed = closed.done()
    closed.cancel()
    writer.close()
    with contextlib.suppress(ConnectionError, asyncio.CancelledError):
        await closed
    return said, was_closed


async def test_a_body_that_trickles_in_after_its_refusal_is_cut_off(thing: RunningProcess) -> None:
    said, was_closed = await trickle_a_refused_body(thing, 100_000)

    assert said.startswith(b"HTTP/1.1 405")
    assert was_closed


async def test_mutation_without_deadline_a_refused_body_holds_the_connection(tmp_path: Path) -> None:
    """The mutation of the test above."""
    argv = [sys.executable, "-c", PROGRAM, "0.5", "3600"]
    with start_process("thing", argv, log_path=tmp_path / "log", ready="json line") as process:
        _, was_closed = await trickle_a_refused_body(process, 80)

    assert not was_closed


async def test_a_refused_body_that_ends_in_time_keeps_the_connection(thing: RunningProcess) -> None:
    reader, writer = await opened(thing)
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
    assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 405")
    writer.write(b"cd" + REQUEST)
    assert (await reader.read(65_536)).startswith(b"HTTP/1.1 200")
    writer.close()


@pytest.mark.parametrize("head", [b"Connection: close\r\nContent-Length: 500000", b"Content-Length: 500000"])
def test_a_refused_body_can_be_sent_to_its_end(thing: RunningProcess, head: bytes) -> None:
    # Many clients read no answer once a write has failed, and a proxy makes a 502 of it. The bound here is 200,000.
    head = b"POST / HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(thing.url.rsplit(":", 1)[1])), timeout=HANG_S) as client:
        client.sendall(head + b"x" * 50_000)
        assert client.recv(65_536, socket.MSG_PEEK).startswith(b"HTTP/1.1 405"), (
            "it is answered before its body is here"
        )
        for _ in range(45):
            client.sendall(b"x" * 10_000)

        said = b"".join(iter(lambda: client.recv(65_536), b""))

    assert said.count(b"HTTP/1.1 ") == 1


async def test_who_never_reads_its_answer_is_let_go(thing: RunningProcess) -> None:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", int(thing.url.rsplit(":", 1)[1])))
        client.sendall(b"GET /much HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(4)
        assert established(thing, client.getsockname()[1]) == 0


def established(thing: RunningProcess, client_port: int) -> int:
    """Return how many connections to that client the kernel still holds for the server."""
    server_port = int(thing.url.rsplit(":", 1)[1])
    rows = [row.split()[1:4] for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    wanted = (f"0100007F:{server_port:04X}", f"0100007F:{client_port:04X}", "01")
    return sum(tuple(row) == wanted for row in rows)
