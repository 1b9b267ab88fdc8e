"""The Prometheus metrics of refused callers and cached reads."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from litestar import get
from prometheus_client import start_http_server
from prometheus_client.parser import text_string_to_metric_families

from sandbox.engines.valkey import RedisEngine
from shared.cache.response_cache import ResponseCache
from shared.cache.shared_answers import SharedAnswers
from shared.identity.auth import Authenticator
from shared.inbound.admission import Load
from shared.inbound.service import create_service
from shared.inbound.tier import Policies, Published, Tier
from shared.limits.limit_strings import RateLimits
from shared.limits.rate_limit import RateLimiter
from shared.operations.cache_policy import CachePolicy
from shared.operations.operation import operation
from shared.redis_connection import RedisCache
from shared.telemetry import metrics
from tests.app_lifespan import asgi_transport, running_app
from tests.shared.tokens import AUDIENCE, METADATA_URL, StandInIssuer, claims, rsa_key, sign

pytestmark = pytest.mark.servers
KEY = rsa_key()
READ = operation(owner="tests", capability="things", scopes=["orders:read"])
KEPT = operation(
    owner="tests", capability="things", scopes=["orders:read"], cache=CachePolicy(fresh_s=0.2, stale_s=20, tags=())
)


@get("/v1/limited", operation_id="getLimited", opt=READ, sync_to_thread=False)
def get_limited() -> list[str]:
    """Nothing."""
    return []


@get("/v1/kept", operation_id="getKept", opt=KEPT, sync_to_thread=False)
def get_kept() -> list[str]:
    """Nothing, for a while."""
    return []


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where Prometheus asks this process."""
    monkeypatch.setattr(metrics, "_serving", False)
    server, thread = start_http_server(0, addr="127.0.0.1")
    monkeypatch.setattr(metrics, "start_http_server", lambda *_, **__: (server, thread))
    yield metrics.serve_metrics("127.0.0.1", 0)
    server.shutdown()
    server.server_close()
    thread.join()


async def told(address: str) -> dict[tuple[str, str], float]:
    """Return the inbound counters by name and label, as Prometheus reads them."""
    async with httpx.AsyncClient() as prometheus:
        text = (await prometheus.get(address)).raise_for_status().text
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def since(before: dict[tuple[str, str], float], after: dict[tuple[str, str], float], name: str) -> dict[str, float]:
    """By how much a counter has grown, by its label."""
    grown = {label: after[key] - before.get(key, 0.0) for key in after if (label := key[1]) and key[0] == name}
    return {label: count for label, count in grown.items() if count}


@pytest.fixture
async def service(redis_engine: RedisEngine) -> AsyncIterator[tuple[httpx.AsyncClient, Load]]:
    name, load = uuid.uuid4().hex, Load(at_once_max=4, lag_max_s=60)
    tier = Tier(
        name="tests",
        published=Published(title="Tests", version="1.0.0", description="A service for tests."),
        authenticator=Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport()),
        policies=Policies(
            load=load,
            rate_limiter=RateLimiter(RateLimits.parse("user=8/hour"), redis_engine.url, tier=name, local_share=0.5),
            cache=ResponseCache(SharedAnswers(RedisCache(redis_engine.url), name)),
        ),
    )
    app = create_service(tier, [get_limited, get_kept], state={})
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://service.test") as client,
    ):
        yield client, load


def bearer(user: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {sign(KEY, claims(salesforce_user=user))}"}


async def test_each_refusal_and_each_answer_of_the_cache_is_counted_once(
    service: tuple[httpx.AsyncClient, Load], address: str
) -> None:
    client, load = service
    before = await told(address)
    limited = [(await client.get("/v1/limited", headers=bearer("005QW0000000001AAA"))).status_code for _ in range(11)]

    reader = bearer("005QW0000000002AAA")
    for _ in range(3):  # a miss, and two hits
        await client.get("/v1/kept", headers=reader)
    await asyncio.sleep(0.3)
    await client.get("/v1/kept", headers=reader)  # given once more while it is renewed

    load.at_work += 3  # reads may have three of the four places
    shed = [(await client.get("/v1/kept", headers=reader)).status_code for _ in range(2)]
    batch = (await client.get("/v1/kept", headers={**reader, "Priority": "u=6"})).status_code
    load.at_work -= 3
    after = await told(address)

    assert limited == [200] * 8 + [429] * 3
    assert (shed, batch) == ([503, 503], 503)
    assert since(before, after, "quoteway_rate_limit_refusals_total") == {"getLimited": 3}
    assert since(before, after, "quoteway_load_refusals_total") == {"read": 2, "batch": 1}
    assert since(before, after, "quoteway_cache_answers_total") == {"miss": 1, "hit": 2, "stale": 1}
