"""A process of a tier with cached reads, and a Valkey that a test may stop."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sandbox.engines.postgres import RedisEngine
from tests.shared.cache.cached_service import Service, service


@pytest.fixture
async def found(redis_engine: RedisEngine) -> AsyncIterator[Service]:
    async with service(redis_engine.url) as one:
        yield one


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisEngine]:
    """A Valkey that the test may stop."""
    with RedisEngine(tmp_path) as engine:
        yield engine
