"""The HTTP client for all requests that leave a process: to other tiers, vendors and the issuer.

Which failures may be retried is decided here. A request that surely never arrived is `Unavailable`; one that was sent
without a trustworthy answer is `Unavailable` if it only read, and `OutcomeUnknown` if it wrote. Reads are retried a few
times here; writes never: that is up to the saga.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import msgspec

from shared.outbound.network import Answer, Network, OutboundSettings
from shared.problem import OutcomeUnknown, Problem, QuotewayError, Unavailable, error_from_problem
from shared.telemetry.metrics import outbound_request
from shared.telemetry.process_telemetry import current_correlation_id
from shared.telemetry.tracing import current_trace_headers, span

T = TypeVar("T")
Transport = httpx.AsyncBaseTransport
Request = httpx.Request
Response = Answer
TransportResponse = httpx.Response
TransportFailure = httpx.TransportError
HTTPFailure = httpx.HTTPError
READS = frozenset({"GET", "HEAD", "OPTIONS"})
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)
_BACKOFF_S = (0.1, 0.4)


def open_network(settings: OutboundSettings | None = None) -> Transport:
    """Return the network itself, for transports that wrap it."""
    return Network(settings)


@dataclass
class OutboundClient:
    """A client for one peer. `peer` is its name for operators, in errors and spans.

    `transport` replaces the network: the journey tests pass the next tier's ASGI application.
    """

    peer: str
    base_url: str
    transport: Transport | None = None
    settings: OutboundSettings = field(default_factory=OutboundSettings)

    def __post_init__(self) -> None:
        self._network = Network(self.settings) if self.transport is None else None
        self._client = httpx.AsyncClient(
            base_url=self.base_url,
            transport=self.transport or self._network,
            timeout=httpx.Timeout(self.settings.answer_timeout_s, connect=self.settings.connect_timeout_s),
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

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
            except httpx.RequestError as error:  # an unreadable answer too, such as broken compression
                if attempt < attempts_max:
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
            span(f"{method} {self.peer}", "client", {"server.name": self.peer, "http.request.method": method}) as sent,
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
        if self._network is not None:
            # httpx's request and client objects cost more than the rest of a hop.
            query = f"?{httpx.QueryParams(params)}" if params else ""
            return await self._network.exchange(method, f"{self.base_url}{path}{query}", list(headers.items()), content)
        response = await self._client.request(method, path, headers=headers, params=params, content=content)
        return Answer(response.status_code, response.content, response.headers.multi_items())

    def _failure(self, error: httpx.RequestError, *, safe: bool) -> QuotewayError:
        kind = type(error).__name__
        if safe or isinstance(error, _NOT_SENT):
            return Unavailable(f"{self.peer} does not answer ({kind})", vendor=self.peer)
        return OutcomeUnknown(f"{self.peer} took the request, but its answer was lost ({kind})", vendor=self.peer)


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
