"""Submits quotes as a Salesforce developer would: retry with the same key until answered, then poll until the order
ends.
"""

import asyncio
import time
import uuid

import msgspec

from sandbox.demo import access_token
from sandbox.faults.caller import Answer, Caller
from sandbox.faults.ledger import Acknowledged
from sandbox.landscape.landscape import Landscape

ENDED = frozenset({"booked", "rejected", "compensated", "parked"})
_RETRY_S = 0.3
# Polled often at first and then less: hundreds of callers would otherwise cause most of the load.
_ASK_FIRST_S, _ASK_MAX_S = 0.5, 3.0


class Customers(Caller):
    """Submits quotes, retries what was not answered, and waits for every end."""

    def __init__(self, landscape: Landscape, end_within_s: float) -> None:
        super().__init__(
            landscape.url("experience"),
            lambda: access_token(landscape, "salesforce-lightning", "quoteway-experience"),
        )
        self._end_within_s = end_within_s

    async def order(self, quote_id: str, key: str | None = None) -> Acknowledged:
        """Submit a quote and follow its order; returns `submitted` if it does not end in time."""
        deadline = time.monotonic() + self._end_within_s
        return await self.follow(quote_id, await self.submit(quote_id, key or uuid.uuid4().hex, deadline), deadline)

    async def follow(self, quote_id: str, order_id: str, deadline: float) -> Acknowledged:
        """Wait for an order's end; returns `submitted` if it does not come in time."""
        status, wait_s = "submitted", _ASK_FIRST_S
        while status not in ENDED and time.monotonic() < deadline:
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 1.5, _ASK_MAX_S)
            answer = await self.send("GET", f"/v1/orders/{order_id}")
            if answer is not None and answer.status == 200:
                status = str(answer.json()["status"])
        return Acknowledged(order_id, quote_id, status, one_off_lines=1, periods=("month",))

    async def submit(self, quote_id: str, key: str, deadline: float | None = None) -> str:
        """Return the order's id, once it is acknowledged.

        Raises TimeoutError if it never is, and RuntimeError if it is refused.
        """
        deadline = deadline or time.monotonic() + self._end_within_s
        body = msgspec.json.encode({"quoteId": quote_id, "quoteRevision": 1})
        answer: Answer | None = None
        while time.monotonic() < deadline:
            answer = await self.send("POST", "/v1/orders", {"Idempotency-Key": key}, body)
            if answer is not None and answer.status == 202:
                return str(answer.json()["orderId"])
            if answer is not None and answer.status in {400, 403, 404, 422}:
                raise RuntimeError(f"{quote_id} was refused: {answer.body.decode(errors='replace')}")
            await asyncio.sleep(max(_RETRY_S, answer.retry_after_s if answer else 0))
        last = f"{answer.status} {answer.body.decode(errors='replace')}" if answer else "no answer"
        raise TimeoutError(f"{quote_id} was never acknowledged; last came {last}")
