"""The Stripe adapter on the simulator of an account whose search lags behind writes."""

import time
import uuid
from typing import Any

import pytest

from shared.canonical import CustomerDraft, Money, Recurrence, SubscriptionStatus
from shared.problem import OutcomeUnknown, Rejected, Unavailable
from system_api.billing.stripe.adapter import Stripe
from system_api.billing.stripe.api import StripeApi
from tests.system_api.billing.conftest import created, started, stripe_get, stripe_post
from tests.system_api.billing.drafts import external_id, item, monthly
from tests.system_api.conftest import SEARCH_LAG_S, Simulator, stripe_connection

# -- customers and prices ---------------------------------------------------------------------------------------------


async def test_customer_is_created_once_while_the_search_lags(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator
) -> None:
    first = await billing.ensure_customer(customer_draft)
    second = await billing.ensure_customer(customer_draft)

    assert first.created
    assert not second.created
    assert first.vendor_id == second.vendor_id
    kept = stripe_get(stripe_account, f"/v1/customers/{first.vendor_id}")
    assert kept["address"]["postal_code"] == "70435"
    tax_ids = stripe_get(stripe_account, f"/v1/customers/{first.vendor_id}/tax_ids")
    assert [(each["type"], each["value"]) for each in tax_ids["data"]] == [("eu_vat", "DE811193231")]


async def test_old_customer_is_found_by_search(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await billing.ensure_customer(customer_draft)
    stripe_account.control("POST", "clock", advance_s=SEARCH_LAG_S + 1)
    a_week_on = time.time() + 7 * 86_400
    monkeypatch.setattr(StripeApi, "now_s", lambda _: a_week_on)

    second = await billing.ensure_customer(customer_draft)

    assert (second.created, second.vendor_id) == (False, first.vendor_id)


async def test_ids_that_differ_in_capitals_are_different_accounts(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator
) -> None:
    first = await billing.ensure_customer(customer_draft)
    stripe_account.control("POST", "clock", advance_s=SEARCH_LAG_S + 1)

    assert await billing.list_subscriptions(customer_draft.account_id.upper()) == []
    other = await billing.find_customer(customer_draft.account_id.upper(), "EUR")
    assert first.vendor_id
    assert other is None


def recurring(*skus: str) -> dict[str, tuple[Recurrence, ...]]:
    return dict.fromkeys(skus, (Recurrence.month, Recurrence.year))


async def test_list_prices_are_what_billing_sells_in_that_currency(billing: Stripe) -> None:
    prices = await billing.list_prices(
        recurring("MON-STD", "SUPPORT-PREM", "GATEWAY-EDGE", "MON-LEGACY", "NONE"), "USD"
    )

    assert prices == {
        ("MON-STD", Recurrence.month): Money(amount="5.50", currency="USD"),
        ("SUPPORT-PREM", Recurrence.year): Money(amount="1320.00", currency="USD"),
    }
    assert await billing.list_prices(recurring("MON-STD"), "GBP") == {}


async def test_more_prices_than_one_request_takes(billing: Stripe) -> None:
    skus = [f"NONE-{number}" for number in range(60)]

    assert set(await billing.list_prices(recurring(*skus, "MON-STD"), "EUR")) == {("MON-STD", Recurrence.month)}


# -- subscriptions ----------------------------------------------------------------------------------------------------


async def test_a_subscription_is_started_once_and_charged_as_ordered(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator
) -> None:
    name, ordered = await started(billing, customer_draft)

    again = await billing.create_subscription(name, ordered)

    assert created(stripe_account, "subscription", name) == 1
    assert again.status is SubscriptionStatus.active
    assert again.period_amount == Money(amount="98.00", currency="EUR")
    assert again.order_id == ordered.order_id
    assert again.current_period_ends_at is not None
    kept = stripe_get(stripe_account, f"/v1/subscriptions/{again.vendor_id}")
    assert (kept["collection_method"], kept["days_until_due"]) == ("send_invoice", 30)
    assert [rate["percentage"] for rate in kept["default_tax_rates"]] == [19]
    assert kept["items"]["data"][0]["price"]["lookup_key"] == "MON-STD-EUR-month"  # the catalogue's own price


async def test_a_price_finer_than_a_cent_is_charged_exactly(billing: Stripe, customer_draft: CustomerDraft) -> None:
    name, _ = await started(billing, customer_draft, price="4.655")

    subscription = await billing.find_subscription(name)

    assert [each.net_unit_price.amount for each in subscription.items] == ["4.655"]
    assert subscription.period_amount == Money(amount="93.10", currency="EUR")


async def test_a_subscription_of_many_items_is_read_whole(billing: Stripe, customer_draft: CustomerDraft) -> None:
    items = [item("MON-STD", str(number), f"{number}.25") for number in range(1, 21)]

    name, _ = await started(billing, customer_draft, items=items)

    assert len((await billing.find_subscription(name)).items) == 20


async def test_tax_rate_is_created_once(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator
) -> None:
    code = f"TEST-{uuid.uuid4().hex[:8]}"
    for _ in range(2):
        await started(billing, customer_draft, tax_code=code, tax_percent="7.25")

    rates = stripe_get(stripe_account, "/v1/tax_rates", limit=100)["data"]
    assert [each["percentage"] for each in rates if each["metadata"].get("quoteway_tax_code") == code] == [7.25]


async def test_archived_tax_rate_is_replaced(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator
) -> None:
    """Stripe replays the creation for a day: every order of the jurisdiction would be refused until then."""
    code = f"TEST-{uuid.uuid4().hex[:8]}"
    await started(billing, customer_draft, tax_code=code, tax_percent="7.25")
    rates = stripe_get(stripe_account, "/v1/tax_rates", limit=100)["data"]
    (first,) = (each["id"] for each in rates if each["metadata"].get("quoteway_tax_code") == code)
    stripe_post(stripe_account, f"/v1/tax_rates/{first}", active="false")

    name, _ = await started(billing, customer_draft, tax_code=code, tax_percent="7.25")

    subscription = await billing.find_subscription(name)
    kept = stripe_get(stripe_account, f"/v1/subscriptions/{subscription.vendor_id}")
    assert first not in {rate["id"] for rate in kept["default_tax_rates"]}


async def test_subscription_is_found_before_and_after_it_is_indexed(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _ = await started(billing, customer_draft)
    assert (await billing.find_subscription(name)).status is SubscriptionStatus.active

    stripe_account.control("POST", "clock", advance_s=SEARCH_LAG_S + 1)
    a_week_on = time.time() + 7 * 86_400
    monkeypatch.setattr(StripeApi, "now_s", lambda _: a_week_on)

    assert (await billing.find_subscription(name)).status is SubscriptionStatus.active
    assert (await billing.find_subscription("never-started")).status is SubscriptionStatus.absent


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"items": [item("SUPPORT-PREM", "1", "1200.00")]}, "product_not_sold"),  # sold by the year
        ({"items": [item("MON-STD", "1.5", "4.90")]}, "quantity_not_whole"),
    ],
)
async def test_unchargeable_subscription_is_refused_before_any_write(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator, changes: dict[str, Any], reason: str
) -> None:
    customer = await billing.ensure_customer(customer_draft)
    name = external_id()

    with pytest.raises(Rejected) as raised:
        await billing.create_subscription(name, monthly(customer.vendor_id, customer_draft.account_id, **changes))

    assert raised.value.reason_code == reason
    assert created(stripe_account, "subscription", name) == 0


async def test_only_running_subscriptions_are_listed(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator
) -> None:
    ended, _ = await started(billing, customer_draft)
    running, ordered = await started(billing, customer_draft)
    await billing.cancel_subscription(ended)
    foreign = stripe_post(
        stripe_account,
        "/v1/subscriptions",
        **{
            "customer": ordered.customer_vendor_id,
            "items[0][price_data][product]": "MON-STD",
            "items[0][price_data][currency]": "eur",
            "items[0][price_data][unit_amount]": "100",
            "items[0][price_data][recurring][interval]": "week",
            "collection_method": "send_invoice",
            "days_until_due": "10",
        },
    )

    found = await billing.list_subscriptions(customer_draft.account_id)

    assert [each.external_id for each in found] == [foreign["id"], running]
    assert found[0].recurrence is None  # a rhythm that Quoteway does not sell
    assert await billing.list_subscriptions("001unknown") == []


# -- refusals ---------------------------------------------------------------------------------------------------------


async def test_500_after_the_work_is_an_unknown_outcome_and_so_is_its_replay(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator
) -> None:
    customer = await billing.ensure_customer(customer_draft)
    name, ordered = external_id(), monthly(customer.vendor_id, customer_draft.account_id)
    stripe_account.control("POST", "refuse", path="/v1/subscriptions", status=500, executed=True)

    with pytest.raises(OutcomeUnknown):
        await billing.create_subscription(name, ordered)

    assert (await billing.create_subscription(name, ordered)).status is SubscriptionStatus.active
    assert created(stripe_account, "subscription", name) == 1


async def test_replayed_500_is_an_unknown_outcome(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator
) -> None:
    customer = await billing.ensure_customer(customer_draft)
    name, ordered = external_id(), monthly(customer.vendor_id, customer_draft.account_id)
    stripe_account.control("POST", "refuse", path="/v1/subscriptions", status=500)
    with pytest.raises(OutcomeUnknown):
        await billing.create_subscription(name, ordered)

    with pytest.raises(OutcomeUnknown) as replayed:
        await billing.create_subscription(name, ordered)

    assert replayed.value.reason_code == "replayed_failure"
    assert (await billing.find_subscription(name)).status is SubscriptionStatus.absent


@pytest.mark.parametrize(
    ("status", "code", "family", "reason"),
    [
        (402, "card_declined", Rejected, "payment_declined"),
        (429, "rate_limit", Unavailable, "rate_limit"),
        (409, "idempotency_key_in_use", Unavailable, "idempotency_key_in_use"),
        (503, None, OutcomeUnknown, "outcome_unknown"),
    ],
)
async def test_refusal_becomes_the_right_error(
    billing: Stripe,
    customer_draft: CustomerDraft,
    stripe_account: Simulator,
    status: int,
    code: str | None,
    family: type[Exception],
    reason: str,
) -> None:
    customer = await billing.ensure_customer(customer_draft)
    stripe_account.control("POST", "refuse", path="/v1/subscriptions", status=status, code=code)

    with pytest.raises(family) as raised:
        await billing.create_subscription(external_id(), monthly(customer.vendor_id, customer_draft.account_id))

    assert raised.value.reason_code == reason  # type: ignore[attr-defined]  # all three families have one


async def test_a_wrong_key_says_which_setting_to_check(stripe_account: Simulator) -> None:
    billing = Stripe(stripe_connection(stripe_account.url))

    with pytest.raises(Unavailable, match="does not accept our key") as raised:
        await billing.ready()
    assert "key" in raised.value.what_to_do

    assert raised.value.reason_code == "credentials_refused"
    await billing.close()
