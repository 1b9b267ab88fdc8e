"""The HTTP client for all requests that leave a process: to other tiers, vendors and the issuer.

Which failures may be retried is decided here. A request that surely never arrived is `Unavailable`; one that was sent
without a trustworthy answer is `Unavailable` if it only read, and `OutcomeUnknown` if it wrote. Reads are retried a few
times here; writes never: that is up to the saga.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import msgspec

from shared.outbound.network import Answer, Exchange, Network
from shared.outbound.outbound_settings import OutboundSettings
from shared.problem import OutcomeUnknown, Problem, QuotewayError, Unavailable, error_from_problem
from shared.telemetry.metrics import outbound_request
from shared.telemetry.process_telemetry import current_correlation_id
from shared.telemetry.tracing import current_trace_headers, span

T = TypeVar("T")
Transport = httpx.AsyncBaseTransport
Response = Answer
Way = Exchange
TransportFailure = httpx.TransportError
HTTPFailure = httpx.HTTPError
READS = frozenset({"GET", "HEAD", "OPTIONS"})
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)
_BACKOFF_S = (0.1, 0.4)


def open_network(settings: OutboundSettings | None = None) -> Transport:
    """Return the network itself, for transports that wrap it."""
    return Network(settings)


class _Replaced(Exchange):
    """An httpx transport in place of the network, as tests hand in: another tier's application, a recording."""

    def __init__(self, transport: Transport, settings: OutboundSettings) -> None:
        timeout = httpx.Timeout(settings.answer_timeout_s, connect=settings.connect_timeout_s)
        self._client = httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False)

    async def exchange(
        self, method: str, url: str, headers: Sequence[tuple[str, str]], content: bytes | None
    ) -> Answer:
        """Send a request through the transport."""
        response = await self._client.request(method, url, headers=list(headers), content=content)
        return Answer(response.status_code, response.content, response.headers.multi_items())

    async def aclose(self) -> None:
        """Close the transport."""
        await self._client.aclose()


def exchange_over(transport: Transport | None, settings: OutboundSettings | None = None) -> Exchange:
    """Return the way that requests take: the network itself (None), or what stands in its place."""
    limits = settings or OutboundSettings()
    if transport is None:
        return Network(limits)
    return transport if isinstance(transport, Exchange) else _Replaced(transport, limits)


@dataclass
class OutboundClient:
    """A client for one peer. `peer` is its name for operators, in errors and spans.

    `transport` replaces the network: a vendor's quota goes before it, and the journey tests hand in the next tier's
    ASGI application. Every request goes the same way, whatever is at its end.
    """

    peer: str
    base_url: str
    transport: Transport | None = None
    settings: OutboundSettings = field(default_factory=OutboundSettings)

    def __post_init__(self) -> None:
        self._way = exchange_over(self.transport, self.settings)
        # OpenTelemetry's semantic conventions for HTTP clients, and our own name of the peer.
        url = httpx.URL(self.base_url)
        port = url.port or (443 if url.scheme == "https" else 80)
        self._peer_attributes: dict[str, str | int] = {
            "quoteway.peer": self.peer,
            "server.address": url.host,
            "server.port": port,
        }

    async def close(self) -> None:
        """Close the connections."""
        await self._way.aclose()

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        reads: bool | None = None,
    ) -> Response:
        """Send one request and return its answer, whatever the status.

        `reads`: the request changes nothing although its method could (a search by POST), so it may be retried. Raises
        Unavailable or OutcomeUnknown if no answer comes.
        """
        safe = method in READS if reads is None else reads
        attempts_max = self.settings.read_attempts_max if safe else 1
        for attempt in range(1, attempts_max + 1):
            try:
                return await self._send_once(method, path, headers, params, content)
            except httpx.RequestError as error:  # also an answer that cannot be read, such as broken compression
                # One that stays silent for so long is not asked again at once: whoever waits for us has a limit too.
                if attempt < attempts_max and not isinstance(error, httpx.ReadTimeout):
                    await asyncio.sleep(_BACKOFF_S[attempt - 1] * random.uniform(0.5, 1.5))  # noqa: S311 jitter is no secret
                    continue
                raise self._failure(error, safe=safe) from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _send_once(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None,
        params: Mapping[str, Any] | None,
        content: bytes | None,
    ) -> Response:
        all_headers = {"X-Correlation-Id": current_correlation_id(), **(headers or {})}
        with (
            span(f"{method} {self.peer}", "client", {**self._peer_attributes, "http.request.method": method}) as sent,
            outbound_request(self.peer) as outcome,
        ):
            all_headers.update(current_trace_headers())
            response = await self._exchange(method, path, all_headers, params, content)
            outcome.answered(response.status_code)
            sent.note({"http.response.status_code": response.status_code})
        return response

    async def _exchange(
        self, method: str, path: str, headers: dict[str, str], params: Mapping[str, Any] | None, content: bytes | None
    ) -> Response:
        query = f"?{httpx.QueryParams(params)}" if params else ""
        return await self._way.exchange(method, f"{self.base_url}{path}{query}", list(headers.items()), content)

    def _failure(self, error: httpx.RequestError, *, safe: bool) -> QuotewayError:
        kind = type(error).__name__
        if safe or isinstance(error, _NOT_SENT):
            return Unavailable(f"{self.peer} does not answer.", vendor=self.peer, vendor_said=kind)
        lost = f"{self.peer} took the request, but its answer was lost."
        return OutcomeUnknown(lost, vendor=self.peer, vendor_said=kind)


# The reason code for a 4xx between our tiers: a retry would not change it.
UNEXPECTED_ANSWER = "unexpected_answer"
_PASSING = frozenset({401, 403, 408, 425, 429})


def raise_for_problem(response: Response, peer: str, *, safe: bool) -> None:
    """Raise the error that another tier of ours answered. Does nothing on success.

    An error that error_from_problem knows is raised as it was there. Anything else is a defect between our own tiers:
    Unavailable for a read, and OutcomeUnknown for a write, since a proxy in between may have cut off a success.
    """
    if response.is_success:
        return
    problem = _problem(response)
    error = error_from_problem(problem) if problem else None
    if error is not None:
        raise error
    said = f"{peer} answered {response.status_code}" + (f": {problem.detail}" if problem else "")
    if safe or response.status_code in {401, 403, 429, 503}:
        ours = 400 <= response.status_code < 500 and response.status_code not in _PASSING
        code = UNEXPECTED_ANSWER if ours else "unavailable"
        raise Unavailable(said, reason_code=code, vendor=peer, retry_after_s=retry_after_s(response))
    raise OutcomeUnknown(said, vendor=peer)


def retry_after_s(response: Response) -> int | None:
    """Return the seconds of a Retry-After header, capped at an hour; None if it has no number of seconds."""
    text = response.headers.get("Retry-After", "")
    return min(int(text), 3600) if text.isdecimal() else None


def decode_json(content: bytes, kind: type[T]) -> T:
    """Return another tier's answer, decoded, with U+FFFD in place of each NUL. Raises msgspec.DecodeError.

    Vendors' texts come through here (messages, names, descriptions), and PostgreSQL cannot store a NUL.
    """
    if b"\\u0000" not in content:
        return msgspec.json.decode(content, type=kind)
    return msgspec.convert(_without_nul(msgspec.json.decode(content)), kind)


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(each) for each in value]
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(each) for name, each in value.items()}
    return value


def _problem(response: Response) -> Problem | None:
    try:
        return decode_json(response.content, Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
