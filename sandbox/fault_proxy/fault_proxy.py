"""A reverse proxy in front of any vendor (or one of our own tiers) that injects faults.

    python -m sandbox.fault_proxy.fault_proxy --target http://127.0.0.1:8000 --port 0 --seed 7

PUT /_faults with a list of rules (see rules.py) sets the faults, DELETE removes them, GET returns what happened, POST
delivers the delayed requests now and answers once it has. If the vendor cannot be reached, the connection is reset, as
without a proxy.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlsplit

import h11
import msgspec

from sandbox.fault_proxy.control import PATH
from sandbox.fault_proxy.rules import Fault, FaultPlan, Injected, Rule
from sandbox.processes.ports import free_port

_Head = TypeVar("_Head", h11.Request, h11.Response)
_CHUNK = 65_536
_TIMEOUT_S = 120.0
# RFC 9110, section 7.6.1: headers about one connection only. Host and length are set anew.
_NOT_PASSED_ON = frozenset(
    {b"connection", b"keep-alive", b"transfer-encoding", b"te", b"trailer", b"upgrade", b"host", b"content-length"}
)
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad gateway</h1></body></html>"


class _NoAnswerError(Exception):
    """The connection must be reset."""


@dataclass(frozen=True)
class _Message:
    """A complete request or (with a status) answer."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    method: str = ""
    target: str = ""


@dataclass
class FaultProxy:
    """Serves connections on behalf of `target`."""

    target: str
    plan: FaultPlan
    _late: set[asyncio.Task[None]] = field(default_factory=set)
    _late_enough: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        parts = urlsplit(self.target)
        self._tls = parts.scheme == "https"
        self._address = (parts.hostname or "", parts.port or (443 if self._tls else 80))
        self._host = parts.netloc.encode()
        self._base_path = parts.path

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        try:
            await self._serve(reader, writer)
        except _NoAnswerError:
            _reset(writer)
        except (ConnectionError, h11.ProtocolError):
            _reset(writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        while (request := await _read_request(connection, reader)) is not None:
            if request.target == PATH:
                await _write(connection, writer, await self._control(request))
            else:
                await self._pass_on(request, connection, writer)
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()

    # -- control --------------------------------------------------------------------------------------------------

    async def _control(self, request: _Message) -> _Message:
        if request.method == "GET":
            return _answer(200, msgspec.json.encode(self.plan.statistics()))
        if request.method == "DELETE":
            self.plan.replace([])
            return _answer(200, b"{}")
        if request.method == "POST":
            await self._land()
            return _answer(200, b"{}")
        if request.method != "PUT":
            return _answer(405, b'{"error": "GET, PUT, POST or DELETE"}')
        try:
            self.plan.replace(msgspec.json.decode(request.body, type=list[Rule]))
        except msgspec.DecodeError as error:
            return _answer(400, json.dumps({"error": f"send a list of rules: {error}"}).encode())
        return _answer(200, b"{}")

    async def _land(self) -> None:
        self._late_enough.set()
        await asyncio.gather(*self._late)
        self._late_enough = asyncio.Event()

    # -- passing on -----------------------------------------------------------------------------------------------

    async def _pass_on(self, request: _Message, connection: h11.Connection, writer: asyncio.StreamWriter) -> None:
        path = request.target.partition("?")[0]
        number, rule = self.plan.choose(request.method, path, request.body)
        if rule is None:
            await _write(connection, writer, await self._forward(request))
            return
        answer = await self._forward_under(rule, request)
        status = answer.status if answer else 0
        self.plan.happened(Injected(number, rule.fault, request.method, path, status))
        await self._finish(rule, answer, connection, writer)

    async def _forward_under(self, rule: Rule, request: _Message) -> _Message | None:
        """Forward the request under a fault. Returns the vendor's answer, if the fault lets the request arrive in
        time.
        """
        match rule.fault:
            case Fault.delay:
                await asyncio.sleep(rule.delay_s)
                return await self._forward(request)
            case Fault.lose_answer | Fault.cut_body | Fault.kill_after:
                return await self._forward(request)
            case Fault.arrive_late:
                task = asyncio.create_task(self._forward_late(request, rule.delay_s))
                self._late.add(task)
                task.add_done_callback(self._late.discard)
        return None

    async def _finish(
        self, rule: Rule, answer: _Message | None, connection: h11.Connection, writer: asyncio.StreamWriter
    ) -> None:
        """Send the caller what the fault leaves of the answer."""
        match rule.fault:
            case Fault.delay:
                if answer is not None:
                    await _write(connection, writer, answer)
            case Fault.cut_body:
                if answer is not None:
                    await _write(connection, writer, answer, cut=True)
                raise _NoAnswerError
            case Fault.answer | Fault.too_many_requests | Fault.unavailable | Fault.bad_gateway:
                await _write(connection, writer, _instead(rule))
            case Fault.kill_before | Fault.kill_after:
                with suppress(ProcessLookupError):
                    os.kill(rule.pid or os.getpid(), signal.SIGKILL)
                raise _NoAnswerError
            case _:
                if rule.fault is Fault.lose_answer:
                    await asyncio.sleep(rule.delay_s)
                raise _NoAnswerError

    async def _forward_late(self, request: _Message, delay_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._late_enough.wait()
        with suppress(_NoAnswerError):
            await self._forward(request)

    async def _forward(self, request: _Message) -> _Message:
        """Return the vendor's answer. Raises _NoAnswerError if there is none.

        Each request has its own connection: a kept one that the vendor closes meanwhile would be an unwanted fault.
        """
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(*self._address, ssl=self._tls or None)
                try:
                    return await self._exchange(request, reader, writer)
                finally:
                    writer.close()
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            raise _NoAnswerError from error

    async def _exchange(
        self, request: _Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> _Message:
        connection = h11.Connection(h11.CLIENT)
        length = (
            [(b"Content-Length", str(len(request.body)).encode())]
            if request.body or request.method in _WITH_BODY
            else []
        )
        head = h11.Request(
            method=request.method,
            target=self._base_path + request.target,
            headers=[
                (b"Host", self._host),
                *request.headers,
                *length,
                (b"Connection", b"close"),
            ],
        )
        for event in (head, h11.Data(data=request.body), h11.EndOfMessage()):
            writer.write(connection.send(event) or b"")
        await writer.drain()
        return await _read_answer(connection, reader, request.method)


def _instead(rule: Rule) -> _Message:
    if rule.fault is Fault.too_many_requests:
        return _answer(429, b"", (b"Retry-After", str(rule.retry_after_s).encode()))
    if rule.fault is Fault.unavailable:
        return _answer(503, b"")
    if rule.fault is Fault.bad_gateway:
        return _answer(502, _PAGE, content_type="text/html")
    return _answer(rule.status, rule.content.encode(), content_type=rule.content_type)


def _answer(
    status: int, body: bytes, *headers: tuple[bytes, bytes], content_type: str = "application/json"
) -> _Message:
    return _Message(status, [(b"Content-Type", content_type.encode()), *headers], body)


def _passed_on(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in _NOT_PASSED_ON]


async def _read_request(connection: h11.Connection, reader: asyncio.StreamReader) -> _Message | None:
    """Return the next complete request; None if the caller has closed the connection."""
    read = await _read(connection, reader, h11.Request)
    if read is None:
        return None
    head, body = read
    return _Message(0, _passed_on(list(head.headers)), body, head.method.decode(), head.target.decode())


async def _read_answer(connection: h11.Connection, reader: asyncio.StreamReader, method: str) -> _Message:
    """Return the complete answer. Raises RemoteProtocolError if it breaks off."""
    read = await _read(connection, reader, h11.Response)
    if read is None:
        raise h11.RemoteProtocolError("the answer broke off")
    head, body = read
    return _Message(head.status_code, _passed_on(list(head.headers.raw_items())), body, method=method)


async def _read(
    connection: h11.Connection, reader: asyncio.StreamReader, kind: type[_Head]
) -> tuple[_Head, bytes] | None:
    """Return the head and the body of the next message; None if it is incomplete."""
    head: _Head | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, kind):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return head, body
        elif not isinstance(event, h11.InformationalResponse):
            return None


async def _write(
    connection: h11.Connection, writer: asyncio.StreamWriter, answer: _Message, *, cut: bool = False
) -> None:
    """Send an answer, or only the first half of its body."""
    # For HEAD, 204 and 304 no body may follow, whatever the length says (RFC 9110, section 6.4.1).
    bodiless = answer.method == "HEAD" or answer.status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
    headers = list(answer.headers)
    if not bodiless:
        headers.append((b"Content-Length", str(len(answer.body)).encode()))
    # h11 needs the headers as names and values; one that it refuses is a fault of the vendor's.
    head = connection.send(h11.Response(status_code=answer.status, headers=headers))
    writer.write(head or b"")
    body = b"" if bodiless else answer.body
    if cut:
        writer.write(body[: len(body) // 2])
        await writer.drain()
        return
    writer.write(connection.send(h11.Data(data=body)) or b"")
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side sees a reset, not an orderly end."""
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


async def run(target: str, host: str, port: int, seed: int) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError if the port is taken."""
    proxy = FaultProxy(target.rstrip("/"), FaultPlan(seed))
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    server = await asyncio.start_server(proxy.serve, host, port or free_port())
    address = server.sockets[0].getsockname()
    print(json.dumps({"ready": True, "url": f"http://{address[0]}:{address[1]}", "seed": seed}), flush=True)
    await stopping.wait()
    server.close()


def main() -> int:
    """Serve until SIGTERM or SIGINT. Returns 2 if it cannot start."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.fault_proxy.fault_proxy", description="A proxy that goes wrong."
    )
    parser.add_argument("--target", required=True, help="the address behind it")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free port")
    parser.add_argument("--seed", type=int, default=0, help="the same seed and requests meet the same faults")
    arguments = parser.parse_args()
    try:
        asyncio.run(run(arguments.target, arguments.host, arguments.port, arguments.seed))
    except OSError as error:
        print(f"the fault proxy cannot start: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
