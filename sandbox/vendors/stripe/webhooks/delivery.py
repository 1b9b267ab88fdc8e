"""Webhook delivery: signed, retried with backoff, at least once, in no promised order.

Source: Stripe's "Receive Stripe events in your webhook endpoint": `Stripe-Signature: t=…,v1=…` is HMAC-SHA256 over
`{t}.{raw body}` with the endpoint's secret; any 2xx is a receipt; redirects and everything else are failures.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.store import Record

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempt:
    """One POST to one endpoint, and what came of it. `retry_in_s` is None when nothing more will be tried."""

    event: str
    type: str
    endpoint: str
    url: str
    attempt: int
    at: int
    status: int | None
    error: str | None
    delivered: bool
    retry_in_s: float | None


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return the value of `Stripe-Signature`."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


class WebhookDelivery:
    """Delivers the events of an account in the background of the running event loop."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._settings = account.settings
        self._tasks: set[asyncio.Task[None]] = set()
        self._attempts: list[Attempt] = []
        self._client: httpx.AsyncClient | None = None
        self._events = 0
        account.deliver = self.deliver

    def deliver(self, event: Record) -> None:
        """Start to deliver an event to every endpoint that wants it."""
        endpoints = self._account.subscribers(event["type"])
        if not endpoints:
            return
        self._events += 1
        drop = self._settings.webhook_drop_every
        if drop and self._events % drop == 0:
            _log.info("webhook %s is not delivered, on purpose", event["id"])
            return
        every = self._settings.webhook_duplicate_every
        copies = 2 if every and self._events % every == 0 else 1
        for endpoint in endpoints:
            for _ in range(copies):
                task = asyncio.get_running_loop().create_task(self._keep_trying(event, endpoint["id"]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def attempts(self) -> list[dict[str, Any]]:
        """Return every attempt so far, oldest first."""
        return [asdict(attempt) for attempt in self._attempts]

    async def close(self) -> None:
        """Give up what is not delivered yet."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def _keep_trying(self, event: Record, endpoint_id: str) -> None:
        wait_s = self._settings.webhook_retry_first_s
        for number in range(1, self._settings.webhook_attempts_max + 1):
            endpoint = self._account.store.get("webhook_endpoint", endpoint_id)
            if endpoint is None or endpoint["status"] != "enabled":
                return
            last = number == self._settings.webhook_attempts_max
            attempt = await self._post(event, endpoint, number, None if last else wait_s)
            self._attempts.append(attempt)
            if attempt.delivered:
                self._count_down(event["id"])
                return
            _log.info("webhook %s to %s failed: %s", event["id"], endpoint["url"], attempt.error or attempt.status)
            if not last:
                await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, self._settings.webhook_retry_cap_s)

    async def _post(self, event: Record, endpoint: Record, number: int, retry_in_s: float | None) -> Attempt:
        current = self._account.store.get("event", event["id"]) or event
        body = json.dumps({key: value for key, value in current.items() if not key.startswith("_")}, indent=2).encode()
        timestamp = int(self._account.clock.wall())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(endpoint["_secret"], timestamp, body),
            "User-Agent": "Stripe/1.0 (+https://docs.stripe.com/webhooks)",
        }
        status, error = None, None
        try:
            response = await self._http().post(endpoint["url"], content=body, headers=headers)
            status = response.status_code
        except httpx.HTTPError as failure:
            error = f"{type(failure).__name__}: {failure}"
        delivered = status is not None and 200 <= status < 300
        return Attempt(
            event=event["id"],
            type=event["type"],
            endpoint=endpoint["id"],
            url=endpoint["url"],
            attempt=number,
            at=timestamp,
            status=status,
            error=error,
            delivered=delivered,
            retry_in_s=None if delivered else retry_in_s,
        )

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            # Proxies of the environment are for the way out; a webhook of the sandbox stays on this machine.
            self._client = httpx.AsyncClient(timeout=self._settings.webhook_timeout_s, trust_env=False)
        return self._client

    def _count_down(self, event_id: str) -> None:
        event = self._account.store.get("event", event_id)
        if event is not None:
            event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)
            self._account.store.put(event)
