"""Health: whether a tier runs, and whether it and everything it depends on can serve."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import msgspec
from litestar import Response, get
from litestar.openapi import ResponseSpec

from shared.brief_memory import BriefMemory
from shared.operation import public
from shared.problem import QuotewayError

READY_TIMEOUT_S = 3.0
# Anyone may ask, without a token and without a limit, and each question asks every vendor and database there is.
READY_REMEMBERED_S = 1.0
# A ready check answers None, or one sentence about what is missing.
ReadyCheck = Callable[[], Awaitable[str | None]]


class Health(msgspec.Struct, frozen=True):
    """Whether the tier can do its work.

    `missing` has a sentence for each dependency without which it cannot. `degraded` has one for each vendor that is
    away, where the tier still serves everyone whose request does not need that vendor, and one where news of revoked
    tokens are late. The answer may be a second old.
    """

    status: Literal["live", "ready", "not ready"]
    missing: dict[str, str] = msgspec.field(default_factory=dict)
    degraded: dict[str, str] = msgspec.field(default_factory=dict)


def health_handlers(checks: Mapping[str, ReadyCheck], vendors: Mapping[str, ReadyCheck]) -> list[Any]:
    """`/health/live`: the process runs. `/health/ready`: it and everything it depends on can serve.

    What the checks found is remembered for READY_REMEMBERED_S; of those who ask at once, one asks.
    """
    remembered: BriefMemory[None, Health] = BriefMemory(READY_REMEMBERED_S)

    async def look() -> tuple[Health, float]:
        asked_at = time.monotonic()
        missing, degraded = await asyncio.gather(_ask_all(checks), _ask_all(vendors))
        return Health("not ready" if missing else "ready", missing, degraded), asked_at

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
            503: ResponseSpec(Health, generate_examples=False, description="Something it depends on is missing.")
        },
    )
    async def ready() -> Response[Health]:
        """Whether the tier and everything it depends on can serve."""
        health = remembered.find(None) or await remembered.ask(None, look)
        return Response(health, status_code=503 if health.missing else 200)

    return [live, ready]


async def _ask_all(checks: Mapping[str, ReadyCheck]) -> dict[str, str]:
    answers = await asyncio.gather(*(_ask(check) for check in checks.values()))
    return {name: answer for name, answer in zip(checks, answers, strict=True) if answer}


async def _ask(check: ReadyCheck) -> str | None:
    try:
        return await asyncio.wait_for(check(), READY_TIMEOUT_S)
    except TimeoutError:
        return f"does not answer within {READY_TIMEOUT_S:.0f} s"
    except QuotewayError as error:
        return error.detail
