"""Load shedding: the least important requests first, by requests in progress and the event loop's lateness."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from litestar import get, post

from shared.identity.auth import Authenticator
from shared.inbound import admission
from shared.inbound.admission import Load
from shared.inbound.service import create_service
from shared.inbound.tier import Policies, Published, Tier
from shared.operations.operation import AuditClass, RateClass, operation, public
from tests.app_lifespan import asgi_transport, running_app
from tests.patience import HANG_S, until
from tests.shared.tokens import AUDIENCE, METADATA_URL, StandInIssuer, claims, rsa_key, sign

KEY = rsa_key()


def policy(rate: RateClass, audit: AuditClass = "access") -> dict[str, object]:
    return operation(owner="tests", capability="things", scopes=["things:read"], rate=rate, audit=audit)


class Service:
    """Operations of every class, each of which answers when the test lets it."""

    def __init__(self, client: httpx.AsyncClient, load: Load) -> None:
        self.client = client
        self.load = load
        self.may_end = asyncio.Event()

    async def hold(self, count: int, path: str, **headers: str) -> list[asyncio.Task[httpx.Response]]:
        """As many requests at work as are asked for."""
        before = self.load.at_work
        held = [asyncio.create_task(self.client.post(path, headers=headers)) for _ in range(count)]
        async with asyncio.timeout(HANG_S):
            while self.load.at_work < before + count:  # noqa: ASYNC110 the requests tell no event that they are at work
                await asyncio.sleep(0.01)
        return held

    async def statuses(self) -> dict[str, int]:
        """Return what a quick request of each class is answered."""
        return {
            "batch": (await self.client.get("/read", headers={"Priority": "u=6, i"})).status_code,
            "expensive": (await self.client.get("/expensive")).status_code,
            "read": (await self.client.get("/read")).status_code,
            "write": (await self.client.post("/write")).status_code,
            "webhook": (await self.client.post("/webhook")).status_code,
            "financial": (await self.client.post("/financial")).status_code,
            "health": (await self.client.get("/health/live")).status_code,
        }


@asynccontextmanager
async def service(*, at_once_max: int = 20, lag_max_s: float = 10.0) -> AsyncIterator[Service]:
    load = Load(at_once_max=at_once_max, lag_max_s=lag_max_s)

    @post("/held", opt=policy("write", "financial"), status_code=200)
    async def held() -> None:
        await found.may_end.wait()

    @post("/webhook", opt=public(), status_code=200)
    async def webhook() -> None:
        """Proves itself by its signature."""

    @get("/read", opt=policy("read"))
    async def read() -> None:
        """Reads."""

    @get("/expensive", opt=policy("expensive"))
    async def expensive() -> None:
        """Reads a lot."""

    @post("/write", opt=policy("write"), status_code=200)
    async def write() -> None:
        """Writes."""

    @post("/financial", opt=policy("write", "financial"), status_code=200)
    async def financial() -> None:
        """Moves money."""

    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport())
    tier = Tier(
        name="tests",
        published=Published(title="Tests", version="1.0.0", description="A service for tests."),
        authenticator=authenticator,
        policies=Policies(load=load),
    )
    app = create_service(tier, [held, webhook, read, expensive, write, financial], state={})
    token = sign(KEY, claims(scope="things:read"))
    async with (
        running_app(app),
        httpx.AsyncClient(
            transport=asgi_transport(app),
            base_url="http://service.test",
            headers={"Authorization": f"Bearer {token}"},
        ) as client,
    ):
        found = Service(client, load)
        yield found
        found.may_end.set()


IN_ORDER = ["batch", "expensive", "read", "write", "financial"]


@pytest.mark.parametrize(("at_work", "refused"), [(9, 0), (10, 1), (12, 2), (15, 3), (18, 4), (20, 5)])
async def test_rising_load_sheds_more_important_classes_and_never_health(at_work: int, refused: int) -> None:
    async with service() as found:
        held = await found.hold(at_work, "/held")
        statuses = await found.statuses()
        found.may_end.set()
        assert {answer.status_code for answer in await asyncio.gather(*held)} == {200}
        assert found.load.at_work == 0

    assert statuses["health"] == 200
    assert statuses["webhook"] == statuses["write"]
    assert [statuses[load_class] for load_class in IN_ORDER] == [503] * refused + [200] * (5 - refused)


async def test_mutation_without_shares_reads_crowd_out_financial_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutation: with one limit for all, reads use it up."""

    async def reads_and_money() -> int:
        async with service() as found:
            await found.hold(15, "/held")
            reads = [found.load.has_room_for("read") for _ in range(3)]
            found.load.at_work += sum(reads) * 5  # as many more reads as are let in
            return (await found.client.post("/financial")).status_code

    assert await reads_and_money() == 200
    monkeypatch.setattr(admission, "SHARES", dict.fromkeys(admission.SHARES, 1.0))
    assert await reads_and_money() == 503


async def test_a_refusal_is_a_problem_that_says_when_to_come_back() -> None:
    async with service(at_once_max=4) as found:
        await found.hold(4, "/held")
        answer = await found.client.get("/read")

    problem = answer.json()
    assert (answer.status_code, problem["reasonCode"]) == (503, "overloaded")
    assert 1 <= int(answer.headers["retry-after"]) == problem["retryAfterSeconds"] <= 3
    assert problem["correlationId"] == answer.headers["x-correlation-id"]


async def test_late_event_loop_sheds_reads_before_financial_writes() -> None:
    async with service(lag_max_s=10.0) as found:
        await found.load.stop()  # its measure is tested below, whatever else the machine has to do
        found.load.lag_s = 8.0
        late = await found.client.get("/read")
        money = await found.client.post("/financial")
        found.load.lag_s = 0.0
        after = await found.client.get("/read")

    assert [late.status_code, money.status_code, after.status_code] == [503, 200, 200]


async def test_event_loop_lateness_is_measured_and_decays() -> None:
    load = Load(at_once_max=1, lag_max_s=1.0)
    await load.start()
    try:
        ends = time.monotonic() + HANG_S
        while load.lag_s < 0.1:
            assert time.monotonic() < ends
            time.sleep(0.19)  # noqa: ASYNC251 this is what makes it late
            await asyncio.sleep(0)
        await until(lambda: load.lag_s < 0.05)
    finally:
        await load.stop()


async def test_shedding_comes_before_authentication() -> None:
    async with service(at_once_max=4) as found:
        await found.hold(4, "/held")
        found.client.headers.pop("authorization")
        assert (await found.client.get("/read")).status_code == 503
        assert (await found.client.get("/nowhere")).status_code == 503
