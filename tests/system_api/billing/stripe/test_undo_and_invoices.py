"""Undoing a subscription's start, and the invoices that Stripe issued."""

import time

import msgspec
import pytest

from shared.canonical import CustomerDraft, InvoiceStatus, Money, SubscriptionStatus
from shared.problem import InvalidRequest, OutcomeUnknown
from system_api.billing.stripe.adapter import Stripe
from system_api.billing.stripe.api import StripeApi
from tests.system_api.billing.conftest import started, stripe_get, stripe_post
from tests.system_api.conftest import Simulator
from tests.system_api.transports import Lossy

# -- undo -------------------------------------------------------------------------------------------------------------


async def test_cancelling_voids_the_draft_of_the_first_invoice(billing: Stripe, customer_draft: CustomerDraft) -> None:
    name, _ = await started(billing, customer_draft)

    cancelled = await billing.cancel_subscription(name)

    assert cancelled.status is SubscriptionStatus.cancelled
    page = await billing.list_invoices(customer_draft.account_id, open_only=False, limit=10, cursor=None)
    assert [(each.status, each.amount_due.amount) for each in page.invoices] == [(InvoiceStatus.void, "0.00")]


async def test_cancelling_credits_what_is_paid_once(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator
) -> None:
    name, _ = await started(billing, customer_draft)
    (invoice,) = stripe_get(stripe_account, "/v1/invoices", limit=1)["data"]
    stripe_post(stripe_account, f"/v1/invoices/{invoice['id']}/pay", paid_out_of_band="true")

    await billing.cancel_subscription(name)
    await billing.cancel_subscription(name)

    notes = stripe_get(stripe_account, "/v1/credit_notes", invoice=invoice["id"])["data"]
    assert [note["total"] for note in notes] == [invoice["total"]]


async def test_a_cancellation_that_broke_off_is_finished_by_the_next(
    billing: Stripe, customer_draft: CustomerDraft, network: Lossy
) -> None:
    name, _ = await started(billing, customer_draft)
    with network.losing("POST", "/void"), pytest.raises(OutcomeUnknown):
        await billing.cancel_subscription(name)
    assert (await billing.find_subscription(name)).status is SubscriptionStatus.active

    with network.losing("DELETE", "/v1/subscriptions/"), pytest.raises(OutcomeUnknown):
        await billing.cancel_subscription(name)

    assert (await billing.cancel_subscription(name)).status is SubscriptionStatus.cancelled
    page = await billing.list_invoices(customer_draft.account_id, open_only=False, limit=10, cursor=None)
    assert [each.status for each in page.invoices] == [InvoiceStatus.void]


# -- clocks (docs/failures.md, row 18) --------------------------------------------------------------------------------


async def cancelled_by_a_clock_that_is_ahead(
    billing: Stripe, draft: CustomerDraft, monkeypatch: pytest.MonkeyPatch
) -> SubscriptionStatus:
    """Cancel what the search does not show yet, with a clock of ours that is a day ahead of Stripe's."""
    name, _ = await started(billing, draft)
    tomorrow = time.time() + 86_400
    monkeypatch.setattr("system_api.billing.stripe.api.time.time", lambda: tomorrow)
    return (await billing.cancel_subscription(name)).status


async def test_row_18_what_was_just_started_is_cancelled_although_our_clock_is_ahead(
    billing: Stripe, customer_draft: CustomerDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled = await cancelled_by_a_clock_that_is_ahead(billing, customer_draft, monkeypatch)

    assert cancelled is SubscriptionStatus.cancelled


async def test_row_18_mutation_by_our_own_clock_it_would_be_left_running(
    billing: Stripe, customer_draft: CustomerDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StripeApi, "now_s", lambda _: time.time())

    cancelled = await cancelled_by_a_clock_that_is_ahead(billing, customer_draft, monkeypatch)

    assert cancelled is SubscriptionStatus.absent


# -- invoices ---------------------------------------------------------------------------------------------------------


async def test_invoices_come_in_pages_newest_first(
    billing: Stripe, customer_draft: CustomerDraft, stripe_account: Simulator
) -> None:
    orders = [(await started(billing, customer_draft))[1].order_id for _ in range(3)]
    newest = stripe_get(stripe_account, "/v1/invoices", limit=1)["data"][0]["id"]
    stripe_post(stripe_account, f"/v1/invoices/{newest}/finalize")

    first = await billing.list_invoices(customer_draft.account_id, open_only=False, limit=2, cursor=None)
    second = await billing.list_invoices(customer_draft.account_id, open_only=False, limit=2, cursor=first.next_cursor)
    unpaid = await billing.list_invoices(customer_draft.account_id, open_only=True, limit=2, cursor=None)

    assert [each.order_id for each in (*first.invoices, *second.invoices)] == orders[::-1]
    assert second.next_cursor is None
    assert [(each.vendor_id, each.status) for each in unpaid.invoices] == [(newest, InvoiceStatus.open)]
    assert unpaid.invoices[0].total == Money(amount="116.62", currency="EUR")
    assert unpaid.invoices[0].number is not None
    assert unpaid.invoices[0].issued_on is not None
    assert unpaid.invoices[0].due_on is not None


async def test_cursor_of_another_customer_is_refused_like_an_unknown_one(
    billing: Stripe, customer_draft: CustomerDraft
) -> None:
    await started(billing, customer_draft)
    page = await billing.list_invoices(customer_draft.account_id, open_only=False, limit=1, cursor=None)
    other = msgspec.structs.replace(customer_draft, account_id=f"{customer_draft.account_id[:-3]}OTH")
    await billing.ensure_customer(other)

    for cursor in (page.invoices[0].vendor_id, "in_nobodys"):
        with pytest.raises(InvalidRequest, match="The cursor is not from a page of these invoices"):
            await billing.list_invoices(other.account_id, open_only=False, limit=1, cursor=cursor)
