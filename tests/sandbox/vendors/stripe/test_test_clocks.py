"""Time: test clocks, the shifted wall clock, renewals, retries and due dates."""

from __future__ import annotations

import pytest
import stripe

from tests.sandbox.vendors.stripe.conftest import NewCustomer
from tests.sandbox.vendors.stripe.running_sandbox import SEED, UNLIMITED, RunningSandbox, running_sandbox, sdk

DAY = 86_400
JANUARY_31 = 1_738_324_800  # 2025-01-31T12:00:00Z


def _advance(client: stripe.StripeClient, clock: str, to: int) -> None:
    advancing = client.v1.test_helpers.test_clocks.advance(clock, {"frozen_time": to})
    assert advancing.status == "advancing"
    ready = client.v1.test_helpers.test_clocks.retrieve(clock)
    assert (ready.status, ready.frozen_time) == ("ready", to)


def test_renewals_keep_to_the_day_of_the_anchor(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": JANUARY_31, "name": "month ends"})
    customer = new_customer(test_clock=clock.id)
    made = client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": monthly.id}]})
    assert made.created == JANUARY_31
    march_31 = JANUARY_31 + 59 * DAY
    _advance(client, clock.id, march_31 - 1)
    _advance(client, clock.id, march_31 + 7200)
    invoices = client.v1.invoices.list({"subscription": made.id}).data
    assert [invoice.period_end for invoice in invoices] == [march_31, JANUARY_31 + 28 * DAY, JANUARY_31]
    assert [invoice.status for invoice in invoices] == ["paid"] * 3
    assert invoices[0].created == march_31, "done when it was due, not when the clock was read"
    assert invoices[0].status_transitions.paid_at == march_31 + 3600, "a renewal is a draft for an hour"
    assert invoices[0].number == f"{customer.invoice_prefix}-0003"


def test_an_hour_after_the_renewal_it_is_charged(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": JANUARY_31})
    customer = new_customer(test_clock=clock.id)
    made = client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": monthly.id}]})
    renewal = JANUARY_31 + 28 * DAY
    _advance(client, clock.id, renewal)
    draft = client.v1.invoices.list({"subscription": made.id}).data[0]
    assert (draft.status, draft.billing_reason) == ("draft", "subscription_cycle")
    client.v1.invoice_items.create({"invoice": draft.id, "amount": 99, "description": "while it is a draft"})
    _advance(client, clock.id, renewal + 3600)
    charged = client.v1.invoices.retrieve(draft.id)
    assert (charged.status, charged.total) == ("paid", 589)


def test_failed_renewals_are_retried_and_then_end_the_subscription(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": JANUARY_31})
    customer = new_customer(test_clock=clock.id)
    made = client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": monthly.id}]})
    client.v1.customers.update(customer.id, {"metadata": {"sandbox_behaviour": "decline"}})
    failed = JANUARY_31 + 28 * DAY + 3600
    _advance(client, clock.id, failed)
    assert client.v1.subscriptions.retrieve(made.id).status == "past_due"
    invoice = client.v1.invoices.list({"subscription": made.id}).data[0]
    assert (invoice.status, invoice.next_payment_attempt) == ("open", failed + 3 * DAY)
    client.v1.customers.update(customer.id, {"metadata": {"sandbox_behaviour": ""}})
    _advance(client, clock.id, failed + 3 * DAY)
    assert client.v1.subscriptions.retrieve(made.id).status == "active"
    client.v1.customers.update(customer.id, {"metadata": {"sandbox_behaviour": "decline"}})
    _advance(client, clock.id, JANUARY_31 + 59 * DAY + 3600 + 15 * DAY)
    ended = client.v1.subscriptions.retrieve(made.id)
    assert ended.status == "canceled"
    assert ended.cancellation_details is not None
    assert ended.cancellation_details.reason == "payment_failed"


def test_a_sent_invoice_becomes_overdue(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": JANUARY_31})
    customer = new_customer(card=None, test_clock=clock.id)
    made = client.v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": monthly.id}],
            "collection_method": "send_invoice",
            "days_until_due": 5,
        }
    )
    _advance(client, clock.id, JANUARY_31 + 3600)
    invoice = client.v1.invoices.list({"subscription": made.id}).data[0]
    assert (invoice.status, invoice.due_date) == ("open", JANUARY_31 + 3600 + 5 * DAY)
    _advance(client, clock.id, JANUARY_31 + 6 * DAY)
    assert client.v1.subscriptions.retrieve(made.id).status == "past_due"
    client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True})
    assert client.v1.subscriptions.retrieve(made.id).status == "active"


def test_a_trial_ends_and_is_charged(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": JANUARY_31})
    made = client.v1.subscriptions.create(
        {
            "customer": new_customer(test_clock=clock.id).id,
            "items": [{"price": monthly.id}],
            "trial_period_days": 14,
        }
    )
    _advance(client, clock.id, JANUARY_31 + 14 * DAY + 3600)
    running = client.v1.subscriptions.retrieve(made.id, {"expand": ["latest_invoice"]})
    assert running.status == "active"
    assert isinstance(running.latest_invoice, stripe.Invoice)
    assert (running.latest_invoice.total, running.latest_invoice.status) == (490, "paid")
    extended = client.v1.subscriptions.update(
        made.id, {"trial_end": JANUARY_31 + 20 * DAY, "proration_behavior": "none"}
    )
    assert extended.status == "trialing"
    assert client.v1.subscriptions.update(made.id, {"trial_end": "now"}).status == "active"


def test_an_incomplete_subscription_expires_after_23_hours(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": JANUARY_31})
    made = client.v1.subscriptions.create(
        {
            "customer": new_customer(test_clock=clock.id).id,
            "items": [{"price": monthly.id}],
            "payment_behavior": "default_incomplete",
            "expand": ["latest_invoice"],
        }
    )
    _advance(client, clock.id, JANUARY_31 + 23 * 3600)
    assert client.v1.subscriptions.retrieve(made.id).status == "incomplete_expired"
    assert isinstance(made.latest_invoice, stripe.Invoice)
    assert client.v1.invoices.retrieve(made.latest_invoice.id).status == "void"


def test_a_clock_moves_forward_two_intervals_at_most(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": JANUARY_31})
    customer = new_customer(test_clock=clock.id)
    for to in (JANUARY_31, JANUARY_31 - 1, JANUARY_31 + 3 * 366 * DAY):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": to})
    made = client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": monthly.id}]})
    with pytest.raises(stripe.InvalidRequestError, match="two intervals"):
        client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": JANUARY_31 + 60 * DAY})
    client.v1.test_helpers.test_clocks.delete(clock.id)
    assert client.v1.subscriptions.retrieve(made.id).status == "canceled"
    assert client.v1.customers.retrieve(customer.id).deleted is True
    with pytest.raises(stripe.InvalidRequestError, match="No such test clock"):
        client.v1.test_helpers.test_clocks.retrieve(clock.id)


def test_without_a_test_clock_the_wall_clock_renews() -> None:
    with running_sandbox("--seed", str(SEED), *UNLIMITED) as running, sdk(running.url) as client:
        customer = client.v1.customers.create(
            {"payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
        )
        price = client.v1.prices.list({"lookup_keys": ["MON-STD-EUR-month"]}).data[0]
        made = client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": price.id}]})
        with running.http() as http:
            http.post("/_sandbox/clock", json={"advance_s": 70 * DAY}).raise_for_status()
            assert http.post("/_sandbox/clock", json={"advance_s": -1}).status_code == 400
        invoices = client.v1.invoices.list({"subscription": made.id}).data
        assert [invoice.status for invoice in invoices] == ["paid"] * 3
        ends = [item.current_period_end for item in client.v1.subscription_items.list({"subscription": made.id}).data]
        assert invoices[0].lines.data[0].period.end == ends[0]
        assert all(e["request_id"].startswith("req_") for e in running.journal("invoice"))


def test_what_time_does_names_no_request(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price, sandbox: RunningSandbox
) -> None:
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": JANUARY_31})
    customer = new_customer(test_clock=clock.id).id
    client.v1.subscriptions.create({"customer": customer, "items": [{"price": monthly.id}]})
    _advance(client, clock.id, JANUARY_31 + 29 * DAY)
    paid = [
        event
        for event in client.v1.events.list({"type": "invoice.paid"}).data
        if event.data.object["customer"] == customer
    ]
    renewed, created = paid
    assert created.request is not None
    assert renewed.request is not None
    assert (renewed.request.id, str(created.request.id)[:4]) == (None, "req_")
    assert renewed.created == JANUARY_31 + 28 * DAY + 3600
    reasons = [
        entry["data"]["billing_reason"]
        for entry in sandbox.journal("invoice")
        if entry["action"] == "paid" and entry["data"]["customer"] == customer
    ]
    assert reasons == ["subscription_create", "subscription_cycle"]
