"""Money that goes back: refunds, credit notes with a refund, disputes; and the balance and payouts they show in."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import stripe

from tests.sandbox.vendors.stripe.conftest import NewCustomer
from tests.sandbox.vendors.stripe.event_types import types_of
from tests.sandbox.vendors.stripe.running_sandbox import SEED, UNLIMITED, RunningSandbox, running_sandbox, sdk


@pytest.fixture
def own_sandbox() -> Iterator[RunningSandbox]:
    """A sandbox whose clock and balance no other test touches."""
    with running_sandbox("--seed", str(SEED), *UNLIMITED) as running:
        yield running


@pytest.fixture
def own(own_sandbox: RunningSandbox) -> Iterator[stripe.StripeClient]:
    with sdk(own_sandbox.url) as client:
        yield client


def pass_time(sandbox: RunningSandbox, days: float) -> None:
    httpx.post(f"{sandbox.url}/_sandbox/clock", json={"advance_s": days * 86_400}, trust_env=False).raise_for_status()


def charged(client: stripe.StripeClient, card: str = "pm_card_visa", amount: int = 2000) -> stripe.Charge:
    """A charge on a card."""
    intent = client.v1.payment_intents.create(
        {
            "amount": amount,
            "currency": "eur",
            "confirm": True,
            "payment_method": card,
            "expand": ["latest_charge"],
        }
    )
    assert isinstance(intent.latest_charge, stripe.Charge)
    return intent.latest_charge


def available(client: stripe.StripeClient) -> int:
    """What can be paid out, in cents."""
    return next(each.amount for each in client.v1.balance.retrieve().available if each.currency == "eur")


def test_refunds_take_parts_until_nothing_is_left(client: stripe.StripeClient) -> None:
    charge = charged(client)
    part = client.v1.refunds.create({"charge": charge.id, "amount": 500, "reason": "requested_by_customer"})
    assert (part.status, part.amount, part.payment_intent) == ("succeeded", 500, charge.payment_intent)
    with pytest.raises(stripe.InvalidRequestError) as told:
        client.v1.refunds.create({"charge": charge.id, "amount": 1501})
    assert (told.value.param, "greater than unrefunded amount" in str(told.value.user_message)) == ("amount", True)
    rest = client.v1.refunds.create({"payment_intent": str(charge.payment_intent)})
    assert rest.amount == 1500
    now = client.v1.charges.retrieve(charge.id, {"expand": ["refunds"]})
    assert (now.amount_refunded, now.refunded) == (2000, True)
    assert now.refunds is not None
    assert {refund.id for refund in now.refunds.data} == {part.id, rest.id}
    with pytest.raises(stripe.InvalidRequestError) as told:
        client.v1.refunds.create({"charge": charge.id})
    assert told.value.code == "charge_already_refunded"
    assert str(told.value.user_message) == f"Charge {charge.id} has already been refunded."
    assert types_of(client, charge.id, part.id, rest.id) == [
        "charge.succeeded",
        "refund.created",
        "charge.refunded",
        "refund.created",
        "charge.refunded",
    ]


@pytest.mark.parametrize(
    ("card", "at_first", "later", "refunded"),
    [("pm_card_pendingRefund", "pending", "succeeded", 2000), ("pm_card_refundFail", "succeeded", "failed", 0)],
)
def test_a_refund_ends_later_as_its_card_has_it(
    own_sandbox: RunningSandbox, own: stripe.StripeClient, card: str, at_first: str, later: str, refunded: int
) -> None:
    charge = charged(own, card)
    refund = own.v1.refunds.create({"charge": charge.id})
    assert refund.status == at_first
    pass_time(own_sandbox, 1)
    now = own.v1.refunds.retrieve(refund.id)
    assert (now.status, "failure_reason" in now.to_dict()) == (later, later == "failed")
    assert own.v1.charges.retrieve(charge.id).amount_refunded == refunded
    assert ("refund.failed" in types_of(own, refund.id)) == (later == "failed")


def test_a_declined_charge_is_not_refunded(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.CardError) as told:
        charged(client, "pm_card_chargeDeclined")
    assert told.value.error is not None
    with pytest.raises(stripe.InvalidRequestError, match="was not captured"):
        client.v1.refunds.create({"charge": str(told.value.error.charge)})


def test_a_credit_note_refunds_the_charge_of_its_invoice(
    client: stripe.StripeClient, new_customer: NewCustomer
) -> None:
    invoices = []
    for elsewhere in (False, True):
        invoice = client.v1.invoices.create({"customer": new_customer().id, "currency": "eur"})
        client.v1.invoice_items.create({"invoice": invoice.id, "amount": 2000})
        invoices.append(client.v1.invoices.pay(str(invoice.id), {"paid_out_of_band": elsewhere}))
    note = client.v1.credit_notes.create({"invoice": str(invoices[0].id), "amount": 700, "refund_amount": 700})
    refund = client.v1.refunds.retrieve(str(note.refunds[0].refund))
    assert (refund.amount, refund.status) == (700, "succeeded")
    assert client.v1.charges.retrieve(str(refund.charge)).amount_refunded == 700
    with pytest.raises(stripe.InvalidRequestError) as told:
        client.v1.credit_notes.create({"invoice": str(invoices[1].id), "amount": 700, "refund_amount": 700})
    assert told.value.param == "refund_amount"


def test_a_dispute_withdraws_and_won_evidence_reinstates(own: stripe.StripeClient) -> None:
    before = available(own)
    charge = charged(own, "pm_card_createDispute")
    (dispute,) = own.v1.disputes.list({"charge": charge.id}).data
    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "fraudulent", 2000)
    assert own.v1.charges.retrieve(charge.id).disputed is True
    assert available(own) == before - 2000 - 1500
    with pytest.raises(stripe.InvalidRequestError) as told:
        own.v1.refunds.create({"charge": charge.id})
    assert told.value.code == "charge_disputed"
    staged = own.v1.disputes.update(dispute.id, {"evidence": {"product_description": "Sensors"}, "submit": False})
    assert (staged.status, staged.evidence_details.has_evidence) == ("needs_response", True)
    won = own.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
    assert (won.status, won.evidence_details.submission_count) == ("won", 1)
    assert available(own) == before - 1500, "the fee stays"
    assert types_of(own, dispute.id) == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ]
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        own.v1.disputes.close(dispute.id)


def test_a_dispute_is_lost_by_evidence_by_closing_and_by_silence(
    own_sandbox: RunningSandbox, own: stripe.StripeClient
) -> None:
    disputes = []
    for _ in range(3):
        charge = charged(own, "pm_card_createDisputeProductNotReceived")
        disputes += own.v1.disputes.list({"charge": charge.id}).data
    assert {dispute.reason for dispute in disputes} == {"product_not_received"}
    own.v1.disputes.update(disputes[0].id, {"evidence": {"uncategorized_text": "losing_evidence"}})
    own.v1.disputes.close(disputes[1].id)
    assert own.v1.disputes.retrieve(disputes[2].id).status == "needs_response"
    pass_time(own_sandbox, 8)
    now = [own.v1.disputes.retrieve(dispute.id) for dispute in disputes]
    assert [dispute.status for dispute in now] == ["lost", "lost", "lost"]
    assert [dispute.evidence_details.past_due for dispute in now] == [False, False, True]


def test_an_inquiry_withdraws_nothing(own: stripe.StripeClient) -> None:
    before = available(own)
    charge = charged(own, "pm_card_createDisputeInquiry")
    (inquiry,) = own.v1.disputes.list({"charge": charge.id}).data
    assert (inquiry.status, inquiry.is_charge_refundable, inquiry.balance_transactions) == (
        "warning_needs_response",
        True,
        [],
    )
    assert available(own) == before
    assert own.v1.disputes.close(inquiry.id).status == "warning_closed"


def test_any_charge_can_be_disputed_from_outside(own_sandbox: RunningSandbox, own: stripe.StripeClient) -> None:
    charge = charged(own)
    url = f"{own_sandbox.url}/_sandbox/disputes"
    made = httpx.post(url, json={"charge": charge.id, "reason": "duplicate"}, trust_env=False).json()
    assert own.v1.disputes.retrieve(made["dispute"]).reason == "duplicate"
    assert httpx.post(url, json={"charge": "ch_none"}, trust_env=False).status_code == 400
    assert httpx.post(url, content=b"[]", trust_env=False).status_code == 400


def test_money_becomes_available_and_an_automatic_payout_names_all_of_it(
    own_sandbox: RunningSandbox, own: stripe.StripeClient
) -> None:
    charge = charged(own)
    charged(own, "pm_card_bypassPending", 5000)
    own.v1.refunds.create({"charge": charge.id, "amount": 300})
    pending = own.v1.balance.retrieve().pending[0]
    assert (available(own), pending.amount) == (5000 - 175 - 300, 2000 - 88)
    pass_time(own_sandbox, 3)
    assert available(own) == 4525 + 1912
    answer = httpx.post(f"{own_sandbox.url}/_sandbox/payouts", trust_env=False).raise_for_status().json()
    (payout_id,) = answer["payouts"]
    payout = own.v1.payouts.retrieve(payout_id, {"expand": ["balance_transaction"]})
    assert (payout.amount, payout.status, payout.automatic) == (6437, "pending", True)
    assert available(own) == 0
    named = own.v1.balance_transactions.list({"payout": payout.id, "expand": ["data.source"]}).data
    assert sorted(each.type for each in named) == ["charge", "charge", "payout", "refund"]
    assert sum(each.net for each in named) == 0
    assert {type(each.source).__name__ for each in named} == {"Charge", "Payout", "Refund"}
    pass_time(own_sandbox, 3)
    paid = own.v1.payouts.retrieve(payout.id)
    assert (paid.status, paid.reconciliation_status) == ("paid", "completed")
    assert types_of(own, payout.id) == ["payout.created", "payout.paid", "payout.reconciliation_completed"]
    assert httpx.post(f"{own_sandbox.url}/_sandbox/payouts", trust_env=False).json() == {"payouts": []}


def test_a_payout_that_fails_comes_back(own_sandbox: RunningSandbox, own: stripe.StripeClient) -> None:
    charged(own, "pm_card_bypassPending", 5000)
    url = f"{own_sandbox.url}/_sandbox/payouts"
    assert httpx.post(url, json={"fail": "yes"}, trust_env=False).status_code == 400
    (payout_id,) = httpx.post(url, json={"fail": True}, trust_env=False).json()["payouts"]
    pass_time(own_sandbox, 3)
    failed = own.v1.payouts.retrieve(payout_id)
    assert (failed.status, failed.failure_code) == ("failed", "account_closed")
    assert available(own) == 4825


def test_a_manual_payout_is_limited_by_what_is_available(own: stripe.StripeClient) -> None:
    charged(own, "pm_card_bypassPending", 5000)
    with pytest.raises(stripe.InvalidRequestError) as told:
        own.v1.payouts.create({"amount": 4826, "currency": "eur"})
    assert told.value.code == "balance_insufficient"
    payout = own.v1.payouts.create({"amount": 4000, "currency": "eur"})
    assert own.v1.payouts.cancel(payout.id).status == "canceled"
    assert available(own) == 4825
    with pytest.raises(stripe.InvalidRequestError, match="evenly divisible by 100"):
        own.v1.payouts.create({"amount": 150, "currency": "huf"})
