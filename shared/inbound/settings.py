"""The settings of every tier's inbound policies."""

from typing import Annotated

from msgspec import Meta

from shared.identity.issuers import IssuersFile
from shared.identity.revocation import RevocationsStaleMax
from shared.limits.limit_strings import check_rate_limits
from shared.telemetry.process_telemetry import TelemetrySettings


class InboundSettings(TelemetrySettings, frozen=True, kw_only=True):
    """The settings of a tier's inbound policies."""

    redis_url: Annotated[
        str,
        Meta(
            pattern="^rediss?://", description="Redis 7 / Valkey: limits, cache, quotas, events; no state is kept there"
        ),
    ]
    issuers_file: IssuersFile = ""
    public_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^/?#@\s]+)?\Z",
            description="where callers reach this service, an origin such as `https://api.example.com`: needed behind "
            "a proxy that ends TLS; without it what a request's Host header says, by http",
        ),
    ] = ""
    revocations_stale_s: RevocationsStaleMax = 600.0
    audit_database_url: Annotated[
        str,
        Meta(
            pattern="^postgresql://",
            description="PostgreSQL with the audit log, as a login that is granted quoteway_audit_writer and nothing "
            "else; the process API takes `QUOTEWAY_DATABASE_URL` where it is empty",
        ),
    ]
    rate_limits: Annotated[
        str,
        Meta(
            description="limits that replace the tier's own, such as `client=600/minute, nordwind.read=50/second, "
            "user=off`; the buckets are tenant, client, user, read, write, expensive and address",
            extra={"check": check_rate_limits},
        ),
    ] = ""
    rate_limit_local_share: Annotated[
        float, Meta(gt=0, le=1, description="the share of a limit that each process admits while Redis is away")
    ] = 0.25
    requests_at_once_max: Annotated[
        int, Meta(ge=4, description="requests that one process works on at once; reads may use three quarters of them")
    ] = 400
    loop_lag_max_s: Annotated[
        float,
        Meta(
            gt=0, description="seconds by which a process may be late before it refuses all; batches and reads sooner"
        ),
    ] = 2.0
