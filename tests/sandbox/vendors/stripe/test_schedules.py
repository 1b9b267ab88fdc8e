"""Subscription schedules: phases begin, change, and end."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.sandbox.vendors.stripe.clocked import DAY, START, Clocked, day, monthly_price
from tests.sandbox.vendors.stripe.conftest import items_of
from tests.sandbox.vendors.stripe.event_types import types_of


@pytest.fixture
def clocked(client: stripe.StripeClient) -> Clocked:
    return Clocked(client)


def scheduled(clocked: Clocked, *phases: dict[str, Any], **params: Any) -> stripe.SubscriptionSchedule:
    """A schedule with phases of its own."""
    wanted = {"customer": clocked.customer, "start_date": "now", "phases": list(phases), **params}
    return clocked.client.v1.subscription_schedules.create(wanted)  # type: ignore[arg-type]  # a merged dict is no TypedDict


def test_phases_change_price_and_quantity_at_the_renewal(client: stripe.StripeClient, clocked: Clocked) -> None:
    first, second = monthly_price(client, 1000), monthly_price(client, 1500)
    schedule = scheduled(
        clocked,
        {
            "items": [{"price": first, "quantity": 2}],
            "duration": {"interval": "month", "interval_count": 2},
            "metadata": {"year": "1"},
        },
        {"items": [{"price": second, "quantity": 3}], "metadata": {"year": "2"}},
    )
    assert (schedule.status, schedule.end_behavior) == ("active", "release")
    assert schedule.current_phase is not None
    assert (schedule.current_phase.start_date, schedule.current_phase.end_date) == (START, day(8))
    subscription = clocked.read(str(schedule.subscription))
    assert (subscription.schedule, subscription.metadata.to_dict()) == (schedule.id, {"year": "1"})
    clocked.advance(day(8) - DAY)
    assert (clocked.sold(subscription.id), clocked.totals()) == ({first: 2}, [2000, 2000])
    clocked.advance(day(8) + DAY)
    assert (clocked.sold(subscription.id), clocked.totals()) == ({second: 3}, [2000, 2000, 4500])
    assert clocked.read(subscription.id).metadata.to_dict() == {"year": "2"}
    clocked.advance(day(9) + DAY)
    released = client.v1.subscription_schedules.retrieve(schedule.id)
    assert (released.status, released.released_subscription, released.subscription) == (
        "released",
        subscription.id,
        None,
    )
    assert (clocked.read(subscription.id).schedule, clocked.read(subscription.id).status) == (None, "active")
    assert types_of(client, schedule.id) == [
        "subscription_schedule.created",
        "subscription_schedule.updated",
        "subscription_schedule.released",
    ]


def test_a_schedule_can_begin_later_and_end_its_subscription(client: stripe.StripeClient, clocked: Clocked) -> None:
    schedule = scheduled(
        clocked, {"items": [{"price": monthly_price(client, 1000)}]}, start_date=day(7), end_behavior="cancel"
    )
    assert (schedule.status, schedule.subscription, clocked.totals()) == ("not_started", None, [])
    assert [each.id for each in client.v1.subscription_schedules.list({"customer": clocked.customer}).data] == [
        schedule.id
    ]
    clocked.advance(day(7) + DAY)
    begun = client.v1.subscription_schedules.retrieve(schedule.id)
    assert (begun.status, clocked.totals()) == ("active", [1000])
    clocked.advance(day(8) + DAY)
    ended = client.v1.subscription_schedules.retrieve(schedule.id)
    assert (ended.status, ended.completed_at) == ("completed", day(8))
    assert (clocked.read(str(begun.subscription)).status, clocked.totals()) == ("canceled", [1000])


def test_a_schedule_in_the_past_backdates_its_subscription(client: stripe.StripeClient, clocked: Clocked) -> None:
    phase = {"items": [{"price": monthly_price(client, 3000)}], "end_date": day(7)}
    schedule = scheduled(clocked, phase, start_date=day(5, 17))
    subscription = clocked.read(str(schedule.subscription))
    assert subscription.start_date == day(5, 17)
    assert clocked.totals() == [3000 + 1452], "15 of 31 days, and the period that begins"


def test_a_running_subscription_gets_a_schedule_and_loses_it(client: stripe.StripeClient, clocked: Clocked) -> None:
    old, new = monthly_price(client, 1000), monthly_price(client, 1500)
    running = clocked.subscribe(old, metadata={"kept": "yes"})
    schedule = client.v1.subscription_schedules.create({"from_subscription": running.id})
    (phase,) = schedule.phases
    assert (phase.start_date, phase.end_date, phase["items"][0].price) == (START, day(7), old)
    assert "already attached" in str(_refused(client, {"from_subscription": running.id}).user_message)
    told = _refused(client, {"from_subscription": running.id, "phases": [{"items": [{"price": old}]}]})
    assert told.param == "phases"
    with pytest.raises(stripe.InvalidRequestError, match="managed by the subscription schedule"):
        client.v1.subscriptions.update(running.id, {"cancel_at_period_end": True})
    client.v1.subscription_schedules.update(
        schedule.id,
        {
            "phases": [
                {"items": [{"price": old}], "start_date": START, "end_date": day(7)},
                {"items": [{"price": new}], "proration_behavior": "none"},
            ]
        },
    )
    clocked.advance(day(7) + DAY)
    assert (clocked.sold(running.id), clocked.totals()) == ({new: 1}, [1000, 1500])
    assert clocked.read(running.id).metadata.to_dict() == {"kept": "yes"}
    released = client.v1.subscription_schedules.release(schedule.id)
    assert (released.status, clocked.read(running.id).schedule) == ("released", None)
    assert client.v1.subscriptions.update(running.id, {"cancel_at_period_end": True}).cancel_at_period_end
    for again in (client.v1.subscription_schedules.release, client.v1.subscription_schedules.cancel):
        with pytest.raises(stripe.InvalidRequestError, match="currently in the `released` status"):
            again(schedule.id)


def test_the_current_phase_changes_at_once_and_begins_when_it_began(
    client: stripe.StripeClient, clocked: Clocked
) -> None:
    price = monthly_price(client, 3000)
    schedule = scheduled(clocked, {"items": [{"price": price}], "end_date": day(7)})
    clocked.advance(START + 10 * DAY)
    phase = {"items": [{"price": price, "quantity": 2}], "end_date": day(7)}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.subscription_schedules.update(schedule.id, {"phases": [{**phase, "start_date": START + DAY}]})  # type: ignore[arg-type]  # a merged dict is no TypedDict
    assert refused.value.param == "phases[0][start_date]"
    client.v1.subscription_schedules.update(
        schedule.id,
        {"phases": [{**phase, "start_date": START}], "proration_behavior": "always_invoice"},  # type: ignore[arg-type]  # a merged dict is no TypedDict
    )
    assert clocked.sold(str(schedule.subscription)) == {price: 2}
    assert clocked.totals() == [3000, 2000]


def test_cancelling_either_ends_both(client: stripe.StripeClient, clocked: Clocked) -> None:
    phase = {"items": [{"price": monthly_price(client, 3000)}], "end_date": day(7)}
    by_schedule, by_subscription = scheduled(clocked, phase), scheduled(clocked, phase)
    clocked.advance(START + 10 * DAY)
    client.v1.subscription_schedules.cancel(by_schedule.id, {"invoice_now": True, "prorate": True})
    client.v1.subscriptions.cancel(str(by_subscription.subscription))
    for schedule in (by_schedule, by_subscription):
        assert client.v1.subscription_schedules.retrieve(schedule.id).status == "canceled"
        assert clocked.read(str(schedule.subscription)).status == "canceled"
    assert clocked.totals() == [3000, 3000, -2000]
    waiting = scheduled(clocked, phase | {"end_date": day(9)}, start_date=day(8))
    assert client.v1.subscription_schedules.cancel(waiting.id).status == "canceled"


def test_phases_that_cannot_be_are_refused(client: stripe.StripeClient, clocked: Clocked) -> None:
    euro = monthly_price(client, 1000)
    dollar = client.v1.prices.list({"lookup_keys": ["MON-STD-USD-month"]}).data[0].id
    backwards = {"items": [{"price": euro}], "end_date": START - DAY}
    both = {"items": [{"price": euro}], "end_date": day(7), "duration": {"interval": "month"}}
    for phases, param in (
        ([backwards], "phases[0][end_date]"),
        ([both], "phases[0][end_date]"),
        ([{"items": [{"price": euro}]}, {"items": [{"price": dollar}]}], "phases[1][items]"),
        ([{"items": [{"price": "price_none"}]}], "phases[0][items][0][price]"),
    ):
        told = _refused(client, {"customer": clocked.customer, "start_date": "now", "phases": phases})
        assert told.param == param
    clocked.subscribe(euro)
    told = _refused(
        client, {"customer": clocked.customer, "start_date": day(8), "phases": [{"items": [{"price": dollar}]}]}
    )
    assert "cannot combine currencies" in str(told.user_message)


def test_a_scheduled_currency_holds_the_customer(client: stripe.StripeClient, clocked: Clocked) -> None:
    scheduled(clocked, {"items": [{"price": monthly_price(client, 1000)}]}, start_date=day(8))
    dollar = client.v1.prices.list({"lookup_keys": ["MON-STD-USD-month"]}).data[0].id
    with pytest.raises(stripe.InvalidRequestError, match="cannot combine currencies"):
        clocked.subscribe(dollar)


def test_a_schedule_that_sends_invoices_needs_an_email_and_a_term(
    client: stripe.StripeClient, clocked: Clocked
) -> None:
    phase = {"items": [{"price": monthly_price(client, 1000)}]}
    sent = {"collection_method": "send_invoice"}
    wanted = {"customer": clocked.customer, "start_date": day(8), "phases": [phase], "default_settings": sent}
    assert _refused(client, wanted).code == "parameter_missing"
    client.v1.customers.update(clocked.customer, {"email": ""})
    term = {**sent, "invoice_settings": {"days_until_due": 14}}
    assert "Missing email" in str(_refused(client, {**wanted, "default_settings": term}).user_message)
    client.v1.customers.update(clocked.customer, {"email": "ap@acme.example"})
    made = client.v1.subscription_schedules.create({**wanted, "default_settings": term, "start_date": "now"})  # type: ignore[arg-type]  # a merged dict is no TypedDict
    subscription = clocked.read(str(made.subscription))
    assert (subscription.collection_method, subscription.days_until_due) == ("send_invoice", 14)


def test_a_phase_with_a_one_off_item_charges_it_once(client: stripe.StripeClient, clocked: Clocked) -> None:
    setup = client.v1.prices.list({"lookup_keys": ["INSTALL-DAY-EUR-none"]}).data[0]
    phase = {"items": [{"price": monthly_price(client, 1000)}], "add_invoice_items": [{"price": setup.id}]}
    schedule = scheduled(clocked, phase)
    assert clocked.totals() == [1000 + 98_000]
    assert len(items_of(clocked.read(str(schedule.subscription)))) == 1


def _refused(client: stripe.StripeClient, params: dict[str, Any]) -> stripe.InvalidRequestError:
    with pytest.raises(stripe.InvalidRequestError) as told:
        client.v1.subscription_schedules.create(params)  # type: ignore[arg-type]  # a merged dict is no TypedDict
    return told.value
