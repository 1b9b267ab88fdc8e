"""Health for load balancers and people."""

import asyncio
from collections.abc import Mapping

import httpx
import pytest
from litestar import Litestar

from shared.inbound import health
from shared.inbound.health import HealthWatch, ReadyCheck, health_handlers
from shared.problem import Unavailable
from tests.app_lifespan import asgi_transport
from tests.patience import HANG_S


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
    watch = HealthWatch(checks, vendors or {})
    app = Litestar(health_handlers(watch), openapi_config=None, logging_config=None, on_shutdown=[watch.stop])
    async with httpx.AsyncClient(transport=asgi_transport(app), base_url="http://tier.test") as client:
        answer = await client.get(path)
    await watch.stop()
    return answer


async def test_live_needs_nothing_but_the_process() -> None:
    answer = await ask({"database": failing}, "/health/live")

    assert (answer.status_code, answer.json()) == (200, {"status": "live", "missing": {}, "degraded": {}})


async def test_ready_if_every_check_passes() -> None:
    answer = await ask({"database": fine, "erp": fine})

    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "missing": {}, "degraded": {}})


async def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "READY_TIMEOUT_S", 0.1)
    monkeypatch.setattr(health, "READY_ANSWER_S", 30.0)

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
    monkeypatch.setattr(health, "READY_ANSWER_S", 30.0)
    every = asyncio.Barrier(10)

    async def meeting() -> str | None:
        await every.wait()
        return "was asked with the others"

    answer = await ask({str(number): meeting for number in range(10)})

    assert set(answer.json()["missing"].values()) == {"was asked with the others"}


async def test_repeated_probe_gets_the_last_result_without_new_checks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Health is public, never limited and never shed: it must not be usable to load vendors and databases."""
    monkeypatch.setattr(health, "READY_REMEMBERED_S", 600.0)
    monkeypatch.setattr(health, "READY_ANSWER_S", 30.0)
    asked = 0
    found: str | None = "away"

    async def count() -> str | None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        return found

    watch = HealthWatch({"database": count}, {"erp": count})
    app = Litestar(health_handlers(watch), openapi_config=None, logging_config=None)
    async with httpx.AsyncClient(transport=asgi_transport(app), base_url="http://tier.test") as client:
        answers = await asyncio.gather(*(client.get("/health/ready") for _ in range(20)))
        assert (await client.get("/health/ready")).json() == answers[0].json()
        assert asked == 2

        found = None
        monkeypatch.setattr(health, "READY_REMEMBERED_S", 0.0)
        assert (await client.get("/health/ready")).status_code == 200
    assert asked == 4
    assert {answer.status_code for answer in answers} == {503}


async def test_vendor_outage_degrades_the_tier_but_keeps_it_ready() -> None:
    answer = await ask({"database": fine}, vendors={"erp": failing, "crm": fine})

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "missing": {},
        "degraded": {"erp": "the ERP does not answer"},
    }


async def test_hanging_check_shows_its_last_result_then_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "READY_REMEMBERED_S", 0.0)
    monkeypatch.setattr(health, "READY_ANSWER_S", 0.05)
    monkeypatch.setattr(health, "READY_TIMEOUT_S", 0.5)
    hold = asyncio.Event()
    hold.set()

    async def held() -> str | None:
        await hold.wait()
        return None

    watch = HealthWatch({"database": held}, {"erp": held})
    async with asyncio.timeout(HANG_S):
        while (before := await watch.health()).degraded:
            pass
    hold.clear()
    at_once = await watch.health()
    async with asyncio.timeout(HANG_S):
        while not (later := await watch.health()).missing:
            pass
    monkeypatch.setattr(health, "READY_KNOWN_FOR_S", -1.0)
    forgotten = await watch.health()
    await watch.stop()

    assert (before.status, at_once.status) == ("ready", "ready")
    assert later.missing == {"database": "does not answer within 0 s"}
    assert later.degraded == {"erp": "does not answer within 0 s"}
    assert forgotten.missing["database"].startswith("has not been checked for")


async def test_before_anything_is_known_a_tier_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "READY_ANSWER_S", 0.05)

    answer = await ask({"database": hanging}, vendors={"erp": hanging})

    assert answer.status_code == 503
    assert answer.json()["missing"] == {"database": "has not answered yet"}
    assert answer.json()["degraded"] == {"erp": "has not answered yet"}


async def test_a_check_with_a_defect_hides_none_of_the_others() -> None:
    async def broken() -> str | None:
        raise ZeroDivisionError

    answer = await ask({"database": fine}, vendors={"erp": broken, "crm": failing})

    assert answer.status_code == 200
    assert answer.json()["degraded"] == {"erp": "cannot be checked", "crm": "the ERP does not answer"}
