"""One HTTP request to Tryton, on a connection of its own."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sandbox.vendors.tryton.json_values import decode, encode

TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, errors included."""

    status: int
    content_type: str
    body: bytes

    @property
    def value(self) -> Any:
        """The body's JSON value; None if it is not JSON: some of Tryton's errors are HTML pages."""
        return decode(self.body) if self.content_type.startswith("application/json") else None

    @property
    def text(self) -> str:
        """The body as text, for a person."""
        return self.body.decode(errors="replace")


def send(
    method: str, url: str, headers: Mapping[str, str], body: object = None, *, timeout_s: float = TIMEOUT_S
) -> Answer:
    """Send a request, with a JSON body if there is one. Raises `OSError` or `HTTPException` if nothing answers."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        content = None if body is None else encode(body)
        connection.request(method, target, content, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheader("Content-Type", ""), answer.read())
    finally:
        connection.close()
