"""The whole landscape as processes, told to tell everything: what is logged, traced, measured and audited."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from sandbox.demo import access_token
from sandbox.landscape.landscape import Landscape
from tests.journeys.org import Org
from tests.observed.collector import Collector
from tests.running_tiers import ENDED, TIER_SETTINGS

VENDORS = ("erp", "stripe", "salesforce")


@dataclass
class Observed:
    """The landscape, a Salesforce developer's and an operator's way into it, and whoever watches it."""

    landscape: Landscape
    collector: Collector
    org: Org
    developer: httpx.AsyncClient
    operator: httpx.AsyncClient

    async def submit(self, quote_id: str, **headers: str) -> httpx.Response:
        """Submit a quote at revision 1, with a new key."""
        return await self.developer.post(
            "/v1/orders",
            json={"quoteId": quote_id, "quoteRevision": 1},
            headers={"Idempotency-Key": uuid.uuid4().hex, **headers},
        )

    async def ended(self, order_id: str, timeout_s: float = 60) -> dict[str, Any]:
        """The order once it has come to an end."""
        async with asyncio.timeout(timeout_s):
            while True:
                answer = await self.developer.get(f"/v1/orders/{order_id}")
                assert answer.status_code == 200, answer.text
                order: dict[str, Any] = answer.json()
                if order["status"] in ENDED:
                    return order
                await asyncio.sleep(0.1)  # polled as a Salesforce developer would

    async def metrics(self, process: str) -> str:
        """What a process answers to Prometheus."""
        address = str(self.landscape.processes[process].ready["metricsUrl"])
        async with httpx.AsyncClient() as prometheus:
            return (await prometheus.get(address)).raise_for_status().text


@pytest.fixture(scope="package")
def collector() -> Iterator[Collector]:
    """Where every process sends its spans."""
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="package")
def vendors(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Landscape]:
    """Everything as a process of its own, with every request traced and every log line written."""
    folder: Path = tmp_path_factory.mktemp("observed")
    settings = {
        **TIER_SETTINGS,
        "QUOTEWAY_LOG_LEVEL": "DEBUG",
        "QUOTEWAY_OTLP_URL": collector.url,
        "QUOTEWAY_TRACE_SAMPLING": "1",
        "QUOTEWAY_METRICS_PORT": "0",
    }
    with Landscape(folder, tier_settings=settings, proxied=frozenset(VENDORS)) as landscape:
        yield landscape


@pytest_asyncio.fixture(loop_scope="session")
async def observed(vendors: Landscape, collector: Collector) -> AsyncIterator[Observed]:
    """The running landscape, watched."""
    developer = {"Authorization": f"Bearer {access_token(vendors, 'salesforce-lightning', 'quoteway-experience')}"}
    operator = {"Authorization": f"Bearer {access_token(vendors, 'integration-operator', 'quoteway-process')}"}
    async with (
        httpx.AsyncClient(base_url=vendors.url("experience"), headers=developer, timeout=30) as experience,
        httpx.AsyncClient(base_url=vendors.url("process"), headers=operator, timeout=30) as process,
    ):
        with Org(vendors) as org:
            yield Observed(vendors, collector, org, experience, process)
    for name in VENDORS:
        vendors.faults(name).clear()
