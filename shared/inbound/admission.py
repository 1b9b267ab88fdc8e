"""Load shedding: an overloaded tier refuses some requests at once, the least important first.

A process that accepts everything answers everything too late. Its load is measured by the requests in progress and by
the lateness of its event loop. Each class of requests may use a share of both: background work is shed first, financial
writes last. Health is always answered, or an overloaded process would be taken for a dead one.
"""

import asyncio
import random
import re
from typing import Literal

from litestar.types import ASGIApp, Receive, Scope, Send

from shared.operations.chain import Middleware, Operation, matched_operation
from shared.problem import Unavailable
from shared.telemetry.metrics import LOAD_REFUSALS

LoadClass = Literal["batch", "expensive", "read", "write", "financial"]
SHARES: dict[LoadClass, float] = {"batch": 0.5, "expensive": 0.6, "read": 0.75, "write": 0.9, "financial": 1.0}
_PROBE_S = 0.05
# About the last ten probes: one long step is no overload.
_SMOOTHING = 0.2
# RFC 9218: 3 is the default, and 7 is for what runs in the background.
_BATCH_URGENCY = re.compile(rb"(?:^|,)\s*u=[5-7]\b")


class Load:
    """The load of a process, and its limits. Times are in seconds."""

    def __init__(self, *, at_once_max: int, lag_max_s: float) -> None:
        self.at_work = 0
        self.lag_s = 0.0
        self._at_once_max = at_once_max
        self._lag_max_s = lag_max_s
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start measuring the event loop's lateness."""
        self._watch = asyncio.create_task(self._measure_lag())

    async def stop(self) -> None:
        """Stop measuring."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)

    def has_room_for(self, load_class: LoadClass) -> bool:
        """Return whether one more request of this class may be accepted."""
        share = SHARES[load_class]
        return self.at_work < self._at_once_max * share and self.lag_s < self._lag_max_s * share

    async def _measure_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _PROBE_S
            await asyncio.sleep(_PROBE_S)
            self.lag_s += (loop.time() - due - self.lag_s) * _SMOOTHING


def admit(load: Load) -> Middleware:
    """Inbound policy: shed requests of a class whose share is used up; never health or the contract."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            load_class = _load_class(matched_operation(scope), scope)
            if load_class is None:
                await app(scope, receive, send)
                return
            if not load.has_room_for(load_class):
                # Spread out, so that they do not all come back at once.
                again_in_s = random.randint(1, 3)  # noqa: S311 jitter is no secret
                LOAD_REFUSALS.labels(load_class).inc()
                raise Unavailable(
                    "This service is overloaded. Nothing was done; try again in a moment.",
                    reason_code="overloaded",
                    retry_after_s=again_in_s,
                )
            load.at_work += 1
            try:
                await app(scope, receive, send)
            finally:
                load.at_work -= 1

        return middleware

    return wrap


def _load_class(operation: Operation | None, scope: Scope) -> LoadClass | None:
    """Return the class of a request; None if it is never shed."""
    if operation is None:
        return "read"
    policy = operation.policy
    if policy is None:
        return None if operation.method == "GET" else "write"
    for name, value in scope["headers"]:
        if name == b"priority" and _BATCH_URGENCY.search(value):
            return "batch"
    return "financial" if policy.audit == "financial" else policy.rate
