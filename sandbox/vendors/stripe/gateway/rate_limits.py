"""Stripe's quotas, enforced with slowapi: for the account, for each endpoint, and for all searches together.

Source: Stripe's "Rate limits": 100 operations a second live and 25 in a sandbox, 25 a second on one endpoint, 20 a
second over all search endpoints.
"""

from __future__ import annotations

from typing import Any

from slowapi import Limiter
from slowapi.errors import RateLimitExceeded
from starlette.requests import Request
from starlette.responses import Response

from sandbox.vendors.stripe.gateway.gateway import api_key, error_response, signed
from sandbox.vendors.stripe.settings import StripeSandboxSettings
from sandbox.vendors.stripe.wire.errors import rate_limited

_ACCOUNT, _SEARCH = "account", "search"


def _who(request: Request) -> str:
    return api_key(request) or (request.client.host if request.client else "nobody")


class Quotas:
    """The limiter of one app; its counters live in this process."""

    def __init__(self, settings: StripeSandboxSettings) -> None:
        self._settings = settings
        self._limiter = Limiter(key_func=_who, strategy="moving-window", storage_uri="memory://", key_style="endpoint")

    def limited(self, endpoint: Any, *, search: bool) -> Any:
        """Return `endpoint` behind its quotas. slowapi tells endpoints apart by their `__name__`."""
        own = (
            self._limiter.shared_limit(self._settings.search_rate_limit, scope=_SEARCH)
            if search
            else self._limiter.limit(self._settings.endpoint_rate_limit)
        )
        return self._limiter.shared_limit(self._settings.rate_limit, scope=_ACCOUNT)(own(endpoint))


def too_many_requests(request: Request, error: Exception) -> Response:
    """Starlette's handler for slowapi's RateLimitExceeded: 429 in Stripe's shape."""
    if not isinstance(error, RateLimitExceeded):
        raise error
    scope = error.limit.scope if error.limit is not None else _ACCOUNT
    return signed(error_response(rate_limited("global-rate" if scope == _ACCOUNT else "endpoint-rate")), request)
