"""How one run of the Stripe sandbox is configured."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from limits import parse_many


@dataclass(frozen=True)
class StripeSandboxSettings:
    """Settings of the sandbox; the defaults are the quotas of a Stripe sandbox account.

    `secret_key` is the only key that is accepted; one that begins with `sk_live_` makes every object `livemode`.
    Rates are limit strings ("25/second", several divided by `;`). Durations are seconds.
    """

    secret_key: str
    seed_dir: Path | None = None
    rate_limit: str = "25/second"
    endpoint_rate_limit: str = "25/second"
    search_rate_limit: str = "20/second"
    subscription_invoice_limit: str = "10/minute;20/day"
    # Stripe's search index trails the writes by up to a minute.
    search_lag_s: float = 0.0
    # How long an accepted write is being worked on: time in which a second request can meet the first.
    latency_s: float = 0.0
    # How long a write waits for another one on the same object before it is told `lock_timeout`.
    lock_wait_s: float = 2.0
    idempotency_kept_s: int = 86_400
    webhook_retry_first_s: float = 1.0
    webhook_retry_cap_s: float = 60.0
    webhook_attempts_max: int = 16
    webhook_timeout_s: float = 10.0
    # Every n-th event is delivered twice (0: none), because Stripe promises at least once and no more.
    webhook_duplicate_every: int = 0
    # Every n-th event is never delivered (0: none): it happens, and only `/v1/events` tells of such an event.
    webhook_drop_every: int = 0
    # Refuse to send invoices to a customer who has no e-mail address, as Stripe does.
    require_email: bool = True
    # Refuse a second currency for a customer who has something running in a first one, as Stripe does.
    one_currency: bool = True
    # Refuse the same price on two items of a subscription, as Stripe does.
    one_item_per_price: bool = True
    # The metadata key whose value the journal shows as the caller's own name for the object.
    external_id_key: str = "external_id"
    wall_clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        if not self.secret_key.startswith("sk_") or len(self.secret_key) < 12:
            raise ValueError("the secret key must begin with sk_ and have at least 12 characters, like sk_test_…")
        for name in ("rate_limit", "endpoint_rate_limit", "search_rate_limit", "subscription_invoice_limit"):
            try:
                parse_many(getattr(self, name))
            except ValueError as error:
                raise ValueError(f"{name} is not a limit such as 25/second: {getattr(self, name)!r}") from error
        for name in ("search_lag_s", "latency_s", "lock_wait_s", "webhook_retry_first_s", "webhook_retry_cap_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")

    @property
    def livemode(self) -> bool:
        """Whether the account pretends to be live; Stripe tells it from the key."""
        return self.secret_key.startswith("sk_live_")
