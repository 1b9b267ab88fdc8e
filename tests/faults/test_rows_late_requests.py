"""docs/failures.md, row 8: a request whose answer was lost arrives after all, once the one that repeats it has.

Every guard has its mutation: with it off, the comparison with the vendors' own data has to find the damage.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from sandbox.fault_proxy.rules import Fault, Rule
from system_api.billing.stripe import adapter as stripe
from system_api.billing.stripe.records import EXTERNAL_ID
from system_api.erp.tryton.sales import TrytonSales
from tests.faults.ordering import MONTHLY, SENSOR, Ordering
from tests.faults.vendor_writes import (
    STRIPE_START,
    TRYTON_SALE,
    leave_the_others,
    make_without_looking_back,
)
from tests.patience import HANG_S

pytestmark = pytest.mark.servers
# It arrives when the test lets it land.
LATE = Rule(fault=Fault.arrive_late, methods=["POST"], path=STRIPE_START, times=1, delay_s=600.0)


async def test_row_08_a_late_first_request_meets_the_vendors_own_uniqueness(ordering: Ordering) -> None:
    ordering.faults("stripe").put(LATE)

    order = await ordering.order(SENSOR, MONTHLY)
    await asyncio.to_thread(ordering.faults("stripe").land)

    assert order["status"] == "booked", order
    assert ordering.findings().violations == []


@pytest.mark.usefixtures("keys_that_never_repeat")
async def test_row_08_mutation_without_the_key_both_requests_make_one(ordering: Ordering) -> None:
    ordering.faults("stripe").put(LATE)

    await ordering.order(SENSOR, MONTHLY)
    await asyncio.to_thread(ordering.faults("stripe").land)

    assert any("2 subscriptions" in found for found in ordering.findings().duplicates)


@pytest.fixture(params=["tax rate", "price"])
def exchanged_meanwhile(request: pytest.FixtureRequest, ordering: Ordering, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tax rate is archived, or another price takes a price's place, between a request and its repeat.

    What names an archived tax rate is refused, so then the first request has just arrived: after the look for what it
    may have started. With a price it arrives when its repeat has been answered.
    """
    params_of, asked = stripe.Stripe._subscription_params, Counter[str]()

    async def exchange_and_ask(self: stripe.Stripe, external_id: str, draft: Any) -> Any:
        asked[external_id] += 1
        if asked[external_id] == 2:
            exchange = exchange_tax_rates if request.param == "tax rate" else exchange_price
            await asyncio.to_thread(exchange, ordering, external_id)
        return await params_of(self, external_id, draft)

    monkeypatch.setattr(stripe.Stripe, "_subscription_params", exchange_and_ask)
    ordering.faults("stripe").put(LATE)


@pytest.mark.usefixtures("exchanged_meanwhile")
async def test_row_08_a_late_first_request_that_names_what_has_been_exchanged_starts_nothing(
    ordering: Ordering,
) -> None:
    order = await ordering.order(SENSOR, MONTHLY)
    await asyncio.to_thread(ordering.faults("stripe").land)

    assert order["status"] == "booked", order
    assert ordering.findings().violations == []


@pytest.mark.usefixtures("exchanged_meanwhile")
async def test_row_08_mutation_a_key_that_speaks_of_what_was_exchanged_lets_both_start(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe, "idempotency_key", lambda *_: f"mutation-{uuid.uuid4().hex}")

    await ordering.order(SENSOR, MONTHLY)
    await asyncio.to_thread(ordering.faults("stripe").land)

    assert any("2 subscriptions" in found for found in ordering.findings().duplicates)


def exchange_tax_rates(ordering: Ordering, external_id: str) -> None:
    """Once the first request has arrived, archive what there is; the adapter makes another one."""
    ordering.faults("stripe").land()
    with stripe_account(ordering) as account:
        assert has_subscription(account, external_id), "the late request has not arrived"
        for rate in account.get("/v1/tax_rates", params={"active": "true", "limit": 100}).json()["data"]:
            account.post(f"/v1/tax_rates/{rate['id']}", data={"active": "false"}).raise_for_status()


def has_subscription(account: httpx.Client, external_id: str) -> bool:
    """Whether there is one under that external id among the newest."""
    newest = account.get("/v1/subscriptions", params={"limit": 100}).raise_for_status().json()["data"]
    return any(each["metadata"].get(EXTERNAL_ID) == external_id for each in newest)


def exchange_price(ordering: Ordering, _external_id: str) -> None:
    """Another price of the same amount takes the place of the month's."""
    with stripe_account(ordering) as account:
        found = account.get("/v1/prices", params={"lookup_keys[0]": "MON-STD-EUR-month"}).json()["data"][0]
        same = {name: found[name] for name in ("product", "currency", "unit_amount_decimal", "lookup_key")}
        more = {"recurring[interval]": "month", "transfer_lookup_key": "true"}
        account.post("/v1/prices", data={**same, **more}).raise_for_status()


@contextmanager
def stripe_account(ordering: Ordering) -> Iterator[httpx.Client]:
    """The account, as its owner works with it."""
    landscape = ordering.sales.landscape
    key = (landscape.run_dir / "stripe.key").read_text().strip()
    with httpx.Client(base_url=landscape.url("stripe"), auth=(key, ""), timeout=HANG_S) as client:
        yield client


async def test_row_08_a_late_request_that_lands_within_the_settling_time_is_found(ordering: Ordering) -> None:
    ordering.faults("erp").put(Rule(fault=Fault.arrive_late, methods=["POST"], path=TRYTON_SALE, times=1, delay_s=0.02))

    order = await ordering.order(SENSOR, MONTHLY)

    assert order["status"] == "booked", order
    assert ordering.findings().violations == []


async def test_row_08_a_late_request_that_lands_before_the_confirmation_is_taken_back(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_before_the_confirmation(monkeypatch)

    order = await ordering.order(SENSOR, MONTHLY)

    assert order["status"] == "booked", order
    assert ordering.findings().violations == []


async def test_row_08_mutation_without_looking_again_the_late_sale_stays(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_before_the_confirmation(monkeypatch)
    monkeypatch.setattr(TrytonSales, "_only", leave_the_others)

    order = await ordering.order(SENSOR, MONTHLY)

    assert order["status"] == "booked", order
    assert any("2 sales" in found for found in ordering.findings().duplicates)


def land_before_the_confirmation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first request lands after the one that was sent because it was lost, and before the sale is confirmed."""
    create, confirm, lost = TrytonSales.create, TrytonSales.confirm, dict[str, Any]()

    async def remember(self: TrytonSales, external_id: str, draft: Any) -> Any:
        lost[external_id] = draft
        return await create(self, external_id, draft)

    async def land_and_confirm(self: TrytonSales, external_id: str) -> Any:
        if external_id in lost:
            await make_without_looking_back(self, external_id, lost.pop(external_id))
        return await confirm(self, external_id)

    monkeypatch.setattr(TrytonSales, "create", remember)
    monkeypatch.setattr(TrytonSales, "confirm", land_and_confirm)
