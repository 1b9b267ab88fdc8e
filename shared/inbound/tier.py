"""What distinguishes a tier: what it publishes, what it is healthy with, how it refuses, and its policies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.audit.writer import AuditWriter
from shared.cache.response_cache import ResponseCache
from shared.contract.pages import Profile
from shared.identity.acting_user import act_for_nobody
from shared.identity.auth import Authenticator
from shared.inbound.admission import Load
from shared.inbound.health import ReadyCheck
from shared.limits.rate_limit import RateLimiter
from shared.operations.chain import Middleware
from shared.problem import VendorError


@dataclass(frozen=True)
class Published:
    """What a tier's contract says of it as a whole.

    `public_url` is where callers reach it; empty: wherever they say. `tags` describes the groups that the contract puts
    the operations in, `examples` is the folder with their recorded examples, `profiles` are further forms of the
    documents (shared.contract.pages). `internal`: not for callers outside.
    """

    title: str
    version: str
    description: str
    public_url: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    examples: Path | None = None
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    answer_within_s: int | None = None
    internal: bool = True


@dataclass(frozen=True)
class Checks:
    """What a tier is healthy with: without one of `ready` it serves nobody, without one of `vendors` less."""

    ready: dict[str, ReadyCheck] = field(default_factory=dict)
    vendors: dict[str, ReadyCheck] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusals:
    """How a tier refuses.

    `plain`: as `application/json` unless `application/problem+json` is asked for, since Salesforce External Services
    knows no other media type. `redact` takes persons out of what a vendor said, and `complete` puts on a vendor's
    error what the tier knows of the vendor.
    """

    plain: bool = False
    redact: Callable[[str], str] | None = None
    complete: Callable[[VendorError], None] | None = None


@dataclass(frozen=True)
class Policies:
    """The policies that not every tier has.

    `acting_user` finds out on whose behalf a request is made, `visibility` hides the records that this user may not
    see. `origins`: see shared.inbound.cors. Without a `rate_limiter` callers are not limited, without a `load`
    everything is taken, without a `cache` every read is answered anew, without an `audit` nothing is written down.
    """

    acting_user: Middleware = act_for_nobody
    visibility: Middleware | None = None
    origins: frozenset[bytes] = frozenset()
    load: Load | None = None
    rate_limiter: RateLimiter | None = None
    cache: ResponseCache | None = None
    audit: AuditWriter | None = None


@dataclass(frozen=True)
class Tier:
    """A tier. `authenticator` finds out who calls."""

    name: str
    published: Published
    authenticator: Authenticator
    checks: Checks = Checks()
    refusals: Refusals = Refusals()
    policies: Policies = Policies()
