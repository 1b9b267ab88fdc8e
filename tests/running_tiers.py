"""The three apps wired together in one process, in front of the real ERP and the simulators."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest
from litestar import Litestar

import experience_api.app
import experience_api.settings
import process_api.app
import process_api.settings
import system_api.app
import system_api.settings
from experience_api import process_client
from process_api.accounts import account_overview
from sandbox.demo import access_token
from sandbox.landscape.landscape import Landscape
from sandbox.landscape.oracle import Oracle
from shared import redis_connection
from shared.cache.response_cache import ResponseCache
from shared.outbound.http_client import Transport
from shared.settings import load_settings
from tests.app_lifespan import asgi_transport, running_app
from tests.journeys.org import Org
from tests.nothing_revoked import nothing_revoked
from tests.patience import HANG_S, LONG_LEASE_S
from tests.worker_here import start_worker

ENDED = {"booked", "rejected", "compensated", "parked"}
# Little patience, so that a system that stays away is noticed within a test's time.
TIER_SETTINGS = {
    "QUOTEWAY_STEP_ATTEMPTS_MAX": "3",
    "QUOTEWAY_STEP_BACKOFF_S": "0.2",
    "QUOTEWAY_STEP_BACKOFF_MAX_S": "1",
    "QUOTEWAY_SETTLE_S": "0.2",
    "QUOTEWAY_LEASE_S": "3",
    # That a process is late on a busy machine is no overload.
    "QUOTEWAY_LOOP_LAG_MAX_S": "3600",
    "QUOTEWAY_LOG_LEVEL": "WARNING",
}


@dataclass
class Sales:
    """A Salesforce developer's view of Quoteway, and the vendors' own data beside it."""

    client: httpx.AsyncClient
    process_client: httpx.AsyncClient
    system_client: httpx.AsyncClient
    landscape: Landscape
    org: Org
    oracle: Oracle
    caches: tuple[ResponseCache, ...]

    async def submit(self, quote_id: str, key: str | None = None, **seen: str) -> httpx.Response:
        """Submit a quote at revision 1, with what the user saw of it; with a new key unless one is given."""
        return await self.client.post(
            "/v1/orders",
            json={"quoteId": quote_id, "quoteRevision": 1, **seen},
            headers={"Idempotency-Key": key or uuid.uuid4().hex},
        )

    async def order(self, order_id: str) -> dict[str, Any]:
        """The order as it is now."""
        answer = await self.client.get(f"/v1/orders/{order_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def idle(self) -> None:
        """Wait until every flow has come to its end, with all that follows the end."""
        url = self.landscape.postgres.url(self.landscape.database)
        at_work = "SELECT FROM dbos.workflow_status WHERE status IN ('ENQUEUED', 'PENDING') LIMIT 1"
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection, asyncio.timeout(HANG_S):
            while (await connection.execute(at_work)).rowcount:  # noqa: ASYNC110 the database has no way to wait
                await asyncio.sleep(0.05)

    async def ended(self, order_id: str) -> dict[str, Any]:
        """The order once it has come to an end."""
        async with asyncio.timeout(HANG_S):
            # Polled as a Salesforce developer would.
            while (order := await self.order(order_id))["status"] not in ENDED:  # noqa: ASYNC110 see above
                await asyncio.sleep(0.1)
        return order

    async def submit_and_end(self, quote_id: str) -> dict[str, Any]:
        """Submit a quote and wait for the order's end."""
        answer = await self.submit(quote_id)
        assert answer.status_code == 202, answer.text
        return await self.ended(answer.json()["orderId"])


class StartsLater(httpx.AsyncBaseTransport):
    """The way to a tier that starts after the one that asks it for its keys."""

    target: httpx.AsyncBaseTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the request on."""
        if self.target is None:
            raise httpx.ConnectError("it has not started yet")
        return await self.target.handle_async_request(request)


@contextmanager
def patient_tiers(redis_within_s: float) -> Iterator[None]:
    """Have tiers in this process, which is slow or held up by a test, give up on nobody who does answer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis_connection, "_SCRIPT_TIMEOUT_S", redis_within_s)
        patch.setattr(redis_connection, "_SILENCE_S", max(redis_connection._SILENCE_S, redis_within_s))
        patch.setattr(process_client, "DEADLINE_S", HANG_S)
        patch.setattr(account_overview, "PART_DEADLINE_S", HANG_S)
        patch.setattr(account_overview, "CRM_DEADLINE_S", HANG_S)
        yield


@asynccontextmanager
async def running_tiers(vendors: Landscape, redis_within_s: float = HANG_S) -> AsyncIterator[Sales]:
    """The three apps and a worker in this process. Only one worker can run in a process at a time.

    `redis_within_s` is for tests in which Redis does not answer.
    """
    with patient_tiers(redis_within_s):
        async with _running_tiers(vendors) as sales:
            yield sales


@asynccontextmanager
async def _running_tiers(vendors: Landscape) -> AsyncIterator[Sales]:
    later = StartsLater()
    system = system_app(vendors, later)
    # The tests share the worker's loop: while one of them holds it up, the lease is not renewed.
    own = {"QUOTEWAY_SYSTEM_URL": "http://system", "QUOTEWAY_LEASE_S": f"{LONG_LEASE_S:g}"}
    settings = load_settings(process_api.settings.ProcessSettings, {**vendors.settings("process"), **own})
    async with running_app(system), running_callers(vendors, settings, asgi_transport(system), later) as sales:
        worker = await start_worker(settings, transport=asgi_transport(system))
        try:
            yield sales
        finally:
            await worker.stop(drain_s=1)


def system_app(vendors: Landscape, process_transport: Transport | None = None) -> Litestar:
    """The system API in front of these vendors; without a way to the process API, nothing was revoked."""
    return system_api.app.create_app(
        load_settings(system_api.settings.SystemSettings, vendors.settings("system")),
        process_transport=process_transport or nothing_revoked(),
    )


@asynccontextmanager
async def running_callers(
    vendors: Landscape,
    settings: process_api.settings.ProcessSettings,
    transport: Transport | None = None,
    process_transport: StartsLater | None = None,
) -> AsyncIterator[Sales]:
    """The experience and the process API in this process; `transport` replaces the network to the system API.

    `process_transport` becomes a way to the process API.
    """
    experience_transport = StartsLater()
    process = process_api.app.create_app(
        settings, system_transport=transport, experience_transport=experience_transport
    )
    if process_transport is not None:
        process_transport.target = asgi_transport(process)
    experience = experience_api.app.create_app(
        load_settings(
            experience_api.settings.ExperienceSettings,
            {**vendors.settings("experience"), "QUOTEWAY_PROCESS_URL": "http://process"},
        ),
        process_transport=asgi_transport(process),
    )
    experience_transport.target = asgi_transport(experience)
    token = access_token(vendors, "salesforce-lightning", "quoteway-experience")
    async with (
        running_app(process),
        running_app(experience),
        httpx.AsyncClient(
            transport=asgi_transport(experience),
            base_url="http://experience",
            headers={"Authorization": f"Bearer {token}"},
        ) as client,
        httpx.AsyncClient(transport=asgi_transport(process), base_url="http://process") as process_client,
        httpx.AsyncClient(transport=transport, base_url=settings.system_url) as system_client,
    ):
        with Org(vendors) as org:
            caches = tuple(each.state.tier.policies.cache for each in (process, experience))
            yield Sales(client, process_client, system_client, vendors, org, Oracle(vendors), caches)
