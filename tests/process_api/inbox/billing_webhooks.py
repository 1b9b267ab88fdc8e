"""Billing as the webhook inbox meets it: what it holds, what it sends, and a worker that applies it."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from sqlalchemy import text

from process_api.engine.steps import Patience
from process_api.inbox.webhook_inbox import SUBSCRIPTION, InboxWorker
from process_api.subscriptions.mirror import SubscriptionMirror
from sandbox.vendors.stripe.webhooks.delivery import signature
from shared.canonical import Subscription, SubscriptionStatus
from tests.patience import HANG_S, until

if TYPE_CHECKING:
    from tests.process_api.conftest import Process

IMPATIENT = Patience(attempts_max=3, backoff_s=0.01, backoff_max_s=0.02, settle_s=0)


def prefix() -> str:
    return f"ord_{uuid.uuid4().hex[:8]}"


@dataclass
class Webhook:
    """An event as Stripe has it, signed anew for each delivery."""

    subject: str
    event_id: str = field(default_factory=lambda: f"evt_{uuid.uuid4().hex}")
    type: str = "customer.subscription.updated"

    def body(self) -> bytes:
        """The body's bytes, formatted as Stripe does."""
        content = {"id": "sub_x", "object": "subscription", "metadata": {"quoteway_external_id": self.subject}}
        return json.dumps({"id": self.event_id, "type": self.type, "data": {"object": content}}, indent=2).encode()


@dataclass
class Billing:
    """Billing and what it sends, in front of the process tier."""

    process: "Process"

    async def deliver(self, webhook: Webhook, *, secret: str = "", age_s: int = 0, body: bytes = b"") -> httpx.Response:
        """Deliver a webhook, genuine unless told otherwise. `body` replaces what was signed."""
        stamp = int(time.time()) - age_s
        header = signature(secret or self.process.system.webhook_secret, stamp, webhook.body())
        return await self.process.client.post(
            "/v1/webhooks/stripe/nordwind.NW-DE",
            content=body or webhook.body(),
            headers={"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": header},
        )

    def move(self, subject: str, status: SubscriptionStatus) -> Webhook:
        """Move a subscription, and say so."""
        self.process.system.subscriptions[subject] = Subscription(
            external_id=subject, status=status, vendor_id=f"sub_{subject}"
        )
        return Webhook(subject)

    def worker(self, patience: Patience = IMPATIENT, at_once: int = 4) -> InboxWorker:
        """The inbox as a worker has it, with little patience."""
        return InboxWorker(
            self.process.worker.store,
            {SUBSCRIPTION: SubscriptionMirror(self.process.worker.system)},
            patience,
            0.02,
            30,
            at_once,
        )

    @asynccontextmanager
    async def working(self, at_once: int = 4) -> AsyncIterator[None]:
        """With a worker that applies what comes."""
        working = asyncio.create_task(self.worker(at_once=at_once).run())
        try:
            yield
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working

    async def reads(self, number: int) -> None:
        """Wait until billing has been asked so often for a subscription."""
        await until(lambda: self.asked() >= number)

    def asked(self) -> int:
        """How often billing has answered for a subscription."""
        return self.process.system.calls.count("find_subscription")

    async def becomes(self, subject: str, status: str, timeout_s: float = HANG_S) -> None:
        """Wait until the subscription's kept status is that. Raises TimeoutError where it does not become so."""

        async def so() -> bool:
            return (await self.mirrored(subject)).get(subject) == status

        await until(so, timeout_s)

    async def query(self, statement: str, **values: Any) -> list[Any]:
        """Rows of the process tier's database."""
        async with self.process.worker.store.transaction_across_tenants() as connection:
            return list((await connection.execute(text(statement), values)).all())

    async def query_and_change(self, statement: str, **values: Any) -> None:
        """Change rows of the process tier's database, as a version before may have left them."""
        async with self.process.worker.store.transaction_across_tenants() as connection:
            await connection.execute(text(statement), values)

    async def apply_all(self) -> None:
        """Have two workers apply what is in the inbox, until nothing but dead ones and those behind them is left."""
        workers = [asyncio.create_task(self.worker().run()) for _ in range(2)]
        waiting = (
            "SELECT 1 FROM quoteway.webhook_inbox w WHERE status = 'received' AND NOT EXISTS (SELECT FROM"
            " quoteway.webhook_inbox d WHERE d.subject = w.subject AND d.status = 'dead' AND d.position < w.position)"
        )

        async def applied() -> bool:
            return not await self.query(waiting)

        await until(applied)
        for worker in workers:
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker

    async def mirrored(self, prefix: str) -> dict[str, str]:
        """The statuses that are kept of subscriptions whose id begins so."""
        rows = await self.query(
            "SELECT external_id, status FROM quoteway.subscription_states WHERE starts_with(external_id, :prefix)",
            prefix=prefix,
        )
        return {row.external_id: row.status for row in rows}

    def held(self, prefix: str) -> dict[str, str]:
        """The statuses that billing itself has: the oracle."""
        return {
            name: found.status.value
            for name, found in self.process.system.subscriptions.items()
            if name.startswith(prefix)
        }

    async def events_of(self, subject: str) -> list[tuple[int, str]]:
        """The events of a subscription."""
        rows = await self.query(
            "SELECT sequence, data FROM quoteway.events WHERE subject = :subject ORDER BY sequence", subject=subject
        )
        return [(row.sequence, row.data["status"]) for row in rows]
