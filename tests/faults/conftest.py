"""The landscape of the fault tests: every vendor behind a fault proxy, the tiers in this process."""

import asyncio
import os
import random
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from process_api.migrate import migrate
from sandbox.landscape.landscape import Landscape
from system_api.billing.stripe import adapter as stripe
from tests.faults.ordering import Ordering
from tests.faults.worker_plant import WorkerPlant, running_plant
from tests.patience import HANG_S, TOKEN_LIFE_S
from tests.running_tiers import TIER_SETTINGS, Sales, running_tiers

VENDORS = ("erp", "stripe", "salesforce")


@pytest.fixture(scope="session")
def seed() -> int:
    """The seed of every chance in these tests; QUOTEWAY_FAULT_SEED repeats a run."""
    chosen = int(os.environ.get("QUOTEWAY_FAULT_SEED") or random.SystemRandom().randrange(1_000_000))
    print(f"QUOTEWAY_FAULT_SEED={chosen}")  # noqa: T201 pytest shows it with a failure
    return chosen


@pytest.fixture(scope="package")
def vendors(tmp_path_factory: pytest.TempPathFactory, seed: int) -> Iterator[Landscape]:
    """Everything but Quoteway itself."""
    landscape = Landscape(
        tmp_path_factory.mktemp("landscape"),
        tier_settings=TIER_SETTINGS,
        proxied=frozenset({*VENDORS, "system"}),
        fault_seed=seed,
        token_life_s=TOKEN_LIFE_S,
    )
    try:
        landscape.start_vendors()
        yield landscape
    finally:
        landscape.stop()


@pytest.fixture(scope="module")
def redis_within_s() -> float:
    """For how long a tier waits for Redis on the way to something else."""
    return HANG_S


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(vendors: Landscape, redis_within_s: float) -> AsyncIterator[Sales]:
    """The three apps and a worker in this process."""
    async with running_tiers(vendors, redis_within_s) as sales:
        yield sales


@pytest_asyncio.fixture(loop_scope="session")
async def ordering(running: Sales) -> AsyncIterator[Ordering]:
    """Orders under faults; afterwards everything passes again, and no flow is left to meet the next test's faults."""
    yield Ordering(running)
    for name in VENDORS:
        running.landscape.faults(name).clear()
    await running.idle()


@pytest.fixture(scope="package")
def migrated(vendors: Landscape) -> Iterator[str]:
    """A migrated database to copy."""
    name = f"plant_{uuid.uuid4().hex[:8]}"
    vendors.postgres.create_database(name)
    migrate(vendors.postgres.url(name))
    yield name
    vendors.postgres.drop_database(name)


@pytest_asyncio.fixture(loop_scope="session")
async def plant(vendors: Landscape, migrated: str, tmp_path: Path) -> AsyncIterator[WorkerPlant]:
    """The tiers, without a worker, on a database of the test's own: the next one's workers find nothing left over."""
    name = f"plant_{uuid.uuid4().hex[:8]}"
    await asyncio.to_thread(vendors.postgres.create_database, name, migrated)
    try:
        async with running_plant(vendors, tmp_path, vendors.postgres.url(name)) as plant:
            yield plant
    finally:
        for vendor in VENDORS:
            vendors.faults(vendor).clear()
        await asyncio.to_thread(vendors.postgres.drop_database, name)


@pytest.fixture
def keys_that_never_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the adapter sent a new idempotency key with every request."""
    monkeypatch.setattr(stripe, "idempotency_key", lambda *_: f"mutation-{uuid.uuid4().hex}")
