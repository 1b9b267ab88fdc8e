"""Invoices that are charged, payment intents, and the charges behind both."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import stripe

from tests.sandbox.vendors.stripe.conftest import NewCustomer
from tests.sandbox.vendors.stripe.event_types import types_of
from tests.sandbox.vendors.stripe.running_sandbox import RunningSandbox

OpenInvoice = Callable[..., stripe.Invoice]


def intent_of(client: stripe.StripeClient, invoice: str) -> stripe.PaymentIntent:
    """The payment intent behind an invoice."""
    (payment,) = client.v1.invoice_payments.list({"invoice": invoice}).data
    return client.v1.payment_intents.retrieve(str(payment.payment.payment_intent))


@pytest.fixture
def open_invoice(client: stripe.StripeClient, new_customer: NewCustomer) -> OpenInvoice:
    """Make an open invoice over 20.00 EUR for a customer with that card."""

    def make(card: str | None = "pm_card_visa", **fields: object) -> stripe.Invoice:
        customer = new_customer(card=card).id
        invoice = client.v1.invoices.create({"customer": customer, "currency": "eur", **fields})  # type: ignore[arg-type]  # a merged dict is no TypedDict
        client.v1.invoice_items.create({"invoice": invoice.id, "amount": 2000})
        return client.v1.invoices.finalize_invoice(str(invoice.id))

    return make


def test_a_paid_invoice_has_an_intent_a_charge_and_a_balance_transaction(
    client: stripe.StripeClient, open_invoice: OpenInvoice
) -> None:
    invoice = open_invoice()
    asked = intent_of(client, invoice.id)
    assert (asked.status, asked.amount, asked.latest_charge) == ("requires_confirmation", 2000, None)
    paid = client.v1.invoices.pay(invoice.id, {"expand": ["payments"]})
    assert paid.payments is not None
    (payment,) = paid.payments.data
    assert (payment.status, payment.amount_paid, payment.is_default) == ("paid", 2000, True)
    intent = client.v1.payment_intents.retrieve(asked.id, {"expand": ["latest_charge.balance_transaction"]})
    assert (intent.status, intent.amount_received) == ("succeeded", 2000)
    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert (charge.paid, charge.captured, charge.status, charge.amount_captured) == (True, True, "succeeded", 2000)
    booked = charge.balance_transaction
    assert isinstance(booked, stripe.BalanceTransaction)
    assert (booked.amount, booked.fee, booked.net, booked.type) == (2000, 88, 1912, "charge")
    assert types_of(client, intent.id, charge.id, payment.id) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
    ]
    assert types_of(client, str(invoice.id))[-2:] == ["invoice.paid", "invoice.payment_succeeded"]


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_authenticationRequired", "authentication_required", "authentication_required"),
    ],
)
def test_a_declined_invoice_names_the_charge_and_is_paid_by_another_card(
    client: stripe.StripeClient, open_invoice: OpenInvoice, card: str, code: str, decline_code: str
) -> None:
    invoice = open_invoice(card)
    with pytest.raises(stripe.CardError) as told:
        client.v1.invoices.pay(invoice.id)
    assert (told.value.http_status, told.value.code) == (402, code)
    assert told.value.error is not None
    assert told.value.error.decline_code == decline_code
    failed = client.v1.charges.retrieve(str(told.value.error.charge))
    assert (failed.status, failed.failure_code, failed.balance_transaction) == ("failed", code, None)
    intent = intent_of(client, invoice.id)
    assert (intent.status, intent.latest_charge) == ("requires_payment_method", failed.id)
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.decline_code == decline_code
    seen = types_of(client, invoice.id, intent.id, failed.id)
    assert {"charge.failed", "payment_intent.payment_failed", "invoice.payment_failed"} <= set(seen)
    assert ("invoice.payment_action_required" in seen) == (code == "authentication_required")
    good = client.v1.payment_methods.attach("pm_card_visa", {"customer": str(invoice.customer)})
    paid = client.v1.invoices.pay(invoice.id, {"payment_method": good.id})
    assert (paid.status, paid.attempt_count) == ("paid", 2)
    assert [charge.status for charge in client.v1.charges.list({"payment_intent": intent.id}).data] == [
        "succeeded",
        "failed",
    ]


def test_what_is_paid_elsewhere_or_voided_cancels_the_intent(
    client: stripe.StripeClient, open_invoice: OpenInvoice
) -> None:
    elsewhere, voided = open_invoice(None), open_invoice(None)
    client.v1.invoices.pay(elsewhere.id, {"paid_out_of_band": True})
    client.v1.invoices.void_invoice(voided.id)
    assert intent_of(client, elsewhere.id).status == "canceled"
    assert intent_of(client, voided.id).cancellation_reason == "void_invoice"
    assert [payment.status for payment in client.v1.invoice_payments.list({"invoice": voided.id}).data] == ["canceled"]
    assert client.v1.invoice_payments.list({"invoice": voided.id, "status": "open"}).data == []


def test_a_failed_renewal_is_retried_on_the_clock_and_then_given_up(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    start = 1_748_736_000
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": start})
    customer = new_customer(test_clock=clock.id)
    running = client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": monthly.id}]})
    bad = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer.id})
    client.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": bad.id}})

    def advance(days: int) -> tuple[stripe.Subscription, stripe.Invoice]:
        client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": start + days * 86_400})
        now = client.v1.subscriptions.retrieve(running.id, {"expand": ["latest_invoice"]})
        assert isinstance(now.latest_invoice, stripe.Invoice)
        return now, now.latest_invoice

    subscription, invoice = advance(31)
    assert (subscription.status, invoice.status, invoice.attempt_count) == ("past_due", "open", 1)
    assert invoice.next_payment_attempt is not None
    subscription, invoice = advance(31 + 3 + 5 + 1)
    assert (invoice.attempt_count, invoice.status) == (3, "open")
    client.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": "pm_card_visa"}})
    subscription, invoice = advance(31 + 3 + 5 + 8)
    assert (subscription.status, invoice.status, invoice.attempt_count) == ("active", "paid", 4)
    charges = client.v1.charges.list({"payment_intent": intent_of(client, str(invoice.id)).id}).data
    assert [charge.status for charge in charges] == ["succeeded", "failed", "failed", "failed"]


def test_an_intent_is_confirmed_captured_and_canceled(client: stripe.StripeClient, new_customer: NewCustomer) -> None:
    made = client.v1.payment_intents.create({"amount": 1000, "currency": "eur", "customer": new_customer().id})
    assert made.status == "requires_payment_method"
    with pytest.raises(stripe.InvalidRequestError, match="missing a payment method"):
        client.v1.payment_intents.confirm(made.id)
    assert client.v1.payment_intents.confirm(made.id, {"payment_method": "pm_card_visa"}).status == "succeeded"
    for again in (client.v1.payment_intents.confirm, client.v1.payment_intents.cancel):
        with pytest.raises(stripe.InvalidRequestError) as told:
            again(made.id)
        assert told.value.code == "payment_intent_unexpected_state"
    held = client.v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "eur",
            "capture_method": "manual",
            "confirm": True,
            "payment_method": "pm_card_visa",
        }
    )
    assert (held.status, held.amount_capturable, held.amount_received) == ("requires_capture", 1000, 0)
    assert client.v1.payment_intents.capture(held.id, {"amount_to_capture": 600}).amount_received == 600
    dropped = client.v1.payment_intents.create({"amount": 1000, "currency": "eur"})
    assert client.v1.payment_intents.cancel(dropped.id, {"cancellation_reason": "duplicate"}).status == "canceled"


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        (100_000_000, "eur", "amount_too_large"),
        (1_000_000_000_000, "idr", "amount_too_large"),
        (49, "eur", "amount_too_small"),
        (150, "isk", "invalid_charge_amount"),
        (5_124, "kwd", "invalid_charge_amount"),
    ],
)
def test_an_amount_that_no_charge_has_is_refused(
    client: stripe.StripeClient, amount: int, currency: str, code: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as told:
        client.v1.payment_intents.create({"amount": amount, "currency": currency})
    assert (told.value.code, told.value.param) == (code, "amount")


def test_an_intent_of_an_invoice_is_paid_through_the_invoice(
    client: stripe.StripeClient, open_invoice: OpenInvoice
) -> None:
    intent = intent_of(client, open_invoice().id)
    for call in (client.v1.payment_intents.confirm, client.v1.payment_intents.cancel):
        with pytest.raises(stripe.InvalidRequestError, match="belongs to the invoice"):
            call(intent.id)


def test_a_declined_confirmation_is_kept_and_replayed(sandbox: RunningSandbox) -> None:
    with sandbox.http(**{"Idempotency-Key": "declined-intent"}) as http:
        form = {"amount": "1000", "currency": "eur", "confirm": "true", "payment_method": "pm_card_chargeDeclined"}
        first, second = (http.post("/v1/payment_intents", data=form) for _ in range(2))
    assert (first.status_code, second.status_code, second.headers["Idempotent-Replayed"]) == (402, 402, "true")
    assert first.json()["error"]["payment_intent"]["status"] == "requires_payment_method"
    assert first.content == second.content
