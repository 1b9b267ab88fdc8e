"""The one way out of a process: every request to another tier, a vendor or the issuer leaves through here.

What may be repeated is decided here once. A request that surely never arrived is `Unavailable`; one that was sent and
brought no trustworthy answer is `Unavailable` where it only read, and `OutcomeUnknown` where it wrote. Reads are tried
again a few times; writes never: that is the saga's business.
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
ClientSettings = OutboundSettings
Request = httpx.Request
Response = Answer
TransportResponse = httpx.Response
TransportFailure = httpx.TransportError
HTTPFailure = httpx.HTTPError
READS = frozenset({"GET", "HEAD", "OPTIONS"})
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)
_BACKOFF_S = (0.1, 0.4)


def open_network(settings: OutboundSettings | None = None) -> Transport:
    """The network itself, for a transport that puts something in front of it."""
    return Network(settings)


@dataclass
class OutboundClient:
    """A client for one peer. `peer` is its name as an operator knows it; it appears in errors and spans.

    `transport` replaces the network: the journey tests hand in the next tier's ASGI application.
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
        """Send one request and return whatever answer comes, of any status.

        `reads` says that the request changes nothing although its method could (a search by POST): it may then be
        repeated. Raises Unavailable or OutcomeUnknown where no answer comes.
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
            # httpx's request and client cost more than the rest of a hop, and add nothing to one.
            query = f"?{httpx.QueryParams(params)}" if params else ""
            return await self._network.exchange(method, f"{self.base_url}{path}{query}", list(headers.items()), content)
        response = await self._client.request(method, path, headers=headers, params=params, content=content)
        return Answer(response.status_code, response.content, response.headers.multi_items())

    def _failure(self, error: httpx.RequestError, *, safe: bool) -> QuotewayError:
        kind = type(error).__name__
        if safe or isinstance(error, _NOT_SENT):
            return Unavailable(f"{self.peer} does not answer.", vendor=self.peer, vendor_said=kind)
        lost = f"{self.peer} took the request, but its answer was lost."
        return OutcomeUnknown(lost, vendor=self.peer, vendor_said=kind)


# The reason of what another tier of ours refuses for what we ask: asked again, it would be no other.
UNEXPECTED_ANSWER = "unexpected_answer"
_PASSING = frozenset({401, 403, 408, 425, 429})


def raise_for_problem(response: Response, peer: str, *, safe: bool) -> None:
    """Raise what another tier of ours answered. Does nothing on success.

    What error_from_problem knows comes through as it was raised there. Anything else is a defect between our own
    tiers: for a read it is Unavailable, for a write OutcomeUnknown, since a proxy in between may have cut off a
    success.
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
    """The seconds of a Retry-After header, capped at an hour; None where there is none in seconds."""
    text = response.headers.get("Retry-After", "")
    return min(int(text), 3600) if text.isdecimal() else None


def decode_json(content: bytes, kind: type[T]) -> T:
    """What another tier of ours answered, with U+FFFD in place of each NUL. Raises msgspec.DecodeError.

    A vendor's texts come through here: its sentences, names and descriptions. PostgreSQL takes a NUL in none of them.
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
