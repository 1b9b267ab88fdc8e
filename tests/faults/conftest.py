"""The landscape of the fault tests: every vendor behind a fault proxy, the tiers in this process."""

import os
import random
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from sandbox.landscape import Landscape
from system_api.billing import stripe
from tests.faults.ordering import Ordering
from tests.faults.worker_plant import WorkerPlant, running_plant
from tests.running_tiers import TIER_SETTINGS, Sales, running_tiers

VENDORS = ("tryton", "stripe", "salesforce")


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
    )
    try:
        landscape.start_vendors()
        yield landscape
    finally:
        landscape.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(vendors: Landscape) -> AsyncIterator[Sales]:
    """The three apps and a worker in this process."""
    async with running_tiers(vendors) as sales:
        yield sales


@pytest.fixture
def ordering(running: Sales) -> Iterator[Ordering]:
    """Orders under faults; afterwards everything passes again."""
    yield Ordering(running)
    for name in VENDORS:
        running.landscape.faults(name).clear()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_plant(vendors: Landscape, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WorkerPlant]:
    """The tiers, without a worker."""
    async with running_plant(vendors, tmp_path_factory.mktemp("plant")) as plant:
        yield plant


@pytest.fixture
def plant(shared_plant: WorkerPlant) -> Iterator[WorkerPlant]:
    """For one test: no order is known, no worker runs, and afterwards everything passes again."""
    shared_plant.ordering.acknowledged.clear()
    yield shared_plant
    shared_plant.processes.close()
    for name in VENDORS:
        shared_plant.ordering.faults(name).clear()


@pytest.fixture
def keys_that_never_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the adapter sent a new idempotency key with every request."""
    monkeypatch.setattr(stripe, "idempotency_key", lambda *_: f"mutation-{uuid.uuid4().hex}")
