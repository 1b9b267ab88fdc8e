"""docs/failures.md, row 35: one vendor hangs, and every instance of every tier stays in its load balancer."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import httpx
import pytest
from litestar import Litestar

from openapi.documents import tier_documents
from shared.inbound import health
from shared.inbound.health import HealthWatch, ReadyCheck, health_handlers
from tests.app_lifespan import asgi_transport
from tests.patience import HANG_S

Ask = Callable[[], Coroutine[Any, Any, httpx.Response]]


class Vendor:
    """A vendor whose readiness check hangs until it is let go."""

    def __init__(self) -> None:
        self.lives = asyncio.Event()
        self.lives.set()

    async def ready(self) -> str | None:
        """None, once it answers."""
        await self.lives.wait()
        return None


class Tiers:
    """Three tiers behind each other, before the vendor. Each has something of its own that is there."""

    def __init__(self, vendor: Vendor) -> None:
        self._watches: list[HealthWatch] = []
        self._clients: list[httpx.AsyncClient] = []
        self.system = self._tier({"vendor": vendor.ready})
        self.process = self._tier({"system": _ready(self.system)})
        self.experience = self._tier({"process": _ready(self.process)})

    def _tier(self, behind: Mapping[str, ReadyCheck]) -> Ask:
        async def there() -> str | None:
            return None

        watch = HealthWatch({"own": there}, behind)
        app = Litestar(health_handlers(watch), openapi_config=None, logging_config=None)
        client = httpx.AsyncClient(transport=asgi_transport(app), base_url="http://tier.test", timeout=3600)
        self._watches.append(watch)
        self._clients.append(client)
        return lambda: client.get("/health/ready")

    async def ask(self) -> list[httpx.Response]:
        """What a load balancer is told of each, if it is within half a minute: a probe's own patience is a second."""
        async with asyncio.timeout(HANG_S):
            return list(await asyncio.gather(self.experience(), self.process(), self.system()))

    async def close(self) -> None:
        """End what is under way."""
        for watch in self._watches:
            await watch.stop()
        for client in self._clients:
            await client.aclose()


def _ready(ask: Ask) -> ReadyCheck:
    async def check() -> str | None:
        return None if (await ask()).is_success else "is not ready"

    return check


@pytest.fixture(autouse=True)
def _never_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for what hangs waits for ever, so that no speed of any machine decides."""
    monkeypatch.setattr(health, "READY_TIMEOUT_S", 3600.0)
    monkeypatch.setattr(health, "READY_REMEMBERED_S", 0.0)


async def test_row_35_a_vendor_that_hangs_takes_no_tier_out_of_its_load_balancer() -> None:
    vendor = Vendor()
    tiers = Tiers(vendor)
    assert {answer.status_code for answer in await tiers.ask()} == {200}

    vendor.lives.clear()
    answers = [await tiers.ask() for _ in range(3)]
    await tiers.close()

    assert {answer.status_code for each in answers for answer in each} == {200}


async def test_row_35_a_tier_that_starts_while_a_vendor_hangs_is_ready_and_says_so() -> None:
    vendor = Vendor()
    vendor.lives.clear()
    tiers = Tiers(vendor)

    answers = await tiers.ask()
    await tiers.close()

    assert {answer.status_code for answer in answers} == {200}
    assert answers[-1].json()["degraded"] == {"vendor": "has not answered yet"}


async def test_row_35_mutation_a_tier_that_waits_for_what_it_depends_on_is_not_heard_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "READY_ANSWER_S", 3600.0)
    vendor = Vendor()
    vendor.lives.clear()
    tiers = Tiers(vendor)

    asked = asyncio.create_task(tiers.experience())
    done, _ = await asyncio.wait([asked], timeout=2)
    asked.cancel()
    await tiers.close()

    assert not done


async def test_row_35_mutation_a_tier_that_needs_the_one_behind_it_leaves_with_it() -> None:
    vendor = Vendor()
    vendor.lives.clear()
    watch = HealthWatch({"vendor": vendor.ready}, {})

    found = await watch.health()
    await watch.stop()

    assert found.status == "not ready"


def test_row_35_no_tier_counts_a_vendor_or_another_tier_as_its_own() -> None:
    own = {documents.tier: set(documents.app.state.tier.checks.ready) for documents in tier_documents()}

    assert own == {"experience": set(), "process": {"database"}, "system": set()}
