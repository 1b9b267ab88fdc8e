"""Slow and broken clients, on real sockets against a process that serves: each is let go in time."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.process import RunningProcess, start_process

PROGRAM = """
import sys
from litestar import Litestar, get
from shared import connection_guard
from shared.serve import serve

connection_guard.HEADERS_WITHIN_S = float(sys.argv[1])
connection_guard.ANSWER_READ_WITHIN_S = 1.0
connection_guard.BODY_LINGERS_S = float(sys.argv[2])

@get("/", sync_to_thread=False)
def root() -> str:
    return "here"

@get("/much", sync_to_thread=False)
def much() -> bytes:
    return b"x" * 30_000_000

serve(Litestar([root, much], logging_config=None), "127.0.0.1", 0, "The thing")
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
    """Everything the server says until it closes the connection, which it has to do within 5 s."""
    reader, writer = await opened(thing)
    async with asyncio.timeout(5):
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


async def test_headers_that_trickle_get_no_more_time_than_others(thing: RunningProcess) -> None:
    reader, writer = await opened(thing)
    reading = asyncio.create_task(reader.read(65_536))
    sent = 0
    writer.write(b"GET / HTTP/1.1\r\n")
    while not reading.done() and sent < 100:
        writer.write(b"X-Slow: 1\r\n")
        sent += 1
        await asyncio.sleep(0.05)
    writer.close()

    assert problem(await reading)["status"] == 408
    assert sent < 100


async def test_a_connection_on_which_nothing_comes_is_closed(thing: RunningProcess) -> None:
    assert problem(await answer_to(thing))["status"] == 408


async def test_a_further_request_on_a_kept_connection_has_the_same_deadline(thing: RunningProcess) -> None:
    said = await answer_to(thing, REQUEST, REQUEST[:20], pause_s=0.1)

    assert said.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 408" in said


async def test_500_slow_clients_are_all_let_go_and_others_are_served_meanwhile(thing: RunningProcess) -> None:
    slow = [asyncio.create_task(answer_to(thing, REQUEST[:20])) for _ in range(500)]
    await asyncio.sleep(0.1)
    reader, writer = await opened(thing)
    writer.write(REQUEST)
    served = await reader.read(100)
    writer.close()

    assert served.startswith(b"HTTP/1.1 200 OK")
    assert all(b" 408 " in said for said in await asyncio.gather(*slow))


async def test_too_many_headers_are_refused(thing: RunningProcess) -> None:
    said = await answer_to(thing, b"GET / HTTP/1.1\r\nHost: a\r\n", *[b"X-Pad: " + b"x" * 8000 + b"\r\n"] * 6)

    assert problem(said)["status"] == 431


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
async def test_what_is_not_http_is_400_or_closed_and_never_500(thing: RunningProcess, rubbish: bytes) -> None:
    said = await answer_to(thing, rubbish)

    assert b"HTTP/1.1 5" not in said
    assert said == b"" or b"HTTP/1.1 4" in said


async def trickle_a_refused_body(thing: RunningProcess) -> tuple[bytes, bool]:
    """What a client is told that sends a body nobody reads, a byte at a time, and whether it is let go within 4 s."""
    reader, writer = await opened(thing)
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
    said = await reader.readuntil(b"}")
    closed = asyncio.create_task(reader.read(1))
    with contextlib.suppress(ConnectionError):
        for _ in range(80):
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
    said, was_closed = await trickle_a_refused_body(thing)

    assert said.startswith(b"HTTP/1.1 405")
    assert was_closed


async def test_without_its_deadline_such_a_body_would_hold_the_connection(tmp_path: Path) -> None:
    """The mutation of the test above."""
    argv = [sys.executable, "-c", PROGRAM, "0.5", "3600"]
    with start_process("thing", argv, log_path=tmp_path / "log", ready="json line") as process:
        _, was_closed = await trickle_a_refused_body(process)

    assert not was_closed


async def test_a_refused_body_that_ends_in_time_keeps_the_connection(thing: RunningProcess) -> None:
    reader, writer = await opened(thing)
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
    assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 405")
    writer.write(b"cd" + REQUEST)
    assert (await reader.read(65_536)).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_who_never_reads_its_answer_is_let_go(thing: RunningProcess) -> None:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", int(thing.url.rsplit(":", 1)[1])))
        client.sendall(b"GET /much HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(4)
        assert established(thing, client.getsockname()[1]) == 0


def established(thing: RunningProcess, client_port: int) -> int:
    """How many connections to that client the kernel still holds for the server."""
    server_port = int(thing.url.rsplit(":", 1)[1])
    rows = [row.split()[1:4] for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    wanted = (f"0100007F:{server_port:04X}", f"0100007F:{client_port:04X}", "01")
    return sum(tuple(row) == wanted for row in rows)
