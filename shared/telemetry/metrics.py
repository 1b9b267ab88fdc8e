"""The Prometheus metrics of every process: orders and money first.

Each process answers on a port of its own (`QUOTEWAY_METRICS_PORT`), never on the tier's public one: Prometheus has no
token, and metrics are not for callers. Labels hold operations, systems and codes: their number is bounded, and none
names a person or a record.
"""

import time
from typing import Self

from prometheus_client import Counter, Gauge, Histogram, start_http_server

_FAST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SLOW_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)

# -- inbound ------------------------------------------------------------------------------------------------------
REQUEST_SECONDS = Histogram(
    "quoteway_request_seconds",
    "How long requests took, by operation and status class.",
    ["operation", "status"],
    buckets=_FAST_S,
)
RATE_LIMIT_REFUSALS = Counter("quoteway_rate_limit_refusals_total", "Requests refused by a rate limit.", ["operation"])
LEASES_WITHOUT_REDIS = Counter(
    "quoteway_quota_leases_without_redis_total",
    "Leases of rate limits and vendor quotas that a process took from its own share, since Redis did not answer.",
)
LOAD_REFUSALS = Counter("quoteway_load_refusals_total", "Requests shed because of overload.", ["load_class"])
CACHE_ANSWERS = Counter(
    "quoteway_cache_answers_total",
    "What the cache said to reads: hit, stale (given while it is renewed), shared (Redis or another asked), miss.",
    ["outcome"],
)

# -- outbound -----------------------------------------------------------------------------------------------------
OUTBOUND_SECONDS = Histogram(
    "quoteway_outbound_request_seconds",
    "How long vendors and other tiers took to answer; outcome is a status class, or why no answer came.",
    ["peer", "outcome"],
    buckets=_SLOW_S,
)
QUOTA_DAY_USE = Gauge(
    "quoteway_vendor_quota_day_use_ratio", "The share of a vendor's daily requests that is used up.", ["connection"]
)
QUOTA_AT_WORK = Gauge("quoteway_vendor_quota_at_work", "Requests of this process at work at a vendor.", ["connection"])
QUOTA_REFUSALS = Counter(
    "quoteway_vendor_quota_refusals_total",
    "Requests not sent since a vendor's quota is used up.",
    ["connection", "limit"],
)

# -- orders and money ---------------------------------------------------------------------------------------------
WEBHOOKS = Counter(
    "quoteway_webhooks_total",
    "Webhooks, each time something became of one: kept, not_understood, refused, unknown, applied, put_off, dead.",
    ["source", "outcome"],
)
ORDERS_ENDED = Counter(
    "quoteway_orders_ended_total", "Orders that came to an end, or were parked, in this worker.", ["status", "reason"]
)
ORDER_VALUE = Counter(
    "quoteway_order_value_total", "The totals of booked orders, tax included, in units of the currency.", ["currency"]
)
STEP_ATTEMPTS = Counter(
    "quoteway_flow_step_attempts_total", "Attempts at a flow's steps.", ["step", "direction", "outcome"]
)

ROWS_FORGOTTEN = Counter("quoteway_rows_forgotten_total", "Rows deleted since they were old enough.", ["table"])

# -- audit --------------------------------------------------------------------------------------------------------
AUDIT_ENTRIES = Counter("quoteway_audit_entries_total", "Audit entries written.", ["audit_class"])
AUDIT_LOST = Counter("quoteway_audit_entries_lost_total", "Access entries dropped since the buffer was full.")
AUDIT_REFUSALS = Counter(
    "quoteway_audit_refusals_total", "Writes refused, or left unanswered, since the audit log could not be written."
)

_serving = False


def serve_metrics(host: str, port: int) -> str:
    """Serve Prometheus from now on, in a thread. Returns the address; raises OSError if it is taken."""
    global _serving  # noqa: PLW0603 a process is measured as a whole, or not at all
    server, _thread = start_http_server(port, addr=host)
    _serving = True
    return f"http://{host}:{server.server_port}/metrics"


def metrics_are_served() -> bool:
    """Return whether metrics are served; measuring is skipped otherwise."""
    return _serving


class outbound_request:  # noqa: N801 read as `with outbound_request(...)`; a class, since a generator costs more
    """Measures a request that leaves. One that raises is counted under the error's name."""

    __slots__ = ("_began", "_outcome", "_peer")

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._outcome = "cancelled"

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if _serving:
            if kind is not None and issubclass(kind, Exception):
                self._outcome = kind.__name__
            OUTBOUND_SECONDS.labels(self._peer, self._outcome).observe(time.perf_counter() - self._began)

    def answered(self, status: int) -> None:
        """Record the answer's status."""
        self._outcome = f"{status // 100}xx"
