"""The contract suite of a billing adapter, as tests that it inherits.

    class TestNewBilling(BillingContract):
        @pytest_asyncio.fixture
        async def side(self) -> AsyncIterator[NewBillingSide]: ...

The adapter's own tests define the fixture `side` (`BillingSide`): the adapter, and a view of the vendor past it.
Products are the demo's (tests/system_api/billing/drafts.py). A broken adapter shows that each of these tests can fail
(tests/system_api/billing/test_contract.py).
"""

import asyncio
from collections import Counter
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

import msgspec
import pytest

from shared.canonical import (
    BillingCustomer,
    Money,
    OrderCheck,
    Recurrence,
    Subscription,
    SubscriptionDraft,
    SubscriptionStatus,
)
from shared.problem import InvalidRequest, OutcomeUnknown, Rejected, Unavailable
from system_api.billing.contract import Billing
from tests.system_api.billing.drafts import external_id, item, monthly, new_account, new_customer

Write = Literal["ensure_customer", "create_subscription", "cancel_subscription"]


class BillingSide(Protocol):
    """An adapter, and what the suite needs of its vendor besides."""

    billing: Billing
    away: Billing  # an adapter whose vendor is not there: nobody listens at its address
    stranger: Billing  # an adapter whose credentials the vendor refuses
    nobody: str  # an id as the vendor writes them, of no customer and no subscription

    def customers(self, account_id: str) -> int:
        """Return how many customers billing holds for that account."""

    def subscriptions(self, external_id: str) -> list[SubscriptionStatus]:
        """Return the status of each subscription that billing holds under that external id."""

    async def start_late(self, external_id: str, draft: SubscriptionDraft) -> str:
        """Start a subscription without looking for it first, as a late request that looked before; its vendor id."""

    def losing(self, write: Write) -> AbstractContextManager[None]:
        """The vendor does what the call asks, and the answer to its last write is lost."""

    def losing_reads(self) -> AbstractContextManager[None]:
        """The answer to each read is lost."""

    def losing_what_is_read_back(self) -> AbstractContextManager[None]:
        """The answer to each read after the first write is lost."""


class BillingContract:
    """The tests of `system_api.billing.contract.Billing`. An adapter's test class adds the fixture `side`."""

    # -- customers: found before they are made --------------------------------------------------------------------

    async def test_a_customer_is_made_once_and_found_by_its_account(self, side: BillingSide) -> None:
        draft = new_customer()

        first = await side.billing.ensure_customer(draft)
        second = await side.billing.ensure_customer(draft)
        found = await side.billing.find_customer(draft.account_id, "EUR")
        entry = await side.billing.find_customer_entry(first.vendor_id)

        assert (first.created, second.created) == (True, False)
        assert found is not None
        assert entry is not None
        assert first.vendor_id == second.vendor_id == found.vendor_id == entry.vendor_id
        assert (entry.name, entry.city) == (draft.name, "Stuttgart")
        assert side.customers(draft.account_id) == 1

    async def test_many_at_once_make_one_customer(self, side: BillingSide) -> None:
        draft = new_customer()

        made = await asyncio.gather(*(side.billing.ensure_customer(draft) for _ in range(5)), return_exceptions=True)

        assert all(isinstance(each, BillingCustomer | Unavailable) for each in made), made
        assert side.customers(draft.account_id) == 1

    async def test_a_lost_answer_to_a_new_customer_is_unknown_and_found_again(self, side: BillingSide) -> None:
        draft = new_customer()
        with side.losing("ensure_customer"), pytest.raises(OutcomeUnknown):
            await side.billing.ensure_customer(draft)

        again = await side.billing.ensure_customer(draft)

        assert not again.created
        assert side.customers(draft.account_id) == 1

    async def test_an_account_that_billing_does_not_know_is_absent(self, side: BillingSide) -> None:
        unknown = new_account()

        assert await side.billing.find_customer(unknown, "EUR") is None
        assert await side.billing.find_customer_entry(side.nobody) is None
        assert await side.billing.list_subscriptions(unknown) == []
        page = await side.billing.list_invoices(unknown, open_only=False, limit=10, cursor=None)
        assert (page.invoices, page.next_cursor) == ([], None)

    async def test_accounts_that_differ_only_in_capitals_are_two(self, side: BillingSide) -> None:
        draft = new_customer()
        first = await side.billing.ensure_customer(draft)

        other = await side.billing.find_customer(draft.account_id.upper(), "EUR")

        assert other is None, f"it is {first.vendor_id}"
        assert await side.billing.list_subscriptions(draft.account_id.upper()) == []

    # -- subscriptions: found before they are started, read back, compared ----------------------------------------

    async def test_a_subscription_is_started_once_and_charged_as_ordered(self, side: BillingSide) -> None:
        name, ordered = external_id(), await monthly_of_a_new_customer(side)

        first = await side.billing.create_subscription(name, ordered)
        again = await side.billing.create_subscription(name, ordered)
        found = await side.billing.find_subscription(name)

        assert first.vendor_id == again.vendor_id == found.vendor_id
        assert found.status is SubscriptionStatus.active
        assert found.period_amount == Money(amount="98.00", currency="EUR")
        assert (found.external_id, found.order_id) == (name, ordered.order_id)
        assert [(each.sku, each.quantity, each.net_unit_price.amount) for each in found.items] == [
            ("MON-STD", "20", "4.90")
        ]
        assert [each.external_id for each in await side.billing.list_subscriptions(ordered.account_id)] == [name]
        assert side.subscriptions(name) == [SubscriptionStatus.active]

    async def test_what_was_never_started_is_absent(self, side: BillingSide) -> None:
        never = external_id()

        assert (await side.billing.find_subscription(never)).status is SubscriptionStatus.absent
        cancelled = await side.billing.cancel_subscription(never)
        assert (cancelled.status, cancelled.cancelled_vendor_ids) == (SubscriptionStatus.absent, [])

    async def test_many_at_once_start_one_subscription(self, side: BillingSide) -> None:
        name, ordered = external_id(), await monthly_of_a_new_customer(side)

        made = await asyncio.gather(
            *(side.billing.create_subscription(name, ordered) for _ in range(4)), return_exceptions=True
        )

        assert all(isinstance(each, Subscription | Unavailable) for each in made), made
        assert side.subscriptions(name) == [SubscriptionStatus.active]

    async def test_a_start_whose_answer_was_lost_is_found_and_made_no_second_time(self, side: BillingSide) -> None:
        name, ordered = external_id(), await monthly_of_a_new_customer(side)
        with side.losing("create_subscription"), pytest.raises(OutcomeUnknown):
            await side.billing.create_subscription(name, ordered)

        assert (await side.billing.find_subscription(name)).status is SubscriptionStatus.active
        assert (await side.billing.create_subscription(name, ordered)).status is SubscriptionStatus.active
        assert side.subscriptions(name) == [SubscriptionStatus.active]

    async def test_a_start_that_cannot_be_read_back_is_an_unknown_outcome(self, side: BillingSide) -> None:
        name, ordered = external_id(), await monthly_of_a_new_customer(side)

        with side.losing_what_is_read_back(), pytest.raises(OutcomeUnknown):
            await side.billing.create_subscription(name, ordered)

        assert (await side.billing.create_subscription(name, ordered)).status is SubscriptionStatus.active
        assert side.subscriptions(name) == [SubscriptionStatus.active]

    async def test_another_order_under_the_same_external_id_is_a_mismatch(self, side: BillingSide) -> None:
        name, ordered = external_id(), await monthly_of_a_new_customer(side)
        await side.billing.create_subscription(name, ordered)
        others: list[dict[str, Any]] = [
            {"items": [item("MON-STD", "20", "4.80")]},
            {"tax_code": "US-NY", "tax_percent": "4"},
        ]
        for other in others:
            with pytest.raises(Rejected) as raised:
                await side.billing.create_subscription(name, msgspec.structs.replace(ordered, **other))

            assert raised.value.reason_code == "read_back_mismatch"
        assert side.subscriptions(name) == [SubscriptionStatus.active]

    async def test_what_cannot_be_charged_is_refused_before_anything_is_made(self, side: BillingSide) -> None:
        ordered = await monthly_of_a_new_customer(side)
        uncharged: dict[str, dict[str, Any]] = {
            "product_not_sold": {"items": [item("MON-LEGACY", "1", "3.90")]},
            "not_recurring": {"recurrence": Recurrence.none},
        }
        for reason, changes in uncharged.items():
            name = external_id()

            with pytest.raises(Rejected) as raised:
                await side.billing.create_subscription(name, msgspec.structs.replace(ordered, **changes))

            assert raised.value.reason_code == reason
            assert side.subscriptions(name) == []

    # -- duplicates and cancelling --------------------------------------------------------------------------------

    async def test_cancelling_takes_the_start_back_however_often(self, side: BillingSide) -> None:
        name, ordered = external_id(), await monthly_of_a_new_customer(side)
        started = await side.billing.create_subscription(name, ordered)

        cancelled = await side.billing.cancel_subscription(name)
        again = await side.billing.cancel_subscription(name)

        assert cancelled.status is again.status is SubscriptionStatus.cancelled
        assert (cancelled.cancelled_vendor_ids, again.cancelled_vendor_ids) == ([started.vendor_id], [])
        assert await side.billing.list_subscriptions(ordered.account_id) == []
        page = await side.billing.list_invoices(ordered.account_id, open_only=False, limit=10, cursor=None)
        assert {each.amount_due.amount for each in page.invoices} <= {"0.00"}
        assert side.subscriptions(name) == [SubscriptionStatus.cancelled]

    async def test_a_cancellation_whose_answer_was_lost_is_finished_by_the_next(self, side: BillingSide) -> None:
        name, ordered = external_id(), await monthly_of_a_new_customer(side)
        await side.billing.create_subscription(name, ordered)
        with side.losing("cancel_subscription"), pytest.raises(OutcomeUnknown):
            await side.billing.cancel_subscription(name)

        assert (await side.billing.cancel_subscription(name)).status is SubscriptionStatus.cancelled
        assert side.subscriptions(name) == [SubscriptionStatus.cancelled]

    async def test_what_a_late_request_started_is_cancelled_and_the_one_to_keep_stays(self, side: BillingSide) -> None:
        name, ordered = external_id(), await monthly_of_a_new_customer(side)
        booked = await side.billing.create_subscription(name, ordered)
        late = await side.start_late(name, ordered)

        left = await side.billing.cancel_subscription(name, keep=booked.vendor_id)
        left_again = await side.billing.cancel_subscription(name, keep=booked.vendor_id)

        assert (left.vendor_id, left.status) == (booked.vendor_id, SubscriptionStatus.active)
        assert (left.cancelled_vendor_ids, left_again.cancelled_vendor_ids) == ([late], [])
        assert Counter(side.subscriptions(name)) == {SubscriptionStatus.active: 1, SubscriptionStatus.cancelled: 1}

    async def test_cancelling_takes_back_what_a_late_request_started_too(self, side: BillingSide) -> None:
        name, ordered = external_id(), await monthly_of_a_new_customer(side)
        booked = await side.billing.create_subscription(name, ordered)
        late = await side.start_late(name, ordered)

        cancelled = await side.billing.cancel_subscription(name)

        assert sorted(cancelled.cancelled_vendor_ids) == sorted([booked.vendor_id or "", late])
        assert side.subscriptions(name) == [SubscriptionStatus.cancelled] * 2

    async def test_where_the_one_to_keep_is_not_there_nothing_is_cancelled(self, side: BillingSide) -> None:
        name, ordered = external_id(), await monthly_of_a_new_customer(side)
        await side.billing.create_subscription(name, ordered)

        with pytest.raises(Rejected) as raised:
            await side.billing.cancel_subscription(name, keep=side.nobody)

        assert raised.value.reason_code == "nothing_to_keep"
        assert side.subscriptions(name) == [SubscriptionStatus.active]

    async def test_a_cancelled_external_id_is_used_up(self, side: BillingSide) -> None:
        name, ordered = external_id(), await monthly_of_a_new_customer(side)
        await side.billing.create_subscription(name, ordered)
        await side.billing.cancel_subscription(name)

        with pytest.raises(Rejected) as raised:
            await side.billing.create_subscription(name, ordered)

        assert raised.value.reason_code == "already_cancelled"
        assert side.subscriptions(name) == [SubscriptionStatus.cancelled]

    # -- error families -------------------------------------------------------------------------------------------

    async def test_billing_that_is_away_is_unavailable_to_every_call(self, side: BillingSide) -> None:
        billing, account = side.away, new_account()
        calls = {
            "ensure_customer": billing.ensure_customer(new_customer()),
            "find_customer": billing.find_customer(account, "EUR"),
            "check_order": billing.check_order(OrderCheck(customer=new_customer())),
            "find_customer_entry": billing.find_customer_entry(side.nobody),
            "list_prices": billing.list_prices({"MON-STD": [Recurrence.month]}, "EUR"),
            "create_subscription": billing.create_subscription(external_id(), monthly(side.nobody, account)),
            "find_subscription": billing.find_subscription(external_id()),
            "cancel_subscription": billing.cancel_subscription(external_id()),
            "list_subscriptions": billing.list_subscriptions(account),
            "list_invoices": billing.list_invoices(account, open_only=False, limit=10, cursor=None),
        }

        answers = await asyncio.gather(*calls.values(), return_exceptions=True)

        families = {name: type(each) for name, each in zip(calls, answers, strict=True)}
        assert families == dict.fromkeys(calls, Unavailable)

    async def test_a_lost_answer_to_a_read_is_unavailable_and_never_absent(self, side: BillingSide) -> None:
        name, ordered = external_id(), await monthly_of_a_new_customer(side)
        await side.billing.create_subscription(name, ordered)

        with side.losing_reads(), pytest.raises(Unavailable):
            await side.billing.find_subscription(name)
        with side.losing_reads(), pytest.raises(Unavailable):
            await side.billing.find_customer(ordered.account_id, "EUR")

    async def test_refused_credentials_are_the_set_ups_and_say_what_to_do(self, side: BillingSide) -> None:
        assert await side.billing.ready() is None
        with pytest.raises(Unavailable) as ready:
            await side.stranger.ready()
        with pytest.raises(Unavailable) as found:
            await side.stranger.find_subscription(external_id())

        assert ready.value.reason_code == found.value.reason_code == "credentials_refused"
        assert ready.value.what_to_do

    async def test_a_cursor_that_no_page_gave_is_refused(self, side: BillingSide) -> None:
        draft = new_customer()
        await side.billing.ensure_customer(draft)

        with pytest.raises(InvalidRequest, match="cursor"):
            await side.billing.list_invoices(draft.account_id, open_only=False, limit=10, cursor="../x")

    async def test_a_webhook_that_billing_did_not_sign_is_refused(self, side: BillingSide) -> None:
        with pytest.raises(Rejected):
            await side.billing.read_webhook(b"{}", "t=1,v1=0")


async def monthly_of_a_new_customer(side: BillingSide) -> SubscriptionDraft:
    """Twenty monitored sensors for a customer that no other test knows: 98.00 EUR a month."""
    draft = new_customer()
    customer = await side.billing.ensure_customer(draft)
    return monthly(customer.vendor_id, draft.account_id)
