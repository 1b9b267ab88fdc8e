"""Connections of clients that are slow or talk rubbish: each is let go in time, and told why where that can be.

uvicorn bounds idle connections only: one that trickles its headers, or never reads its answer, it holds for ever
(measured: 500 of 500 after 40 s). A slow body is cut off by `guard_body` (shared/service.py), and here where its
request was refused before anyone read it.
"""

import asyncio
import socket
import sys

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from shared.problem import PROBLEM_MEDIA_TYPE, HeadersTooLarge, InvalidRequest, QuotewayError, RequestTimeout
from shared.telemetry import set_correlation_id

HEADERS_WITHIN_S = 10.0
# A token may have 8 KiB; no address or other header of ours comes near the rest.
HEADER_BYTES_MAX = 32_768
# How long a body may still come after its request has been answered without it.
BODY_LINGERS_S = 5.0
# How long a client may leave what was sent to it unread.
ANSWER_READ_WITHIN_S = 30.0


class GuardedConnection(HttpToolsProtocol):
    """A connection with deadlines for its headers and for the reading of its answers, and a bound for its headers."""

    _waits_for_headers: asyncio.TimerHandle | None = None
    _header_bytes: int | None = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn itself narrows it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        connected: socket.socket | None = transport.get_extra_info("socket")
        if connected is not None and sys.platform == "linux":
            # The kernel gives up a peer that has acknowledged nothing for so long, a closed window included.
            timeout_ms = int(ANSWER_READ_WITHIN_S * 1000)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to headers that are not complete, and refuse too many of them."""
        if self._header_bytes is not None:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._header_bytes is not None and self._header_bytes > HEADER_BYTES_MAX:
            self._refuse(HeadersTooLarge(f"The headers have more than {HEADER_BYTES_MAX} bytes."))

    def on_message_begin(self) -> None:
        """A further request on a connection that is kept begins."""
        super().on_message_begin()
        if self._waits_for_headers is None:
            self._expect_headers()

    def on_headers_complete(self) -> None:
        """The headers are here in time."""
        self._stop_waiting()
        self._header_bytes = None
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Whoever was refused before its body was here gets a moment to end it, and no more."""
        super().on_response_complete()
        if self.cycle.more_body and not self.transport.is_closing():
            # Not at once: closed on data that is still coming, TCP would throw the answer away before it is read.
            self.loop.call_later(BODY_LINGERS_S, self._body_is_late, self.cycle)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP with a problem, as everything else is."""
        self._refuse(InvalidRequest(msg))

    def _expect_headers(self) -> None:
        self._header_bytes = 0
        self._waits_for_headers = self.loop.call_later(HEADERS_WITHIN_S, self._headers_are_late)

    def _stop_waiting(self) -> None:
        if self._waits_for_headers is not None:
            self._waits_for_headers.cancel()
            self._waits_for_headers = None

    def _headers_are_late(self) -> None:
        self._refuse(RequestTimeout(f"The headers did not arrive within {HEADERS_WITHIN_S:g} s."))

    def _body_is_late(self, cycle: RequestResponseCycle) -> None:
        if cycle.more_body and self.cycle is cycle and not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, error: QuotewayError) -> None:
        """Answer, and close. Where an answer is under way, only close: a second one would be mistaken for it."""
        self._stop_waiting()
        self._header_bytes = None
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_answer(error))
        self.transport.close()


def _answer(error: QuotewayError) -> bytes:
    correlation_id = set_correlation_id(None)
    body = msgspec.json.encode(error.problem(correlation_id))
    head = (
        f"content-type: {PROBLEM_MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
        f"x-correlation-id: {correlation_id}\r\n\r\n"
    )
    return bytes(STATUS_LINE[error.status]) + head.encode() + body
