"""Health: whether a tier runs, whether it can serve, and what is known of its dependencies."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from litestar import Response, get
from litestar.openapi import ResponseSpec

from shared.operations.operation import public
from shared.problem import QuotewayError

_log = logging.getLogger(__name__)
# A check that takes longer is given up and reported as failed.
READY_TIMEOUT_S = 3.0
# Anyone may ask without a token or limit, and every check asks all vendors and databases: so results are kept for this
# long.
READY_REMEMBERED_S = 1.0
# A caller waits no longer than this for checks under way, and then gets the last results: a probe times out after a
# second, and the tier before us asks us as we ask the tier behind us.
READY_ANSWER_S = 0.4
# A result older than this says nothing about now.
READY_KNOWN_FOR_S = 30.0
# A ready check returns None, or one sentence about what is missing.
ReadyCheck = Callable[[], Awaitable[str | None]]


class Health(msgspec.Struct, frozen=True):
    """Whether the tier can do its work.

    `missing` has a sentence for each resource of the tier's own that it cannot work without. `degraded` has one for
    each vendor, and for the tier behind, that is down: requests that do not need it are still served; also one if news
    of revoked tokens are late. The answer may be a few seconds old.
    """

    status: Literal["live", "ready", "not ready"]
    missing: dict[str, str] = msgspec.field(default_factory=dict)
    degraded: dict[str, str] = msgspec.field(default_factory=dict)


@dataclass
class Watched:
    """One dependency, checked in the background."""

    check: ReadyCheck
    _found: str | None = None
    _asked_at: float | None = None
    _found_at: float | None = None
    _looking: asyncio.Task[None] | None = None

    def look(self) -> asyncio.Task[None] | None:
        """Check it, unless that was done a moment ago. Returns the check under way, if there is one."""
        if self._looking is not None and not self._looking.done():
            return self._looking
        if self._asked_at is None or time.monotonic() - self._asked_at >= READY_REMEMBERED_S:
            self._asked_at = time.monotonic()
            self._looking = asyncio.create_task(self._look(), name="health")
            return self._looking
        return None

    def lacks(self) -> str | None:
        """Return the last result: None, or a sentence about what is missing."""
        if self._found_at is None:
            return "has not answered yet"
        age_s = time.monotonic() - self._found_at
        return self._found if age_s <= READY_KNOWN_FOR_S else f"has not been checked for {age_s:.0f} s"

    def stop(self) -> None:
        """Stop checking."""
        if self._looking is not None:
            self._looking.cancel()

    async def _look(self) -> None:
        try:
            self._found = await asyncio.wait_for(self.check(), READY_TIMEOUT_S)
        except TimeoutError:
            self._found = f"does not answer within {READY_TIMEOUT_S:.0f} s"
        except QuotewayError as error:
            self._found = error.for_operators
        except Exception:  # noqa: BLE001 a defect in one check must not leave the others' findings untold
            _log.exception("a health check failed")
            self._found = "cannot be checked"
        self._found_at = time.monotonic()


@dataclass
class HealthWatch:
    """The checks of a tier's own resources, `checks`, and of what it depends on, `vendors`.

    It is ready while its own resources are, whatever happens behind it: if each tier waited for the one behind, one
    vendor that hangs would take every instance of every tier out of its load balancer (docs/failures.md, row 35).
    """

    checks: Mapping[str, ReadyCheck]
    vendors: Mapping[str, ReadyCheck]
    _own: dict[str, Watched] = field(init=False)
    _others: dict[str, Watched] = field(init=False)

    def __post_init__(self) -> None:
        self._own = {name: Watched(check) for name, check in self.checks.items()}
        self._others = {name: Watched(check) for name, check in self.vendors.items()}

    async def stop(self) -> None:
        """Stop all checks."""
        for watched in self._all():
            watched.stop()

    async def health(self) -> Health:
        """Return the results, after a short wait for those that are unknown."""
        under_way = self._look()
        if under_way:
            await asyncio.wait(under_way, timeout=READY_ANSWER_S)
        missing, degraded = _lacking(self._own), _lacking(self._others)
        return Health("not ready" if missing else "ready", missing, degraded)

    def _look(self) -> list[asyncio.Task[None]]:
        return [looking for watched in self._all() if (looking := watched.look()) is not None]

    def _all(self) -> list[Watched]:
        return [*self._own.values(), *self._others.values()]


def health_handlers(watch: HealthWatch) -> list[Any]:
    """Return the handlers of `/health/live` (the process runs) and `/health/ready` (it can serve)."""

    @get("/health/live", opt=public(), operation_id="getLiveness", tags=["health"], sync_to_thread=False)
    def live() -> Health:
        """Whether the process runs."""
        return Health("live")

    @get(
        "/health/ready",
        opt=public(),
        operation_id="getReadiness",
        tags=["health"],
        responses={
            503: ResponseSpec(Health, generate_examples=False, description="Something that the tier needs is missing.")
        },
    )
    async def ready() -> Response[Health]:
        """Whether the tier can serve, and what is known of what it depends on."""
        health = await watch.health()
        return Response(health, status_code=503 if health.missing else 200)

    return [live, ready]


def _lacking(watched: Mapping[str, Watched]) -> dict[str, str]:
    found = {name: each.lacks() for name, each in watched.items()}
    return {name: sentence for name, sentence in found.items() if sentence}
