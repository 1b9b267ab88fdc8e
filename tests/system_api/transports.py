"""Faulty networks: a vendor with scripted answers, and one that works but whose answer is lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx


class Scripted(httpx.AsyncBaseTransport):
    """Answers each request with the answer scripted for its method and the end of its path, and records it.

    The last of several answers for one path is repeated. A request without a scripted answer fails the test.
    """

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self._answers: dict[tuple[str, str], list[httpx.Response | Exception]] = {}

    def on(self, method: str, path_end: str, *answers: httpx.Response | Exception) -> "Scripted":
        self._answers[method, path_end] = list(answers)
        return self

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        for (method, path_end), answers in self._answers.items():
            if request.method == method and request.url.path.endswith(path_end):
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                if isinstance(answer, Exception):
                    raise answer
                return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        raise AssertionError(f"not scripted: {request.method} {request.url}")

    def sent(self, method: str, path_end: str = "") -> list[httpx.Request]:
        return [each for each in self.requests if each.method == method and each.url.path.endswith(path_end)]


class Lossy(httpx.AsyncBaseTransport):
    """The real network, except for chosen requests: the vendor does its work, and the answer is lost."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self._network = httpx.AsyncHTTPTransport()
        self._loses: Callable[[httpx.Request], bool] = lambda _: False

    @contextmanager
    def losing(self, method: str, path_part: str) -> Iterator[None]:
        with self.losing_if(lambda request: request.method == method and path_part in request.url.path):
            yield

    @contextmanager
    def losing_if(self, loses: Callable[[httpx.Request], bool]) -> Iterator[None]:
        self._loses = loses
        try:
            yield
        finally:
            self._loses = lambda _: False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append((request.method, request.url.path))
        answer = await self._network.handle_async_request(request)
        if self._loses(request):
            await answer.aread()
            await answer.aclose()
            raise httpx.ReadTimeout("the answer is lost", request=request)
        return answer

    async def aclose(self) -> None:
        await self._network.aclose()


def said(status: int, content: Any = None, **headers: str) -> httpx.Response:
    """Return an answer with a JSON body."""
    return httpx.Response(
        status, json=content, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


def html(status: int, text: str = "Bad gateway") -> httpx.Response:
    """Return an answer of something in between, or of a server that broke."""
    return httpx.Response(status, html=f"<html><body><h1>{text}</h1></body></html>")
