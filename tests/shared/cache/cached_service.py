"""A service with cached reads, which counts its requests."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated, Any

import httpx
from litestar import Request, Response, get, post
from litestar.params import PathParameter, QueryParameter
from redis import Redis

from sandbox.engines.postgres import RedisEngine
from shared.cache.response_cache import ResponseCache
from shared.cache.shared_answers import SharedAnswers
from shared.identity.auth import Authenticator, Principal
from shared.inbound.service import create_service
from shared.inbound.tier import Policies, Published, Tier
from shared.operations.cache_policy import NOT_KEPT, CachePolicy
from shared.operations.operation import operation
from shared.problem import NotFound, Unavailable
from shared.redis_connection import RedisCache
from tests.app_lifespan import asgi_transport, running_app
from tests.patience import HANG_S
from tests.shared.tokens import AUDIENCE, METADATA_URL, StandInIssuer, claims, rsa_key, sign

KEY = rsa_key()
ThingId = Annotated[str, PathParameter(name="thingId")]


@dataclass
class Thing:
    """The data behind the service: its answers count the requests."""

    asked: int = 0
    fails: bool = False
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)


def policy(cache: CachePolicy | None, **more: Any) -> dict[str, Any]:
    return operation(owner="tests", capability="things", scopes=["things:read"], cache=cache, **more)


class Service:
    """One process of a tier, with a client."""

    def __init__(self, thing: Thing, cache: ResponseCache) -> None:
        self.thing = thing
        self.cache = cache
        self.client: httpx.AsyncClient

    async def get(self, path: str = "/v1/things/a", **headers: str) -> httpx.Response:
        """Return the answer to a caller that may be named by its headers."""
        return await self.client.get(path, headers={"Authorization": bearer(), **headers})

    async def ask(self, path: str = "/v1/things/a", **headers: str) -> int:
        """Return how often the thing had been asked when the answer was made."""
        answer = await self.get(path, **headers)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["asked"])

    async def settled(self) -> None:
        """Wait until all background work is done."""
        async with asyncio.timeout(HANG_S):
            while len(self.cache._tasks) > 1:  # noqa: ASYNC110 nothing else tells of it
                await asyncio.sleep(0.01)

    async def linked(self) -> None:
        """Wait until purges reach the process."""
        async with asyncio.timeout(HANG_S):
            while not self.cache._linked:  # noqa: ASYNC110 nothing else tells of it
                await asyncio.sleep(0.01)


_TOKENS: dict[str, str] = {}


def bearer(**changes: Any) -> str:
    """Return a token, the same each time."""
    return "Bearer " + _TOKENS.setdefault(repr(changes), sign(KEY, claims(**{"scope": "things:read", **changes})))


@get(
    "/v1/things/{thingId:str}",
    opt=policy(CachePolicy(fresh_s=10, stale_s=10, tags=("thing:{thingId}", "account:{thingId}"))),
)
async def read(
    request: Request[Principal, Any, Any],
    thing_id: ThingId,
    size: Annotated[int, QueryParameter(required=False)] = 0,
    colour: Annotated[str, QueryParameter(required=False)] = "",
) -> Response[dict[str, Any]]:
    """What is kept."""
    own: Thing = request.app.state.thing
    own.asked += 1
    asked = own.asked
    if thing_id == "slow":
        await own.may_answer.wait()
    if own.fails:
        raise Unavailable("The vendor is away.")
    if thing_id == "gone":
        raise NotFound("There is no such thing.")
    answer = {"asked": asked, "subject": request.user.subject, "filling": "x" * size, "colour": colour}
    return Response(answer, headers=NOT_KEPT if thing_id == "partial" else {})


@get("/v1/plain/{thingId:str}", opt=policy(None))
async def plain(request: Request[Principal, Any, Any], thing_id: ThingId) -> dict[str, str]:
    """What is not kept."""
    request.app.state.thing.asked += 1
    return {"thing": thing_id}


@get("/v1/versioned/{thingId:str}", opt=policy(None))
async def versioned(thing_id: ThingId) -> Response[dict[str, str]]:
    """What has a version of its own."""
    return Response({"thing": thing_id}, headers={"ETag": '"7"'})


@get("/v1/price-list", opt=policy(CachePolicy(fresh_s=10, shared=True)))
async def price_list(request: Request[Principal, Any, Any]) -> dict[str, int]:
    """What does not depend on who asks."""
    request.app.state.thing.asked += 1
    return {"asked": request.app.state.thing.asked}


@post("/v1/previews", opt=policy(None, rate="expensive"))
async def preview() -> dict[str, Any]:
    """What changes nothing, though it is sent by POST."""
    return {}


@post("/v1/things/{thingId:str}", opt=policy(None, rate="write"))
async def write(request: Request[Principal, Any, Any], thing_id: ThingId) -> dict[str, Any]:
    """What changes something."""
    own: Thing = request.app.state.thing
    own.asked += 1
    if thing_id == "gone":
        raise NotFound("There is no such thing.")
    return {"asked": own.asked}


NOWHERE = "redis://127.0.0.1:1"


@asynccontextmanager
async def service(
    redis_url: str,
    *,
    thing: Thing | None = None,
    tier_name: str = "",
    **sizes: int,
) -> AsyncIterator[Service]:
    """One process of a tier. Those of one `tier_name` share their answers."""
    own = thing or Thing()
    cache = ResponseCache(SharedAnswers(RedisCache(redis_url), tier_name or uuid.uuid4().hex), **sizes)
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport())
    tier = Tier(
        name="tests",
        published=Published(title="Tests", version="1.0.0", description="A service for tests."),
        authenticator=authenticator,
        policies=Policies(cache=cache),
    )
    app = create_service(tier, [read, plain, versioned, price_list, preview, write], state={"thing": own})
    found = Service(own, cache)
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://service.test") as found.client,
    ):
        await found.get("/v1/plain/keys")  # the issuer's keys are known from now on
        own.asked = 0
        with suppress(TimeoutError):
            if redis_url != NOWHERE:
                await found.linked()
        yield found


OTHERS: dict[str, Callable[[], dict[str, Any]]] = {
    "another subject": lambda: {"Authorization": bearer(sub="005QW0000000009AAA")},
    "another client": lambda: {"Authorization": bearer(client_id="another")},
    "another tenant": lambda: {"Authorization": bearer(tenant="acme")},
    "other scopes": lambda: {"Authorization": bearer(scope="things:read things:write")},
    "other legal entities": lambda: {"Authorization": bearer(legal_entities=["NW-DE"])},
    "another media type": lambda: {"Accept": "application/problem+json"},
}


def keys_of(engine: RedisEngine) -> list[bytes]:
    """Return the shared answers."""
    with Redis.from_url(engine.url) as connection:
        found: Any = connection.keys("quoteway:cache:*")
    return [key for key in found if b":tag:" not in key]


def forget_shared(engine: RedisEngine) -> None:
    """Delete the shared answers, as if their time in Redis were over too."""
    with Redis.from_url(engine.url) as connection:
        connection.delete(*keys_of(engine))
