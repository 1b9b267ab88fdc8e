"""Leases of a caller's quota: several requests are reserved in Redis at once and counted down in the process.

Asking Redis for every request would cost more than all other policies together. A lease is small compared with its
limit, grows only with demand, and expires soon. The effect on the limit:

* Over: a process may use at most one lease that it took before a window in that window. So of a limit of n, at most
  n + (processes x a twentieth of n) are admitted in any window, and exactly n where n is below 20.
* Under: what a process has leased and does not use is lost to the others until the window is over; the nearer a limit
  is to its end, the smaller its leases are.

Without Redis each process admits its own share of the limit: nobody is refused because Redis is down, and nobody gets
in without limit either.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from math import ceil

from limits import RateLimitItem
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from shared.redis_connection import request_pool
from shared.telemetry.metrics import LEASES_WITHOUT_REDIS

_log = logging.getLogger(__name__)
LEASE_SHARE = 1 / 20
_LEASE_MAX = 1000
_REDIS_FAILURES: tuple[type[Exception], ...] = (StorageError, OSError, TimeoutError)
_LEASE_WINDOWS = 0.25
_WITHOUT_REDIS_S = 5.0
# How long a refusal is cached, so that refused callers do not load Redis.
_CLOSED_MAX_S = 1.0


class Lease:
    """This process's rest of one limit for one caller. Times are monotonic seconds."""

    __slots__ = (
        "closed_for",
        "closed_until",
        "ends_at",
        "identifiers",
        "item",
        "left",
        "name",
        "refilling",
        "remaining",
        "resets_at",
        "size",
        "wanted",
        "window_s",
    )

    def __init__(self, name: str, item: RateLimitItem, identifiers: tuple[str, ...]) -> None:
        self.name = name
        self.item = item
        self.identifiers = identifiers
        self.window_s = item.get_expiry()
        self.left = 0
        self.ends_at = 0.0
        self.size = 1
        # What was left for everyone at the last look into Redis, and when the window ends.
        self.remaining = item.amount
        self.resets_at = 0.0
        self.closed_for = 0
        self.closed_until = 0.0
        self.wanted = 0
        self.refilling: asyncio.Task[None] | None = None

    @property
    def available(self) -> int:
        """Return what is left of the limit, as far as this process knows."""
        return self.left + self.remaining

    def reset_s(self, now: float) -> int:
        """Return whole seconds until more is available."""
        return max(0, ceil(self.resets_at - now))


@dataclass
class Exhausted(Exception):
    """A limit has nothing left for this request."""

    lease: Lease


class QuotaLeases:
    """Takes leases from Redis, or from this process's own share of the limits while Redis is away."""

    def __init__(self, redis_url: str, *, local_share: float) -> None:
        self._pool = request_pool(redis_url)
        storage = RedisStorage(
            f"async+{redis_url}",
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix="quoteway:limit",
            connection_pool=self._pool,
        )
        self._shared = SlidingWindowCounterRateLimiter(storage)
        self._local = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._local_share = local_share
        self._redis_from = 0.0

    async def take(self, leases: tuple[Lease, ...], cost: int) -> float:
        """Take `cost` from every lease, or from none. Returns the time; raises Exhausted."""
        while True:
            now = time.monotonic()
            short = [lease for lease in leases if lease.left < cost or lease.ends_at <= now]
            if not short:
                for lease in leases:
                    lease.left -= cost
                return now
            for lease in short:
                if lease.closed_for and cost >= lease.closed_for and now < lease.closed_until:
                    raise Exhausted(lease)
            await asyncio.gather(*(self._refill(lease, cost) for lease in short))

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def _refill(self, lease: Lease, cost: int) -> None:
        """Take a new lease. Requests that arrive meanwhile wait for it, and ask for more together."""
        if lease.refilling is not None:
            lease.wanted += cost
            await asyncio.shield(lease.refilling)
            return
        lease.refilling = asyncio.create_task(self._take_lease(lease, cost))
        # Shielded: a cancelled caller does not take the lease away from the others.
        await asyncio.shield(lease.refilling)

    async def _take_lease(self, lease: Lease, cost: int) -> None:
        now = time.monotonic()
        try:
            if now >= self._redis_from:
                try:
                    await self._take_from(self._shared, lease, lease.item, cost)
                except _REDIS_FAILURES as away:
                    self._redis_from = now + _WITHOUT_REDIS_S
                    _log.warning("rate limits from this process's own share: Redis does not answer (%s)", away)
                else:
                    return
            LEASES_WITHOUT_REDIS.inc()
            share = type(lease.item)(ceil(lease.item.amount * self._local_share), lease.item.multiples)
            await self._take_from(self._local, lease, share, cost)
        finally:
            lease.refilling = None

    async def _take_from(
        self, limiter: SlidingWindowCounterRateLimiter, lease: Lease, item: RateLimitItem, cost: int
    ) -> None:
        now = time.monotonic()
        _adapt_size(lease, now)
        wanted, lease.wanted = lease.wanted + cost, 0
        granted = 0
        for units in sorted({max(lease.size, wanted), wanted, cost}, reverse=True):
            if await limiter.hit(item, *lease.identifiers, cost=units):
                granted = units
                break
        stats = await limiter.get_window_stats(item, *lease.identifiers)
        lease.remaining = stats.remaining
        # The library returns wall-clock time; it has just read that clock itself.
        until_reset_s = min(max(0.0, stats.reset_time - time.time()), lease.window_s)
        lease.resets_at = time.monotonic() + until_reset_s
        if granted:
            lease.left = (lease.left if lease.ends_at > now else 0) + granted
            lease.ends_at = now + lease.window_s * _LEASE_WINDOWS
            lease.closed_for = 0
        else:
            lease.closed_for = cost
            lease.closed_until = now + min(_CLOSED_MAX_S, until_reset_s or _CLOSED_MAX_S)


def _adapt_size(lease: Lease, now: float) -> None:
    """Double the size after a lease that was used up, halve it after one that was not; keep it small near a limit's
    end.
    """
    if lease.ends_at > now:
        lease.size *= 2
    elif lease.left * 2 > lease.size:
        lease.size //= 2
    largest = max(1, min(_LEASE_MAX, int(lease.item.amount * LEASE_SHARE)))
    lease.size = max(1, min(lease.size, largest, lease.remaining // 4))
