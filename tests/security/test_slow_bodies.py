"""Bodies that trickle in, on a real socket against the server that tiers are served with: each is given up in time."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.processes.process import RunningProcess, start_process
from tests.patience import HANG_S

PROGRAM = """
import sys
from typing import Any
from litestar import post
from litestar.params import JSONBody
from shared.inbound import service
from shared.inbound.tier import Published, Tier
from shared.identity.auth import Authenticator
from shared.operations.operation import public
from shared.inbound.serve import serve

service.BODY_TIMEOUT_S = float(sys.argv[1])

@post("/v1/things", opt=public(), sync_to_thread=False, status_code=200)
def take(data: JSONBody[dict[str, int]]) -> dict[str, int]:
    return data

tier = Tier("thing", Published("Thing", "1.0.0", "A thing."), Authenticator("http://127.0.0.1:1", "nobody"))
serve(service.create_service(tier, [take], state={}), "127.0.0.1", 0, "The thing")
"""
HEAD = b"POST /v1/things HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
CHUNKED = b"POST /v1/things HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def start(folder: Path, timeout_s: float) -> RunningProcess:
    argv = [sys.executable, "-c", PROGRAM, str(timeout_s)]
    return start_process("thing", argv, log_path=folder / "log", ready="json line")


@pytest.fixture(scope="module")
def thing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProcess]:
    with start(tmp_path_factory.mktemp("thing"), 0.5) as process:
        yield process


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other side closes, or resets since it was sent more after that."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(65_536):
            said += chunk
    return said or b"reset"


async def trickle(thing: RunningProcess, head: bytes, piece: bytes, within_s: float = HANG_S) -> bytes:
    """Send a body piece by piece, and return what the server says before it closes; nothing where it does not."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(thing.url.rsplit(":", 1)[1]))
    writer.write(head)
    said = asyncio.create_task(read_all(reader))
    begun = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while not said.done() and time.monotonic() - begun < within_s:
            writer.write(piece)
            await asyncio.sleep(0.05)
    held = not said.done()
    writer.close()
    found = await said
    return b"" if held else found


@pytest.mark.parametrize(("head", "piece"), [(HEAD, b" "), (CHUNKED, b"1\r\n \r\n")])
async def test_a_body_that_trickles_in_is_answered_408_and_its_connection_closed(
    thing: RunningProcess, head: bytes, piece: bytes
) -> None:
    said = await trickle(thing, head, piece)

    assert said.startswith(b"HTTP/1.1 408")
    assert b"urn:quoteway:problem:request-timeout" in said
    assert b"connection: close" in said.lower()


async def test_without_its_deadline_it_would_hold_the_connection(tmp_path: Path) -> None:
    """The mutation of the test above."""
    with start(tmp_path, 3600) as process:
        assert await trickle(process, HEAD, b" ", 4) == b""


async def test_200_slow_bodies_are_all_let_go_and_others_are_served_meanwhile(thing: RunningProcess) -> None:
    slow = [asyncio.create_task(trickle(thing, HEAD, b" ")) for _ in range(200)]
    await asyncio.sleep(0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(thing.url.rsplit(":", 1)[1]))
    writer.write(HEAD.replace(b"1000000", b"7") + b'{"a":1}')
    served = await reader.readuntil(b"}")
    writer.close()

    assert served.startswith(b"HTTP/1.1 200 OK")
    ends = [said[:12] for said in await asyncio.gather(*slow)]
    assert set(ends) <= {b"HTTP/1.1 408", b"reset"}, "none is still held"
    assert b"HTTP/1.1 408" in ends
