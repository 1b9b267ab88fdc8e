"""Closes connections of clients that are slow or do not send HTTP, with an answer if possible.

uvicorn only times out idle connections: a client that trickles its headers, or never reads its answer, keeps its
connection for ever (measured: 500 of 500 after 40 s). A slow body is cut off by `guard_body` (service.py), and here if
its request was refused before the body was read. Other rules about a request's head are in request_head.py.
"""

import asyncio
import socket
import sys
from typing import Any

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from shared.inbound.answer_writing import AnswerCycle
from shared.inbound.body import BODY_BYTES_MAX
from shared.problem import (
    PROBLEM_MEDIA_TYPE,
    HeadersTooLarge,
    InvalidRequest,
    PayloadTooLarge,
    QuotewayError,
    RequestTimeout,
)
from shared.telemetry.process_telemetry import set_correlation_id

HEADERS_WITHIN_S = 10.0
# A token may have 8 KiB; the address and the other headers are far shorter.
HEADER_BYTES_MAX = 32_768
# The most that may follow the headers of one request: the largest body in chunks of one byte each.
BODY_AND_FRAMES_BYTES_MAX = 8 * BODY_BYTES_MAX
# How long the rest of a body may take after its request was answered early, and anything after a refusal.
BODY_LINGERS_S = 5.0
# How long a client may leave its answer unread.
ANSWER_READ_WITHIN_S = 30.0


class _RefusedHead(Exception):
    """Stops the parser in the middle of a request; `error` is the answer."""

    def __init__(self, error: QuotewayError) -> None:
        super().__init__(error.detail)
        self.error = error


class GuardedConnection(HttpToolsProtocol):
    """A connection with deadlines for headers and for reading answers, and limits on what the client sends."""

    _waits_for_headers: asyncio.TimerHandle | None = None
    # The size of the headers so far, complete and incomplete ones; None after their end.
    _header_bytes: int | None = 0
    # The size counted by the parser: the only one if the headers end in the same read.
    _parsed_bytes = 0
    _body_bytes = 0
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn itself narrows it
        """Start the deadline of the first request."""
        super().connection_made(transport)
        connected: socket.socket | None = transport.get_extra_info("socket")
        if connected is not None and sys.platform == "linux":
            # The kernel drops a peer that has acknowledged nothing for this long, also with a closed window.
            timeout_ms = int(ANSWER_READ_WITHIN_S * 1000)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadlines."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the bytes of headers and body, and refuse too many."""
        if self._refused:
            return  # read until its deadline, and thrown away
        if self._header_bytes is not None:
            self._header_bytes += len(data)
        else:
            self._body_bytes += len(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._refuse_parsed(error)
        except httptools.HttpParserUpgrade:
            pass  # an upgrade that we do not support: answered as if it had not been requested
        if self._header_bytes is not None and self._header_bytes > HEADER_BYTES_MAX:
            self._refuse(_too_many_headers())
        elif self._body_bytes > BODY_AND_FRAMES_BYTES_MAX:
            self._refuse(PayloadTooLarge(f"More than {BODY_AND_FRAMES_BYTES_MAX} bytes came for one request."))

    def on_message_begin(self) -> None:
        """Start another request on a kept connection."""
        super().on_message_begin()
        self._parsed_bytes = self._body_bytes = 0
        if self._waits_for_headers is None:
            self._expect_headers()

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. Those after the body (trailers) are dropped: no rule has checked them."""
        self._count(len(name) + len(value) + len(b": \r\n"))
        if self._header_bytes is not None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Cancel the headers' deadline and check the head."""
        self._check_head()
        self._stop_waiting()
        self._header_bytes = None
        super().on_headers_complete()
        # uvicorn names the class of its cycles nowhere but in this method's middle.
        self.cycle.__class__ = AnswerCycle
        answering: Any = self.cycle
        answering.close = self.close_once_answered

    def _count(self, size: int) -> None:
        self._parsed_bytes += size
        if self._parsed_bytes > HEADER_BYTES_MAX:
            raise _RefusedHead(_too_many_headers())

    def _check_head(self) -> None:
        """Refuse what this parser accepts and another may read differently (RFC 9112, 2.3, 3.2 and 6.1)."""
        version, encodings = self.parser.get_http_version(), []
        for name, value in self.headers:
            if name == b"transfer-encoding":
                encodings.append(value.strip().lower())
        if version not in ("1.0", "1.1"):
            raise _RefusedHead(InvalidRequest("Only HTTP/1.1 and HTTP/1.0 are spoken here."))
        if encodings and (version == "1.0" or encodings != [b"chunked"]):
            raise _RefusedHead(InvalidRequest("The only transfer encoding that is taken is chunked, in HTTP/1.1."))
        if b"#" in self.url:
            raise _RefusedHead(InvalidRequest("The address holds a fragment (#)."))
        if not self.url.startswith((b"/", b"*")) and self._authority() != self._host():
            raise _RefusedHead(InvalidRequest("The address names another host than the Host header."))

    def _authority(self) -> bytes:
        url: Any = httptools.parse_url(self.url)
        port = b"" if url.port is None else b":%d" % url.port
        return (url.host or b"").lower() + port

    def _host(self) -> bytes:
        return next((value.strip().lower() for name, value in self.headers if name == b"host"), b"")

    def on_response_complete(self) -> None:
        """After an early refusal, give the client a moment to finish its body."""
        super().on_response_complete()
        if self.cycle.more_body and not self.transport.is_closing():
            # Not at once: see _let_go.
            self.loop.call_later(BODY_LINGERS_S, self._body_is_late, self.cycle)

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

    def _refuse_parsed(self, error: httptools.HttpParserError) -> None:
        """Answer invalid HTTP, or HTTP beyond our limits, with a problem."""
        refused = error.__context__
        if isinstance(refused, _RefusedHead):
            self._refuse(refused.error)
        else:
            self._refuse(InvalidRequest("This is not a valid HTTP request."))

    def _refuse(self, error: QuotewayError) -> None:
        """Answer, and close. If another request's answer is due, only close: this one would be mistaken for it."""
        self._stop_waiting()
        self._header_bytes = None
        if self._refused or self.transport.is_closing():
            return
        if self._is_next_to_be_answered():
            self.transport.write(_answer(error))
            if self.cycle is not None and not self.cycle.response_complete:
                # The handler at work learns that no more will come, and sends nothing after this.
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self._let_go()
        elif self.cycle.response_complete and not self.pipeline:
            self._let_go()  # it has its answer, and goes on sending
        else:
            self.transport.close()

    def _let_go(self) -> None:
        """Close once the client has, or after a moment.

        Closed at once while data is still arriving, TCP would discard the answer before it is read.
        """
        self._refused = True
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        self.transport.write_eof()
        self.loop.call_later(BODY_LINGERS_S, self.transport.close)

    def close_once_answered(self, cycle: RequestResponseCycle) -> None:
        """Close behind an answer that is the connection's last: at once, or once the rest of its body has been read."""
        if cycle.more_body and not self.transport.is_closing():
            self._let_go()
        else:
            self.transport.close()

    def _is_next_to_be_answered(self) -> bool:
        """Return whether the request being read is the next to be answered, and has no answer yet."""
        cycle = self.cycle
        if cycle is None or not cycle.more_body:
            # Its headers are being read, so every request before it has arrived completely.
            return cycle is None or cycle.response_complete
        return not cycle.response_started and not self.pipeline


def _too_many_headers() -> HeadersTooLarge:
    return HeadersTooLarge(f"The headers have more than {HEADER_BYTES_MAX} bytes.")


def _answer(error: QuotewayError) -> bytes:
    correlation_id = set_correlation_id(None)
    body = msgspec.json.encode(error.problem(correlation_id))
    head = (
        f"content-type: {PROBLEM_MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
        f"x-correlation-id: {correlation_id}\r\n\r\n"
    )
    return bytes(STATUS_LINE[error.status]) + head.encode() + body
