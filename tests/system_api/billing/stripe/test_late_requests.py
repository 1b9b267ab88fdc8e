"""Crossing requests for one subscription: a lost one, and its retry with another price or tax rate."""

import uuid
from typing import Any

import pytest

from shared.canonical import CustomerDraft, SubscriptionStatus
from shared.problem import OutcomeUnknown
from system_api.billing.stripe import adapter as stripe
from system_api.billing.stripe.adapter import Stripe
from tests.system_api.billing.conftest import created, exchanged_price, started, stripe_get, stripe_post
from tests.system_api.billing.drafts import external_id, monthly
from tests.system_api.conftest import Simulator
from tests.system_api.transports import Lossy


async def archive_the_tax_rate(stripe_account: Simulator, code: str) -> None:
    rates = stripe_get(stripe_account, "/v1/tax_rates", limit=100)["data"]
    (rate,) = (each["id"] for each in rates if each["metadata"].get("quoteway_tax_code") == code)
    stripe_post(stripe_account, f"/v1/tax_rates/{rate}", active="false")


async def test_subscription_is_found_after_its_price_and_tax_rate_were_replaced(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator, network: Lossy
) -> None:
    customer, code = await billing.ensure_customer(customer_draft), f"TEST-{uuid.uuid4().hex[:8]}"
    name, ordered = external_id(), monthly(customer.vendor_id, customer_draft.account_id, tax_code=code)
    with network.losing("POST", "/v1/subscriptions"), pytest.raises(OutcomeUnknown):
        await billing.create_subscription(name, ordered)
    await archive_the_tax_rate(stripe_account, code)
    with exchanged_price(stripe_account, "490"):
        again = await billing.create_subscription(name, ordered)

    assert again.status is SubscriptionStatus.active
    assert created(stripe_account, "subscription", name) == 1


async def test_retry_with_another_tax_rate_starts_no_second_subscription(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first request arrives after the look-up and before the second request."""
    customer, code = await billing.ensure_customer(customer_draft), f"TEST-{uuid.uuid4().hex[:8]}"
    name, ordered = external_id(), monthly(customer.vendor_id, customer_draft.account_id, tax_code=code)
    of_customer, looks = Stripe._of_customer, iter([False, False, True])

    async def look(self: Stripe, customer: str, name: str) -> Any:
        return await of_customer(self, customer, name) if next(looks) else []

    monkeypatch.setattr(Stripe, "_of_customer", look)
    first = await billing.create_subscription(name, ordered)
    await archive_the_tax_rate(stripe_account, code)

    second = await billing.create_subscription(name, ordered)

    assert second == first
    assert created(stripe_account, "subscription", name) == 1


async def test_earlier_request_still_under_way_is_an_unknown_outcome(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator
) -> None:
    customer, code = await billing.ensure_customer(customer_draft), f"TEST-{uuid.uuid4().hex[:8]}"
    name, ordered = external_id(), monthly(customer.vendor_id, customer_draft.account_id, tax_code=code)
    stripe_account.control("POST", "refuse", path="/v1/subscriptions", status=500)
    with pytest.raises(OutcomeUnknown):
        await billing.create_subscription(name, ordered)
    await archive_the_tax_rate(stripe_account, code)

    with pytest.raises(OutcomeUnknown, match="with other prices or tax rates") as raised:
        await billing.create_subscription(name, ordered)

    assert raised.value.reason_code == "started_otherwise"
    assert created(stripe_account, "subscription", name) == 0


async def two_running(billing: Stripe, draft: CustomerDraft, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[str]]:
    """Return an external id under which two subscriptions run, oldest first."""
    name, ordered = await started(billing, draft)
    with monkeypatch.context() as blind:

        async def nothing(*_: Any) -> list[Any]:
            return []

        blind.setattr(Stripe, "_of_customer", nothing)
        blind.setattr(stripe, "idempotency_key", lambda *_: uuid.uuid4().hex)
        await billing.create_subscription(name, ordered)
    return name, [record.id for record in await billing._find_all(name)]


@pytest.mark.parametrize("kept", [0, 1])
async def test_all_but_the_one_to_keep_are_cancelled(
    billing: Stripe, customer_draft: CustomerDraft, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    name, ids = await two_running(billing, customer_draft, monkeypatch)

    left = await billing.cancel_subscription(name, keep=ids[kept])
    again = await billing.cancel_subscription(name, keep=ids[kept])

    assert (left.vendor_id, left.status) == (ids[kept], SubscriptionStatus.active)
    assert (left.cancelled_vendor_ids, again.cancelled_vendor_ids) == ([ids[1 - kept]], [])
    assert [record.ended for record in await billing._find_all(name)] == [place != kept for place in range(2)]
