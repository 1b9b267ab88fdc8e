"""How an answer is written: head and body in one system call, and its header names checked once.

uvicorn writes the head as soon as an application gives it and the body after that, and looks at the name and the value
of each header by a regular expression of its own. An answer of ours gives its body at once, with the same few names
(docs/decisions/0110).
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

# RFC 9110, 5.1 and 5.5: a name is a token; a value holds no control character but the tab.
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# Names that were checked, in small letters. Code alone chooses names, so there are few; the bound is for a defect.
_names: dict[bytes, bytes] = {}
_NAMES_MAX = 1000
_WITHOUT_BODY = frozenset({204, 304})
# From this size on, copying a body beside its head costs more than a second system call.
_COPIED_MAX = 65_536


class AnswerCycle(RequestResponseCycle):
    """A request and its answer. `close` ends the connection behind a last answer."""

    close: Callable[[RequestResponseCycle], None]
    _head = b""

    async def send(self, message: Any) -> None:
        """Take the head or a part of the body. Raises RuntimeError for what is out of order or is no HTTP."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.start" and not self.response_started:
            self._begin(message["status"], message.get("headers", ()))
        elif kind == "http.response.body" and self.response_started and not self.response_complete:
            self._write(message.get("body", b""), more=message.get("more_body", False))
        else:
            raise RuntimeError(f"the application sent {kind} out of order")

    def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        lines, values = [STATUS_LINE[status]], []
        told_to_close = False
        for given, value in (*self.default_headers, *headers):
            name = _names.get(given) or _checked(given)
            if name == b"content-length" and self.chunked_encoding is None:
                self.expected_content_length, self.chunked_encoding = int(value), False
            elif name == b"transfer-encoding" and value.lower() == b"chunked":
                self.expected_content_length, self.chunked_encoding = 0, True
            elif name == b"connection" and b"close" in value.lower():
                self.keep_alive, told_to_close = False, True
            lines += (name, b": ", value, b"\r\n")
            values.append(value)
        if _CONTROL.search(b" ".join(values)):
            raise RuntimeError("a header of the answer holds a control character")
        if not self.keep_alive and not told_to_close:
            lines.append(b"connection: close\r\n")
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in _WITHOUT_BODY:
            self.chunked_encoding = True
            lines.append(b"transfer-encoding: chunked\r\n")
        lines.append(b"\r\n")
        self._head = b"".join(lines)

    def _write(self, body: bytes, *, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            body, self.expected_content_length = b"", 0
        elif self.chunked_encoding:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        else:
            self.expected_content_length -= len(body)
        if self.expected_content_length < 0 or (self.expected_content_length and not more):
            raise RuntimeError("the answer's body has another length than its Content-Length")
        head, self._head = self._head, b""
        if len(body) > _COPIED_MAX:
            self.transport.write(head)
            self.transport.write(body)
        elif head or body:
            self.transport.write(head + body)
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.close(self)
            self.on_response()


def _checked(given: bytes) -> bytes:
    """Return a header's name in small letters. Raises RuntimeError for what is no name."""
    if not _TOKEN.fullmatch(given):
        raise RuntimeError("a header of the answer has no valid name")
    if len(_names) < _NAMES_MAX:
        _names[given] = given.lower()
    return given.lower()
