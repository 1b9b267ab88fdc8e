"""The proxies of docs/operations/proxy: what the tier refuses is refused through them too."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.processes.ports import free_port
from sandbox.processes.process import RunningProcess, start_process
from shared.inbound.request_head import SINGLE_HEADERS
from tests.patience import HANG_S

CONFIGURATIONS = Path(__file__).parents[2] / "docs" / "operations" / "proxy"
PROGRAM = """
import sys
from typing import Any
from litestar import Litestar, Request, route
from shared.operations.chain import answer_refusals, in_order
from shared.inbound.problem_answer import answer_problem
from shared.inbound.request_head import guard_address, guard_headers
from shared.inbound.serve import serve
from shared.inbound.service import correlate

@route(["/", "/v1/webhooks/a", "/v1/flows"], http_method=["GET", "POST"], status_code=200)
async def echo(request: Request[Any, Any, Any]) -> dict[str, Any]:
    names = sorted(name.decode() for name, _ in request.scope["headers"])
    return {"tier": sys.argv[1], "body": len(await request.body()), "names": names}

answer = answer_problem(plain=False)
app = Litestar([echo], logging_config=None, exception_handlers={Exception: answer}, request_max_body_size=1_000_000)
serve(in_order([correlate, answer_refusals(answer), guard_headers, guard_address], app), "127.0.0.1", 0, sys.argv[1])
"""


@dataclass(frozen=True)
class Front:
    """Where requests are sent to, and which program reads them first."""

    name: str
    port: int


@pytest.fixture(scope="module")
def tiers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RunningProcess]]:
    folder = tmp_path_factory.mktemp("tiers")
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(
                start_process(name, [sys.executable, "-c", PROGRAM, name], log_path=folder / name, ready="json line")
            )
            for name in ("experience", "process")
        }


def port_of(tier: RunningProcess) -> int:
    return int(tier.url.rsplit(":", 1)[1])


@pytest.fixture(scope="module", params=["the tier itself", "haproxy", "nginx"])
def front(
    request: pytest.FixtureRequest, tiers: dict[str, RunningProcess], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    if request.param == "the tier itself":
        yield Front(request.param, port_of(tiers["experience"]))
        return
    program = shutil.which(request.param, path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip(f"{request.param} is not installed (apt-get install {request.param})")
    folder, port = tmp_path_factory.mktemp(request.param), free_port()
    places = {
        "QUOTEWAY_PROXY_BIND": f"127.0.0.1:{port}",
        "QUOTEWAY_EXPERIENCE": f"127.0.0.1:{port_of(tiers['experience'])}",
        "QUOTEWAY_PROCESS": f"127.0.0.1:{port_of(tiers['process'])}",
    }
    if request.param == "haproxy":
        argv = [program, "-db", "-f", str(CONFIGURATIONS / "haproxy.cfg")]
    else:
        text = (CONFIGURATIONS / "nginx.conf.template").read_text()
        for name, place in places.items():
            text = text.replace(f"${{{name}}}", place)
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        configuration = folder / "nginx.conf"
        configuration.write_text(text.replace("http {", f"http {{ {temporary}", 1))
        told = f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;"
        argv = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration), "-g", told]

    def listens() -> bool:
        with contextlib.suppress(OSError):
            return asyncio.run(_answer_to(port, GOOD)).startswith(b"HTTP/1.1 200")
        return False

    with start_process(request.param, argv, env={**os.environ, **places}, log_path=folder / "log", ready=listens):
        yield Front(request.param, port)


GOOD = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


async def _answer_to(port: int, sent: bytes) -> bytes:
    """All that is said until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = b""
    async with asyncio.timeout(HANG_S):
        with contextlib.suppress(ConnectionError):
            writer.write(sent)
            await writer.drain()
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                said += chunk
    writer.close()
    return said


def get(path: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: a", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(*headers: str, body: str = "", path: str = "/") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: a", "Connection: close", *headers, "", body]
    return "\r\n".join(lines).encode("latin-1")


REFUSED = {
    "two hosts": get("/", "Host: b"),
    "the same host twice": get("/", "Host: a"),
    "no host": b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    "two authorizations": get("/", "Authorization: Bearer a", "Authorization: Bearer b"),
    "two idempotency keys": get("/", "Idempotency-Key: a", "Idempotency-Key: b"),
    "two content types": post("Content-Type: a/b", "Content-Type: application/json", "Content-Length: 0"),
    "two lengths": post("Content-Length: 1", "Content-Length: 2", body="ab"),
    "a length and chunks": post("Content-Length: 4", "Transfer-Encoding: chunked", body="0\r\n\r\n"),
    "an encoding in disguise": post("Transfer-Encoding: xchunked", body="0\r\n\r\n"),
    "an encoding before chunks": post("Transfer-Encoding: gzip, chunked", body="0\r\n\r\n"),
    "a header that is none": get("/", "X Y: z"),
    "a space before the colon": get("/", "Authorization : Bearer b"),
    "a folded header": get("/", "X: y", " Authorization: Bearer b"),
    "an encoded slash": get("/v1%2fflows"),
    "an encoded slash in capitals": get("/v1%2Fflows"),
    "two slashes at the front": get("//v1/flows"),
    "two slashes inside": get("/v1//flows"),
    "a dot segment": get("/v1/../v1/flows"),
    "a last dot segment": get("/v1/flows/.."),
    "a single dot": get("/v1/./flows"),
    "encoded dots": get("/v1/%2e%2E/flows"),
    "half encoded dots": get("/v1/.%2e/flows"),
    "a way out of the webhooks": get("/v1/webhooks/../flows"),
    "a backslash": get("/v1\\flows"),
    "an encoded backslash": get("/v1%5cflows"),
    "a zero byte": get("/v1/flows%00"),
    "a line break": get("/v1/flows%0d%0aX:%20y"),
    "a broken escape": get("/v1/flows%zz"),
    "a cut escape": get("/v1/flows%2"),
    "a fragment": get("/v1/flows#/../.."),
    "an absolute address of another host": get("http://evil/v1/flows"),
    "an address in brackets": b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
    "a broken chunk": post("Transfer-Encoding: chunked", body="ZZ\r\nab\r\n0\r\n\r\n"),
    "a chunk that is longer than it says": post("Transfer-Encoding: chunked", body="2\r\nabXX\r\n0\r\n\r\n"),
    "many headers": get("/", *["X-Pad: " + "x" * 8000] * 5),
    "a large header": get("/", "X-Pad: " + "x" * 100_000),
    "a large address": get("/" + "x" * 100_000),
}


# What a proxy may hand on in the one way in which it has read it itself (RFC 9112, 5.2 and 6.3).
MENDED = {"haproxy": [REFUSED[name] for name in ("the same host twice", "a length and chunks", "a folded header")]}


def names_in(said: bytes) -> list[str]:
    """The names of the headers that the tier got."""
    return [str(name) for name in json.loads(said.partition(b"\r\n\r\n")[2])["names"]]


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED)
async def test_what_can_be_read_in_two_ways_is_refused_whoever_reads_it_first(front: Front, sent: bytes) -> None:
    said = await _answer_to(front.port, sent)

    status = int(said.split(b" ", 2)[1])
    if sent in MENDED.get(front.name, ()):
        assert (status, names_in(said)) == (200, sorted(set(names_in(said)) - {"content-length", "authorization"}))
        return
    assert status in {400, 405, 414, 422, 431, 501}, said
    assert said.count(b"HTTP/1.1 ") == 1
    assert b'"tier"' not in said


async def test_a_body_that_is_too_large_is_413_whoever_reads_it_first(front: Front) -> None:
    said = await _answer_to(front.port, post("Content-Length: 1000001", body="x" * 1_000_001))

    assert said.startswith(b"HTTP/1.1 413"), said[:300]


@pytest.mark.parametrize(
    "sent",
    [
        get("/v1/flows?path=/../..&x=%2f%5c//"),
        get("/v1/flows", "Accept: a/b", "Accept: c/d"),
        get("/v1/flows", "Authorization: Bearer " + "x" * 8192),
        post("Transfer-Encoding: chunked", body="2\r\nab\r\n0\r\n\r\n"),
        post("Content-Length: 2", body="ab"),
    ],
    ids=["a query", "a list in parts", "a long token", "chunks", "a body"],
)
async def test_an_ordinary_request_is_let_through(front: Front, sent: bytes) -> None:
    said = await _answer_to(front.port, sent)

    assert said.startswith(b"HTTP/1.1 200"), said[:300]
    assert b'"tier":"experience"' in said


async def test_only_webhooks_reach_the_process_api_and_nobody_says_who_acts(front: Front) -> None:
    if front.name == "the tier itself":
        pytest.skip("a proxy's work")
    said = await _answer_to(
        front.port, get("/v1/webhooks/a", "Txn-Token: forged", "X-Forwarded-For: 1.2.3.4", "Forwarded: for=1.2.3.4")
    )

    told = json.loads(re.search(rb"\{.*\}", said)[0])  # type: ignore[index]  # a failure says what came instead
    assert told["tier"] == "process"
    assert not {"txn-token", "x-forwarded-for", "forwarded"} & set(told["names"])


def test_haproxys_rules_name_every_header_of_one_value() -> None:
    text = (CONFIGURATIONS / "haproxy.cfg").read_text()
    named = set(re.findall(r"req\.fhdr_cnt\(([a-z-]+)\)", text))

    assert named == {name.decode() for name in SINGLE_HEADERS}
