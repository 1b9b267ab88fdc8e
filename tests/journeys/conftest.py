"""The landscape of the journeys, and the tiers that run in front of it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from sandbox.landscape.landscape import Landscape
from tests.patience import TOKEN_LIFE_S
from tests.running_tiers import TIER_SETTINGS, Sales, running_tiers


@pytest.fixture(scope="package")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landscape]:
    """Everything but Quoteway itself."""
    landscape = Landscape(tmp_path_factory.mktemp("landscape"), tier_settings=TIER_SETTINGS, token_life_s=TOKEN_LIFE_S)
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


@pytest_asyncio.fixture(loop_scope="session")
async def sales(running: Sales) -> AsyncIterator[Sales]:
    """The running landscape, as a Salesforce developer meets it. No flow is left to the next test."""
    yield running
    await running.idle()
