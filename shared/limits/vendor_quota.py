"""A vendor's quota, shared by all processes: concurrent requests, requests a second, requests a day.

A vendor counts requests in a window. A burst that fills the window plus the refill during it would exceed the limit: so
a burst is a part of a window, and requests after it are paced.

Permits, rates and the day's use are in Redis, on its clock, changed by one script each. The permit of a process that
died expires. Without Redis each process uses a share of its own: the vendor may then refuse some requests, which their
callers try again, but none fails because Redis is down.

More important work may use more of each limit: order writes all of it, reads leave some over, and batches stay below
both.
"""

import asyncio
import logging
import random
import re
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from math import ceil
from time import monotonic
from typing import NamedTuple

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from shared.outbound.http_client import Response, Transport, Way, exchange_over
from shared.problem import Unavailable
from shared.redis_connection import RedisScripts
from shared.telemetry.metrics import QUOTA_AT_WORK, QUOTA_DAY_USE, QUOTA_REFUSALS

_log = logging.getLogger(__name__)
# Longer than any request: connecting and waiting for the answer time out after 18 s.
_PERMIT_S = 30.0
_WAIT_MAX_S = 2.0
_WITHOUT_REDIS_S = 5.0
_DAY_USE_KEPT_S = 3600
# The part of a second's requests that may go out at once, and how near to the limit the rate after them comes.
_BURST_SHARE = 0.2
_PACE = 0.85
# Salesforce, REST API Developer Guide, "Limits": api-usage=used/allowed of the last 24 hours, on every answer.
_API_USAGE = re.compile(r"\bapi-usage=(\d+)/(\d+)")
_BATCH_URGENCY = re.compile(r"(?:^|,)\s*u=([5-7])\b")
_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local permits_max, permit_ms = tonumber(ARGV[2]), tonumber(ARGV[3])
local rate, burst, floor = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local day = redis.call('HMGET', KEYS[3], 'used', 'allowed')
if ARGV[7] ~= 'inf' and day[1] and tonumber(day[1]) >= tonumber(day[2]) * tonumber(ARGV[7]) then return {'day', 0} end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= permits_max then return {'concurrency', 0} end
if rate > 0 then
  local bucket = redis.call('HMGET', KEYS[2], 'tokens', 'at')
  local tokens, at = tonumber(bucket[1]) or burst, tonumber(bucket[2]) or now
  tokens = math.min(burst, tokens + math.max(0, now - at) * rate / 1000)
  if tokens - 1 < floor then return {'rate', math.ceil((floor + 1 - tokens) * 1000 / rate)} end
  redis.call('HSET', KEYS[2], 'tokens', tostring(tokens - 1), 'at', now)
  redis.call('PEXPIRE', KEYS[2], 60000)
end
redis.call('ZADD', KEYS[1], now + permit_ms, ARGV[1])
redis.call('PEXPIRE', KEYS[1], permit_ms)
return {'granted', 0}
"""
_GIVE_BACK = "return redis.call('ZREM', KEYS[1], ARGV[1])"
_NOTE_DAY = """
redis.call('HSET', KEYS[1], 'used', ARGV[1], 'allowed', ARGV[2])
return redis.call('EXPIRE', KEYS[1], ARGV[3])
"""


class Share(NamedTuple):
    """How much of a limit some requests may use; of the day's, most is used by the customer's other programs."""

    of_limits: float
    of_day: float


class Priority(Enum):
    """The class of a request, and its share of each limit. Orders are refused by the vendor only."""

    order = Share(1.0, float("inf"))
    read = Share(0.8, 0.95)
    batch = Share(0.5, 0.8)


_priority: ContextVar[Priority] = ContextVar("vendor_priority", default=Priority.order)


def prioritise(app: ASGIApp) -> ASGIApp:
    """Inbound policy of the system tier: writes go before reads, and batches come last.

    A batch is marked by RFC 9218's header, `Priority: u=5` to `u=7`.
    """

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            said = next((value for name, value in scope["headers"] if name == b"priority"), b"").decode("latin-1")
            writes = scope["method"] not in {"GET", "HEAD", "OPTIONS"}
            batch = _BATCH_URGENCY.search(said)
            _priority.set(Priority.batch if batch else Priority.order if writes else Priority.read)
        await app(scope, receive, send)

    return middleware


@dataclass(frozen=True)
class Limits:
    """A vendor's limits for one connection. `local_share` is a process's share of them while Redis is down."""

    concurrency_max: int
    requests_per_second_max: float | None = None
    local_share: float = 0.25


@dataclass
class _Refused(Exception):
    limit: str
    again_in_s: float


@dataclass
class VendorQuota:
    """The quota of one connection. `name` is the connection's; `vendor` is the name for people."""

    name: str
    vendor: str
    limits: Limits
    scripts: RedisScripts | None
    _at_work: int = field(default=0, init=False)
    _tokens: float = field(default=0.0, init=False)
    _tokens_at: float = field(default=0.0, init=False)
    _day_use: float = field(default=0.0, init=False)
    _redis_from: float = field(default=0.0, init=False)

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[None]:
        """Hold a permit for one request. Waits a moment for one; else raises Unavailable with a time to come back."""
        permit_id = uuid.uuid4().hex
        in_redis = await self._wait_for_turn(permit_id)
        self._at_work += 1
        QUOTA_AT_WORK.labels(self.name).set(self._at_work)
        try:
            yield
        finally:
            self._at_work -= 1
            QUOTA_AT_WORK.labels(self.name).set(self._at_work)
            if in_redis:
                await self._run(_GIVE_BACK, [self._key("permits")], [permit_id])

    async def note(self, headers: Mapping[str, str]) -> None:
        """Read from an answer how much of the day's requests is used up."""
        told = _API_USAGE.search(headers.get("Sforce-Limit-Info", ""))
        if told is not None and int(told[2]) > 0:
            self._day_use = int(told[1]) / int(told[2])
            QUOTA_DAY_USE.labels(self.name).set(self._day_use)
            await self._run(_NOTE_DAY, [self._key("day")], [told[1], told[2], _DAY_USE_KEPT_S])

    async def _wait_for_turn(self, permit_id: str) -> bool:
        waits_until = monotonic() + _WAIT_MAX_S * _priority.get().value.of_limits
        while True:
            try:
                return await self._take(permit_id)
            except _Refused as refused:
                pause_s = refused.again_in_s + random.uniform(0.01, 0.05)  # noqa: S311 jitter is no secret
                if monotonic() + pause_s > waits_until or refused.limit == "day":
                    raise self._overflow(refused) from refused
                await asyncio.sleep(pause_s)

    async def _take(self, permit_id: str) -> bool:
        """Take a permit, and say whether it is one in Redis. Raises _Refused."""
        share, of_day = _priority.get().value
        burst, rate = _paced(self.limits.requests_per_second_max or 0.0)
        answer = await self._run(
            _SCRIPT,
            [self._key("permits"), self._key("rate"), self._key("day")],
            [
                permit_id,
                max(1, int(self.limits.concurrency_max * share)),
                int(_PERMIT_S * 1000),
                rate,
                burst,
                _kept_free(burst, share),
                str(of_day),
            ],
        )
        if answer is None:
            self._take_locally(share, of_day)
            return False
        limit, again_in_ms = str(answer[0]), float(answer[1])
        if limit != "granted":
            raise _Refused(limit, again_in_ms / 1000)
        return True

    def _take_locally(self, share: float, of_day: float) -> None:
        """Take a permit from this process's own share of the same limits."""
        if self._day_use >= of_day:
            raise _Refused("day", 0.0)
        if self._at_work >= max(1, int(self.limits.concurrency_max * self.limits.local_share * share)):
            raise _Refused("concurrency", 0.0)
        if self.limits.requests_per_second_max is None:
            return
        burst, rate = _paced(self.limits.requests_per_second_max * self.limits.local_share)
        now = monotonic()
        tokens = min(burst, self._tokens + (now - self._tokens_at) * rate)
        missing = _kept_free(burst, share) + 1 - tokens
        if missing > 0:
            raise _Refused("rate", missing / rate)
        self._tokens, self._tokens_at = tokens - 1, now

    async def _run(self, script: str, keys: list[str], values: list[str | int | float]) -> list[str] | None:
        """Run a script; None while Redis is down. It is then left alone for a while, so that no request waits."""
        if self.scripts is None or monotonic() < self._redis_from:
            return None
        try:
            answer = await self.scripts.run(script, keys, values)
        except Unavailable as away:
            self._redis_from = monotonic() + _WITHOUT_REDIS_S
            _log.warning("%s: quota from this process's own share, %s", self.name, away.detail)
            return None
        return answer if isinstance(answer, list) else []

    def _key(self, what: str) -> str:
        return f"quoteway:quota:{{{self.name}}}:{what}"

    def _overflow(self, refused: _Refused) -> Unavailable:
        said = {
            "day": f"most of {self.vendor}'s API requests of the day are used up; the rest is kept for orders",
            "rate": f"{self.vendor}'s rate limit is used up",
            "concurrency": f"{self.vendor}'s limit of concurrent requests is used up",
        }[refused.limit]
        QUOTA_REFUSALS.labels(self.name, refused.limit).inc()
        again_in_s = _DAY_USE_KEPT_S if refused.limit == "day" else max(1, ceil(refused.again_in_s))
        return Unavailable(said, reason_code=f"quota_{refused.limit}", vendor=self.vendor, retry_after_s=again_in_s)


class QuotaTransport(Way):
    """A way to a vendor on which every request needs a permit, from before it is sent until its answer is read."""

    def __init__(self, network: Transport | None, quota: VendorQuota) -> None:
        self._network = exchange_over(network)
        self._quota = quota

    async def exchange(
        self, method: str, url: str, headers: Sequence[tuple[str, str]], content: bytes | None
    ) -> Response:
        """Send it, or raise Unavailable: nothing was sent then."""
        async with self._quota.permit():
            answer = await self._network.exchange(method, url, headers, content)
        await self._quota.note(answer.headers)
        return answer

    async def aclose(self) -> None:
        """Close the network."""
        await self._network.aclose()


def _paced(allowed_a_second: float) -> tuple[float, float]:
    """Return the burst, and the rate after it, that keep every second within the vendor's limit.

    A second contains at most a burst and a second's worth of the rate. Some is left over, since requests may arrive
    closer together than they were sent: of 25 a second, 22 leave here in any second, and a delay of a tenth of a second
    can make that 25.
    """
    burst = max(1.0, allowed_a_second * _BURST_SHARE)
    return burst, min(allowed_a_second, (allowed_a_second + 1 - burst) * _PACE)


def _kept_free(burst: float, share: float) -> float:
    """Return how much of a burst is reserved for more important requests; nothing of a burst of one."""
    return min(burst * (1 - share), burst - 1)
