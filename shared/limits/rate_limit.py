"""Rate limits for a tenant, a client, a user, and a client's operations of one class.

A request must fit into all of them, at its operation's cost. Operations without a token that cost something are limited
by the caller's address, which behind a proxy is the proxy's (docs/operations/proxy limits by the real one).
"""

import ipaddress
import time
from dataclasses import dataclass
from typing import Protocol

from litestar.types import ASGIApp, Receive, Scope, Send

from shared.identity.auth import Principal
from shared.limits.limit_strings import RateLimits
from shared.limits.quota_lease import Exhausted, Lease, QuotaLeases
from shared.operations.chain import Middleware, add_headers, matched_operation
from shared.operations.operation import is_limited_by_address
from shared.problem import QuotaExceeded
from shared.telemetry.metrics import RATE_LIMIT_REFUSALS

_ADDRESS = "address"
# Callers whose leases are kept; beyond it all are dropped, which only loses what was leased.
_CALLERS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class _Caller:
    """The limits that apply to a caller's requests of one class, and their headers."""

    leases: tuple[Lease, ...]
    policy: bytes


class RateLimiter:
    """Counts the requests of all callers. Every key holds the tenant."""

    def __init__(self, limits: RateLimits, redis_url: str, *, tier: str, local_share: float) -> None:
        self._limits = limits
        self._tier = tier
        self._quota = QuotaLeases(redis_url, local_share=local_share)
        self._callers: dict[tuple[str, str, str, str], _Caller] = {}
        self._leases: dict[tuple[str, ...], Lease] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self._quota.close()

    async def admit(self, caller: tuple[str, str, str, str], cost: int) -> list[tuple[bytes, bytes]]:
        """Count one request of (tenant, client, user or "", class). Returns the headers that its answer carries.

        Raises QuotaExceeded, with the same headers, if it does not fit.
        """
        known = self._callers.get(caller)
        if known is None:
            known = self._remember(caller)
        leases = known.leases
        if not leases:
            return []
        try:
            now = await self._quota.take(leases, cost)
        except Exhausted as exhausted:
            raise self._refusal(exhausted.lease, known.policy) from exhausted
        tightest = leases[0]
        for lease in leases:
            if lease.available * tightest.item.amount < tightest.available * lease.item.amount:
                tightest = lease
        state = f'"{tightest.name}";r={tightest.available};t={tightest.reset_s(now)}'
        return [(b"ratelimit-policy", known.policy), (b"ratelimit", state.encode())]

    def _remember(self, caller: tuple[str, str, str, str]) -> _Caller:
        if len(self._callers) >= _CALLERS_MAX:
            self._callers.clear()
            self._leases.clear()
        tenant, client, user, rate = caller
        wanted = [("tenant",), ("client", client), (rate, client)] if rate != _ADDRESS else [(_ADDRESS, client)]
        if user:
            wanted.insert(2, ("user", user))
        leases = [lease for bucket, *who in wanted for lease in self._leases_of(tenant, bucket, who)]
        policy = ", ".join(f'"{lease.name}";q={lease.item.amount};w={lease.window_s}' for lease in leases)
        known = self._callers[caller] = _Caller(tuple(leases), policy.encode())
        return known

    def _leases_of(self, tenant: str, bucket: str, who: list[str]) -> list[Lease]:
        items = self._limits.of(tenant, bucket)
        found = []
        for item in items:
            name = bucket if len(items) == 1 else f"{bucket}-{item.get_expiry()}"
            key = (self._tier, tenant, name, *who)
            lease = self._leases.get(key)
            if lease is None:
                lease = self._leases[key] = Lease(name, item, key)
            found.append(lease)
        return found

    def _refusal(self, lease: Lease, policy: bytes) -> QuotaExceeded:
        wait_s = max(1, lease.reset_s(time.monotonic()))
        refusal = QuotaExceeded(
            f'The limit "{lease.name}" of {lease.item} is used up. Come back in {wait_s} s.',
            limit=lease.name.partition("-")[0],
            retry_after_s=wait_s,
        )
        refusal.headers |= {
            "RateLimit-Policy": policy.decode(),
            "RateLimit": f'"{lease.name}";r=0;t={wait_s}',
        }
        return refusal


class RateLimitSettings(Protocol):
    """What a tier's settings say of its limits."""

    @property
    def redis_url(self) -> str:
        """Where they are counted."""

    @property
    def rate_limits(self) -> str:
        """Limits that replace the tier's own."""

    @property
    def rate_limit_local_share(self) -> float:
        """The share of a limit that each process admits while Redis is away."""


def open_rate_limiter(settings: RateLimitSettings, tier: str, defaults: str) -> RateLimiter:
    """The tier's limiter: `defaults`, and what the settings say over them."""
    limits = RateLimits.parse(defaults, settings.rate_limits)
    return RateLimiter(limits, settings.redis_url, tier=tier, local_share=settings.rate_limit_local_share)


def limit_rate(limiter: RateLimiter) -> Middleware:
    """Inbound policy: refuse callers that ask too often; tell all others how much is left.

    Public operations that cost something (webhooks) are limited by address. Health, contract documents and lists that
    other tiers need are not limited.
    """

    def wrap(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            operation = matched_operation(scope)
            if operation is not None and is_limited_by_address(operation.handler.opt):
                try:
                    await limiter.admit(("", _network_of(scope), "", _ADDRESS), 1)
                except QuotaExceeded:
                    RATE_LIMIT_REFUSALS.labels(operation.operation_id).inc()
                    raise
            if operation is not None and operation.policy is not None:
                principal: Principal = scope["user"]
                acting_user = scope["state"].get("acting_user")
                user = acting_user.user_id if acting_user is not None else getattr(principal, "user", None) or ""
                policy = operation.policy
                caller = (principal.tenant, principal.client_id, user, policy.rate)
                try:
                    left = await limiter.admit(caller, policy.cost)
                except QuotaExceeded:
                    RATE_LIMIT_REFUSALS.labels(operation.operation_id).inc()
                    raise
                add_headers(scope, left)
            await app(scope, receive, send)

        return middleware

    return wrap


def _network_of(scope: Scope) -> str:
    """Return the network that an address is counted under: an IPv6 caller can choose among 64 bits of addresses."""
    client = scope.get("client")
    text = client[0] if client else ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "unknown"
    if address.version == 4:
        return text
    mapped = address.ipv4_mapped
    return str(mapped) if mapped is not None else str(ipaddress.ip_network((address, 64), strict=False))
