"""The account page through all three tiers and their caches: what a user did, and what happened, is seen soon."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
import pytest_asyncio

from process_api.database.store import Store
from process_api.engine.steps import Patience
from process_api.outbox.event_delivery import EventRelay
from process_api.settings import ProcessSettings
from shared.cache.response_cache import ResponseCache
from shared.operations.cache_policy import CachePolicy
from shared.redis_connection import RedisStreams
from shared.settings import load_settings
from tests.journeys.accounts import make_account
from tests.journeys.org import Line
from tests.patience import HANG_S, until
from tests.running_tiers import Sales

pytestmark = pytest.mark.servers
LINES = [Line("SENSOR-TEMP", "1", "89.50")]
# By time alone no answer ends during a test.
_KEPT_S = 3600.0


def reader_token(sales: Sales) -> str:
    """A token that may read accounts only: to the cache another caller than the one who submits orders."""
    landscape = sales.landscape
    answer = httpx.post(
        f"{landscape.url('issuer')}/token",
        data={"grant_type": "client_credentials", "audience": "quoteway-experience", "scope": "accounts:read"},
        auth=("salesforce-lightning", landscape.secret("salesforce-lightning")),
        timeout=HANG_S,
    ).raise_for_status()
    return str(answer.json()["access_token"])


async def knows_customer(sales: Sales, account_id: str, **headers: str) -> tuple[bool, bool]:
    """Whether the account page shows a customer that the ERP knows, and whether it came from a cache."""
    answer = await sales.client.get(f"/v1/accounts/{account_id}/overview", headers=headers)
    assert answer.status_code == 200, answer.text
    credit: dict[str, Any] = answer.json()["credit"]["credit"]
    return not credit["reason"].startswith("The ERP does not know"), "age" in answer.headers


async def seen_by_another(sales: Sales, within_s: float = HANG_S) -> None:
    """Wait, from the publication of an order's end on, until someone else's account page, which is kept in the caches,
    shows the customer that the order made in the ERP. Raises TimeoutError."""
    name = f"Watched {uuid.uuid4().hex[:8]} GmbH"
    account_id = make_account(sales, name)
    quote_id = sales.org.make_quote(name, "EUR", LINES)
    reader = {"Authorization": f"Bearer {await asyncio.to_thread(reader_token, sales)}"}
    assert await knows_customer(sales, account_id, **reader) == (False, False)
    ordering = asyncio.create_task(sales.submit_and_end(quote_id))
    while not ordering.done():  # as long as the order is at work, the page is kept
        await knows_customer(sales, account_id, **reader)
        await asyncio.sleep(0.05)
    order = await ordering
    assert order["status"] == "booked"
    await until(lambda: bool(sales.oracle.published_events(order["orderId"])))

    async def known() -> bool:
        return (await knows_customer(sales, account_id, **reader))[0]

    await until(known, within_s)


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def kept_long(sales: Sales, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers end by events and own writes only, and the caches are told of those."""
    monkeypatch.setattr(CachePolicy, "fresh_s", property(lambda _: _KEPT_S), raising=False)
    monkeypatch.setattr(CachePolicy, "stale_s", property(lambda _: 0.0))
    await until(lambda: all(cache._linked for cache in sales.caches))


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def relay(sales: Sales) -> AsyncIterator[None]:
    """What publishes events beside the flows in a worker's process: the tiers here have none."""
    settings = load_settings(
        ProcessSettings, {**sales.landscape.settings("process"), "QUOTEWAY_SYSTEM_URL": "http://system"}
    )
    store, streams = Store(settings.database_url), RedisStreams(settings.redis_url)
    patience = Patience(settings.step_attempts_max, 1, 1, 1)
    publishing = asyncio.create_task(
        EventRelay(store, streams, settings.event_poll_s, settings.event_stream_length, patience).run()
    )
    yield
    publishing.cancel()
    with suppress(asyncio.CancelledError):
        await publishing
    await streams.close()
    await store.close()


async def test_an_event_ends_what_was_kept_before_it_in_every_tier(sales: Sales) -> None:
    await seen_by_another(sales)


async def test_without_the_purge_the_old_page_would_be_shown(sales: Sales, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutation of the test above."""

    async def purge_nothing(*_: Any) -> None:
        return None

    monkeypatch.setattr(RedisStreams, "purge_cache", purge_nothing)
    with pytest.raises(TimeoutError):
        await seen_by_another(sales, within_s=3)


async def kept_before_and_after_an_own_write(sales: Sales) -> tuple[bool, bool]:
    """Whether a page comes from the cache before, and at once after, its reader has ordered for another account: no
    event that follows is about this page."""
    account_id = make_account(sales, f"Read {uuid.uuid4().hex[:8]} GmbH")
    name = f"Ordering {uuid.uuid4().hex[:8]} GmbH"
    make_account(sales, name)
    quote_id = sales.org.make_quote(name, "EUR", LINES)
    await knows_customer(sales, account_id)
    _, kept_before = await knows_customer(sales, account_id)
    accepted = await sales.submit(quote_id)
    _, kept_after = await knows_customer(sales, account_id)
    assert accepted.status_code == 202, accepted.text
    await sales.ended(accepted.json()["orderId"])
    return kept_before, kept_after


async def test_whoever_wrote_something_gets_no_page_from_before_that(sales: Sales) -> None:
    assert await kept_before_and_after_an_own_write(sales) == (True, False)


async def test_without_the_purge_after_an_own_write_the_old_page_would_be_shown(
    sales: Sales, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation of the test above."""

    async def forget_nothing(*_: Any) -> None:
        return None

    monkeypatch.setattr(ResponseCache, "forget_caller", forget_nothing)
    assert await kept_before_and_after_an_own_write(sales) == (True, True)


async def test_a_page_comes_from_the_cache_until_its_reader_orders_something(sales: Sales) -> None:
    name = f"Own {uuid.uuid4().hex[:8]} GmbH"
    account_id = make_account(sales, name)
    assert [(await knows_customer(sales, account_id))[1] for _ in range(3)] == [False, True, True]
    order = await sales.submit_and_end(sales.org.make_quote(name, "EUR", LINES))
    assert order["status"] == "booked"
    assert (await knows_customer(sales, account_id, **{"Cache-Control": "no-cache"})) == (True, False)
