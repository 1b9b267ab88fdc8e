"""Health: what a load balancer and a person learn of a tier."""

import asyncio
from collections.abc import Mapping

import httpx
import pytest
from litestar import Litestar

from shared import health
from shared.health import ReadyCheck, health_handlers
from shared.problem import Unavailable
from tests.app_lifespan import asgi_transport


async def fine() -> str | None:
    return None


async def lacking() -> str | None:
    return "no connection to the database"


async def failing() -> str | None:
    raise Unavailable("the ERP does not answer")


async def hanging() -> str | None:
    await asyncio.sleep(60)
    return None


async def ask(
    checks: Mapping[str, ReadyCheck], path: str = "/health/ready", vendors: Mapping[str, ReadyCheck] | None = None
) -> httpx.Response:
    app = Litestar(health_handlers(checks, vendors or {}), openapi_config=None, logging_config=None)
    async with httpx.AsyncClient(transport=asgi_transport(app), base_url="http://tier.test") as client:
        return await client.get(path)


async def test_live_needs_nothing_but_the_process() -> None:
    answer = await ask({"database": failing}, "/health/live")

    assert (answer.status_code, answer.json()) == (200, {"status": "live", "missing": {}, "degraded": {}})


async def test_ready_when_everything_is() -> None:
    answer = await ask({"database": fine, "erp": fine})

    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "missing": {}, "degraded": {}})


async def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "READY_TIMEOUT_S", 0.1)

    answer = await ask({"database": lacking, "erp": failing, "billing": hanging, "crm": fine})

    assert answer.status_code == 503
    assert answer.json() == {
        "status": "not ready",
        "missing": {
            "database": "no connection to the database",
            "erp": "the ERP does not answer",
            "billing": "does not answer within 0 s",
        },
        "degraded": {},
    }


async def test_dependencies_are_asked_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "READY_TIMEOUT_S", 0.2)

    async with asyncio.timeout(0.6):
        answer = await ask({str(number): hanging for number in range(10)})

    assert len(answer.json()["missing"]) == 10


async def test_whoever_asks_again_at_once_gets_what_was_found_and_asks_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Health is public, never limited and never shed: it must not be a way to load vendors and databases."""
    monkeypatch.setattr(health, "READY_REMEMBERED_S", 0.2)
    asked = 0
    found: str | None = "away"

    async def count() -> str | None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        return found

    app = Litestar(health_handlers({"database": count}, {"erp": count}), openapi_config=None, logging_config=None)
    async with httpx.AsyncClient(transport=asgi_transport(app), base_url="http://tier.test") as client:
        answers = await asyncio.gather(*(client.get("/health/ready") for _ in range(20)))
        assert (await client.get("/health/ready")).json() == answers[0].json()
        assert asked == 2

        found = None
        await asyncio.sleep(0.2)
        assert (await client.get("/health/ready")).status_code == 200
    assert asked == 4
    assert {answer.status_code for answer in answers} == {503}


async def test_a_vendor_that_is_away_degrades_the_tier_and_no_more() -> None:
    answer = await ask({"database": fine}, vendors={"erp": failing, "crm": fine})

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "missing": {},
        "degraded": {"erp": "the ERP does not answer"},
    }
