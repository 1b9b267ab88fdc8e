"""Parses a tier's rate limits from settings.

The syntax is that of slowapi and the `limits` library beneath it: `100/minute`, `10 per second`, several windows with a
semicolon.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from limits import RateLimitItem, parse_many

# `address` is for operations without a token that cost something: nothing else is known of their callers.
BUCKETS = ("tenant", "client", "user", "read", "write", "expensive", "address")
_OFF = "off"


@dataclass(frozen=True)
class RateLimits:
    """The limits of a tier by bucket, and the limits of single tenants, which replace them."""

    buckets: Mapping[str, tuple[RateLimitItem, ...]]
    tenants: Mapping[tuple[str, str], tuple[RateLimitItem, ...]]

    @classmethod
    def parse(cls, defaults: str, text: str = "") -> "RateLimits":
        """Return the limits in `text` on top of `defaults`: `client=600/minute, nordwind.read=50/second, user=off`.

        Raises ValueError with a sentence about the first part that cannot be read.
        """
        buckets: dict[str, tuple[RateLimitItem, ...]] = {}
        tenants: dict[tuple[str, str], tuple[RateLimitItem, ...]] = {}
        for part in f"{defaults},{text}".split(","):
            if not part.strip():
                continue
            name, equals, limit = (piece.strip() for piece in part.partition("="))
            tenant, _, bucket = name.rpartition(".")
            if not equals or bucket not in BUCKETS:
                raise ValueError(f"'{part.strip()}' does not begin with one of {', '.join(BUCKETS)} and '='")
            try:
                items = () if limit == _OFF else tuple(parse_many(limit))
            except ValueError as error:
                raise ValueError(f"'{limit}' is not a limit such as 100/minute, and not '{_OFF}'") from error
            if any(item.amount < 1 for item in items):
                raise ValueError(f"'{limit}' lets nobody in")
            if tenant:
                tenants[tenant, bucket] = items
            else:
                buckets[bucket] = items
        return cls(buckets, tenants)

    def of(self, tenant: str, bucket: str) -> tuple[RateLimitItem, ...]:
        """Return a tenant's limits for a bucket; none if it has none."""
        own = self.tenants.get((tenant, bucket))
        return self.buckets.get(bucket, ()) if own is None else own


def check_rate_limits(text: str) -> None:
    """Raise ValueError unless `text` can be parsed."""
    RateLimits.parse("", text)
