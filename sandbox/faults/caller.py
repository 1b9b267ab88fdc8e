"""A cheap client of our APIs for many concurrent requests and lost answers."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

import msgspec
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import TransportError

_TIMEOUT = timedelta(seconds=30)
_WAIT_MAX_S = 5.0


@dataclass(frozen=True)
class Answer:
    """An answer."""

    status: int
    body: bytes
    retry_after_s: float

    def json(self) -> Any:
        """Return the body's value."""
        return msgspec.json.decode(self.body)


class Caller:
    """Calls an API at `url`; `token` returns a fresh access token, and is called again once one is refused."""

    def __init__(self, url: str, token: Callable[[], str] | None = None) -> None:
        self._url = url
        self._fresh_token = token
        self._token = ""
        self._client: Client = ClientBuilder().timeout(_TIMEOUT).build()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._client.close()

    async def send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer | None:
        """Return the answer, or None if the connection broke: the server is being killed, and the caller tries
        again.
        """
        if self._fresh_token is not None and not self._token:
            self._token = await asyncio.to_thread(self._fresh_token)
        request = self._client.request(method, self._url + path).headers(dict(headers or {}))
        if self._token:
            request = request.bearer_auth(self._token)
        if body is not None:
            request = request.header("Content-Type", "application/json").body_bytes(body)
        try:
            answer = await request.build().send()
            content = bytes(await answer.bytes())
        except TransportError:
            return None
        if answer.status == 401:
            self._token = ""
        asked = answer.get_header("Retry-After") or ""
        return Answer(answer.status, content, min(float(asked), _WAIT_MAX_S) if asked.isdecimal() else 0.0)
