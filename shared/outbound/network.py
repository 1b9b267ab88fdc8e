"""Connections to other tiers and vendors: an httpx transport on reqwest (pyreqwest).

httpx's own transport spends over a millisecond of CPU on a request when many are under way, and gets worse with more;
reqwest spends a twentieth of that (docs/decisions/0016). Failures are raised as httpx's, which tell whether the request
reached the peer. Redirects, the environment's proxies and cookies are off.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import httpx
from pyreqwest import exceptions
from pyreqwest.client import ClientBuilder
from pyreqwest.http import HeaderMap
from pyreqwest.request import RequestBuilder

from shared.outbound.outbound_settings import OutboundSettings

# Shorter than the 5 s after which our tiers' servers close an idle connection: a write sent into one that is being
# closed would be an unknown outcome for nothing.
_KEEP_ALIVE_S = 2.0
_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})
_UNSENT_HEADERS = frozenset({"host", "content-length", "connection", "transfer-encoding", "accept-encoding"})
# reqwest's message if no connection came about. pyreqwest reports connections that broke or stayed silent after sending
# as connect errors too: only this message means that nothing was sent.
_CONNECTING = "client error (Connect)"


@dataclass(frozen=True)
class Answer:
    """A complete answer. httpx's own response object costs as much as the rest of reading one."""

    status_code: int
    content: bytes
    header_items: Sequence[tuple[str, str]] = ()

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status_code < 300

    @cached_property
    def headers(self) -> httpx.Headers:
        """The headers, case-insensitive; as bytes, since httpx would take only ASCII texts."""
        return httpx.Headers([(name.encode(), text.encode()) for name, text in self.header_items])


class Exchange(httpx.AsyncBaseTransport, ABC):
    """A way for requests out of this process. It is an httpx transport as well, for the OAuth client.

    httpx's request, client and response cost more than the rest of a hop, and add nothing to one (docs/decisions/0105).
    """

    @abstractmethod
    async def exchange(
        self, method: str, url: str, headers: Sequence[tuple[str, str]], content: bytes | None
    ) -> Answer:
        """Send a request and read its whole answer, of any status. Raises httpx.RequestError where there is none."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The same for whoever speaks to httpx."""
        headers = [(name, text) for name, text in request.headers.multi_items() if name not in _UNSENT_HEADERS]
        answer = await self.exchange(request.method, str(request.url), headers, await request.aread())
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content, request=request)


class Network(Exchange):
    """Connections under one set of limits."""

    def __init__(self, settings: OutboundSettings | None = None) -> None:
        limits = settings or OutboundSettings()
        self._client = (
            ClientBuilder()
            .user_agent("quoteway")
            .no_proxy()
            .follow_redirects(False)
            .referer(False)
            .default_cookie_store(False)
            .http1_only()
            .max_connections(limits.connections_max)
            .pool_timeout(timedelta(seconds=limits.connect_timeout_s))
            .pool_idle_timeout(timedelta(seconds=_KEEP_ALIVE_S))
            .connect_timeout(timedelta(seconds=limits.connect_timeout_s))
            .read_timeout(timedelta(seconds=limits.answer_timeout_s))
            # the time for the whole answer, however slowly it trickles in
            .timeout(timedelta(seconds=limits.connect_timeout_s + limits.answer_timeout_s))
            .build()
        )

    async def exchange(
        self, method: str, url: str, headers: Sequence[tuple[str, str]], content: bytes | None
    ) -> Answer:
        """Send a request and return its whole answer, whatever the status. Raises httpx.RequestError if there is
        none.
        """
        try:
            building: RequestBuilder = self._client.request(method, url).headers(headers)
            if content:
                building = building.body_bytes(content)
            elif method in _WITH_LENGTH:
                # RFC 9110, section 8.6: sent even if it is 0; some servers answer 411 otherwise.
                building = building.header("Content-Length", "0")
            answer = await building.build().send()
            body = await answer.bytes()
        except exceptions.PyreqwestError as error:
            raise _failure(error) from error
        return Answer(answer.status, bytes(body), _readable(answer.headers))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()


def _readable(headers: HeaderMap) -> list[tuple[str, str]]:
    """Return the headers without those that are not visible ASCII; we read none of those.

    pyreqwest cannot return such headers, and they are no reason to lose the answer.
    """
    try:
        return list(headers.items())
    except ValueError:
        readable = []
        for name in set(headers.keys()):
            with suppress(ValueError):
                readable += [(name, text) for text in headers.getall(name)]
        return readable


def _failure(error: exceptions.PyreqwestError) -> httpx.RequestError:
    """Return the httpx exception for a failure.

    A request that is not known to have failed before it was sent may have reached the peer.
    """
    timed_out = isinstance(error, exceptions.RequestTimeoutError)
    if isinstance(error, exceptions.PoolTimeoutError):
        return httpx.PoolTimeout(error.message)
    if isinstance(error, exceptions.BuilderError):
        return httpx.UnsupportedProtocol(error.message)
    if _never_connected(error):
        return (httpx.ConnectTimeout if timed_out else httpx.ConnectError)(error.message)
    if isinstance(error, exceptions.DecodeError):
        return httpx.DecodingError(error.message)
    return (httpx.ReadTimeout if timed_out else httpx.ReadError)(error.message)


def _never_connected(error: exceptions.PyreqwestError) -> bool:
    if not isinstance(error, exceptions.DetailedPyreqwestError):
        return False
    return any(cause["message"] == _CONNECTING for cause in error.details["causes"] or [])
