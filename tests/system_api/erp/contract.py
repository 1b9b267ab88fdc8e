"""The contract suite of an ERP adapter, as tests that it inherits.

    class TestNewErp(ErpContract):
        @pytest_asyncio.fixture
        async def side(self) -> AsyncIterator[NewErpSide]: ...

The adapter's own tests define the fixture `side` (`ErpSide`): the adapter, and a view of the vendor past it. Products
and customers are the demo's (tests/system_api/erp/drafts.py). A broken adapter shows that each of these tests can fail
(tests/system_api/erp/test_contract.py).
"""

import asyncio
from collections import Counter
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

import msgspec
import pytest

from shared.canonical import Address, Customer, ErpOrder, ErpOrderDraft, ErpOrderState, OrderCheck
from shared.problem import InvalidRequest, NeedsDecision, OutcomeUnknown, Rejected, Unavailable
from system_api.erp.contract import Erp
from tests.system_api.erp.drafts import euros, hardware, line, new_account, new_customer, order_id

Write = Literal["ensure_customer", "create_order", "confirm_order", "cancel_order"]


class ErpSide(Protocol):
    """An adapter, and what the suite needs of its vendor besides."""

    erp: Erp
    away: Erp  # an adapter whose vendor is not there: nobody listens at its address
    stranger: Erp  # an adapter whose credentials the vendor refuses
    nobody: str  # an id as the vendor writes them, of no customer

    def customers(self, account_id: str) -> int:
        """Return how many customers the ERP holds for that account."""

    def orders(self, external_id: str) -> list[ErpOrderState]:
        """Return the state of each order that the ERP holds under that external id."""

    def block(self, customer: str) -> None:
        """Take the customer out of use, as a person in the ERP would."""

    async def book_late(self, external_id: str, draft: ErpOrderDraft) -> str:
        """Book an order without looking for it first, as a late request that looked before; its vendor id."""

    def losing(self, write: Write) -> AbstractContextManager[None]:
        """The vendor does what the call asks, and the answer to its last write is lost."""

    def losing_reads(self) -> AbstractContextManager[None]:
        """The answer to each read is lost."""

    def losing_what_is_read_back(self) -> AbstractContextManager[None]:
        """The answer to each read after the first write is lost."""


class ErpContract:
    """The tests of `system_api.erp.contract.Erp`. An adapter's test class adds the fixture `side`."""

    # -- customers: found before they are made --------------------------------------------------------------------

    async def test_a_customer_is_made_once_and_found_by_its_account(self, side: ErpSide) -> None:
        draft = new_customer()

        first = await side.erp.ensure_customer(draft)
        second = await side.erp.ensure_customer(draft)
        found = await side.erp.find_customer(draft.account_id)

        assert (first.created, second.created) == (True, False)
        assert found is not None
        assert first.vendor_id == second.vendor_id == found.vendor_id
        assert (found.account_id, found.name, found.blocked) == (draft.account_id, draft.name, False)
        assert side.customers(draft.account_id) == 1

    async def test_many_at_once_make_one_customer(self, side: ErpSide) -> None:
        draft = new_customer()

        made = await asyncio.gather(*(side.erp.ensure_customer(draft) for _ in range(4)), return_exceptions=True)

        assert all(isinstance(each, Customer | Unavailable) for each in made), made
        customers = [each for each in made if isinstance(each, Customer)]
        assert len({each.vendor_id for each in customers}) == 1
        assert sum(each.created for each in customers) == 1
        assert side.customers(draft.account_id) == 1

    async def test_a_lost_answer_to_a_new_customer_is_unknown_and_found_again(self, side: ErpSide) -> None:
        draft = new_customer()
        with side.losing("ensure_customer"), pytest.raises(OutcomeUnknown):
            await side.erp.ensure_customer(draft)

        assert not (await side.erp.ensure_customer(draft)).created
        assert side.customers(draft.account_id) == 1

    async def test_an_account_that_the_erp_does_not_know_is_absent(self, side: ErpSide) -> None:
        unknown = new_account()

        assert await side.erp.find_customer(unknown) is None
        assert await side.erp.check_credit(unknown, euros("1.00")) is None
        assert await side.erp.find_customer_entry(side.nobody) is None
        page = await side.erp.list_invoices(unknown, open_only=False, limit=10, cursor=None)
        assert (page.invoices, page.next_cursor) == ([], None)

    async def test_accounts_that_differ_only_in_capitals_are_two_customers(self, side: ErpSide) -> None:
        account = new_account()
        lower = await side.erp.ensure_customer(new_customer(account_id=account))

        upper = await side.erp.ensure_customer(new_customer(account_id=account.upper()))

        assert upper.vendor_id != lower.vendor_id

    async def test_a_blocked_customer_is_refused_and_still_known(self, side: ErpSide) -> None:
        draft = new_customer()
        customer = await side.erp.ensure_customer(draft)
        side.block(customer.vendor_id)

        with pytest.raises(Rejected) as raised:
            await side.erp.ensure_customer(draft)

        assert raised.value.reason_code == "customer_blocked"
        assert customer.code in raised.value.detail
        found = await side.erp.find_customer(draft.account_id)
        assert found is not None
        assert (found.vendor_id, found.blocked) == (customer.vendor_id, True)
        assert await side.erp.check_credit(draft.account_id, euros("1.00")) is not None, "blocked is not unknown"
        entry = await side.erp.find_customer_entry(customer.vendor_id)
        assert entry is not None
        assert not entry.active

    async def test_a_likely_duplicate_waits_for_a_decision(self, side: ErpSide) -> None:
        there = new_customer()
        customer = await side.erp.ensure_customer(there)
        draft = new_customer(vat_id=there.vat_id)

        with pytest.raises(NeedsDecision) as raised:
            await side.erp.ensure_customer(draft)

        assert raised.value.reason_code == "customer_ambiguous"
        assert customer.code in raised.value.detail
        assert [each.vendor_id for each in await side.erp.customer_candidates(draft)] == [customer.vendor_id]
        assert side.customers(draft.account_id) == 0

    async def test_a_decision_for_a_new_customer_makes_one_however_often(self, side: ErpSide) -> None:
        there = new_customer()
        other = await side.erp.ensure_customer(there)
        draft = new_customer(vat_id=there.vat_id, new_as="17")

        made = [await side.erp.ensure_customer(draft) for _ in range(2)]

        assert len({each.vendor_id for each in (other, *made)}) == 2
        assert [each.created for each in made] == [True, False]
        assert side.customers(draft.account_id) == 1

    async def test_a_known_customer_that_is_gone_waits_for_a_decision(self, side: ErpSide) -> None:
        draft = new_customer(known_vendor_id=side.nobody)

        with pytest.raises(NeedsDecision) as raised:
            await side.erp.ensure_customer(draft)

        assert raised.value.reason_code == "customer_gone"
        assert side.customers(draft.account_id) == 0

    async def test_name_and_address_follow_the_crm(self, side: ErpSide) -> None:
        draft = new_customer()
        customer = await side.erp.ensure_customer(draft)
        moved = Address(street="Praterstern 3", postal_code="4020", city="Linz", country="AT")

        kept = await side.erp.ensure_customer(msgspec.structs.replace(draft, name=f"{draft.name} & Co", address=moved))

        assert (kept.vendor_id, kept.name, kept.created) == (customer.vendor_id, f"{draft.name} & Co", False)
        entry = await side.erp.find_customer_entry(customer.vendor_id)
        assert entry is not None
        assert (entry.name, entry.city, entry.postal_code) == (f"{draft.name} & Co", "Linz", "4020")

    # -- orders: found before they are made, read back, compared --------------------------------------------------

    async def test_an_order_is_quoted_confirmed_and_cancelled_however_often(self, side: ErpSide) -> None:
        order, draft = order_id(), await hardware_of_a_new_customer(side)

        quoted = await side.erp.create_order(order, draft)
        again = await side.erp.create_order(order, draft)
        confirmed = await side.erp.confirm_order(order)
        confirmed_again = await side.erp.confirm_order(order)
        late_create = await side.erp.create_order(order, draft)
        found = await side.erp.find_order(order)
        cancelled = await side.erp.cancel_order(order)
        cancelled_again = await side.erp.cancel_order(order)

        assert quoted == again
        assert (quoted.state, quoted.line_count) == (ErpOrderState.quoted, 2)
        assert (quoted.untaxed, quoted.tax, quoted.total) == (euros("4621.00"), euros("877.99"), euros("5498.99"))
        assert quoted.number is not None
        assert confirmed == confirmed_again == late_create == found
        assert confirmed.state is ErpOrderState.confirmed
        assert (cancelled.state, cancelled.cancelled_vendor_ids) == (ErpOrderState.cancelled, [quoted.vendor_id])
        assert cancelled_again == msgspec.structs.replace(cancelled, cancelled_vendor_ids=[])
        assert side.orders(order) == [ErpOrderState.cancelled]

    async def test_many_at_once_leave_one_order(self, side: ErpSide) -> None:
        order, draft = order_id(), await hardware_of_a_new_customer(side)

        made = await asyncio.gather(*(side.erp.create_order(order, draft) for _ in range(4)), return_exceptions=True)
        confirmed = await asyncio.gather(*(side.erp.confirm_order(order) for _ in range(3)), return_exceptions=True)

        assert all(isinstance(each, ErpOrder | Unavailable) for each in (*made, *confirmed)), [*made, *confirmed]
        live = Counter(side.orders(order)) - Counter({ErpOrderState.cancelled: 4})
        assert live == {ErpOrderState.confirmed: 1}
        await side.erp.cancel_order(order)
        assert set(side.orders(order)) == {ErpOrderState.cancelled}

    async def test_what_was_never_ordered_is_absent(self, side: ErpSide) -> None:
        never = order_id()

        assert (await side.erp.find_order(never)).state is ErpOrderState.absent
        cancelled = await side.erp.cancel_order(never)
        assert (cancelled.state, cancelled.cancelled_vendor_ids) == (ErpOrderState.absent, [])
        with pytest.raises(Rejected) as raised:
            await side.erp.confirm_order(never)
        assert raised.value.reason_code == "order_absent"

    async def test_an_order_whose_answer_was_lost_is_found_and_booked_no_second_time(self, side: ErpSide) -> None:
        order, draft = order_id(), await hardware_of_a_new_customer(side)
        with side.losing("create_order"), pytest.raises(OutcomeUnknown):
            await side.erp.create_order(order, draft)
        assert (await side.erp.find_order(order)).state in {ErpOrderState.draft, ErpOrderState.quoted}

        assert (await side.erp.create_order(order, draft)).state is ErpOrderState.quoted
        assert side.orders(order) == [ErpOrderState.quoted]

    async def test_a_confirmation_whose_answer_was_lost_is_not_confirmed_twice(self, side: ErpSide) -> None:
        order, draft = order_id(), await hardware_of_a_new_customer(side)
        await side.erp.create_order(order, draft)
        with side.losing("confirm_order"), pytest.raises(OutcomeUnknown):
            await side.erp.confirm_order(order)

        assert (await side.erp.confirm_order(order)).state is ErpOrderState.confirmed
        assert side.orders(order) == [ErpOrderState.confirmed]

    async def test_a_cancellation_whose_answer_was_lost_is_finished_by_the_next(self, side: ErpSide) -> None:
        order, draft = order_id(), await hardware_of_a_new_customer(side)
        await side.erp.create_order(order, draft)
        await side.erp.confirm_order(order)
        with side.losing("cancel_order"), pytest.raises(OutcomeUnknown):
            await side.erp.cancel_order(order)

        assert (await side.erp.cancel_order(order)).state is ErpOrderState.cancelled
        assert side.orders(order) == [ErpOrderState.cancelled]

    async def test_an_order_that_cannot_be_read_back_is_an_unknown_outcome(self, side: ErpSide) -> None:
        order, draft = order_id(), await hardware_of_a_new_customer(side)

        with side.losing_what_is_read_back(), pytest.raises(OutcomeUnknown):
            await side.erp.create_order(order, draft)

        assert (await side.erp.create_order(order, draft)).state is ErpOrderState.quoted
        assert len(side.orders(order)) == 1

    async def test_an_order_that_comes_to_something_else_is_refused_and_can_be_cancelled(self, side: ErpSide) -> None:
        ordered = await hardware_of_a_new_customer(side)
        other_sums = [
            {"expected_total": euros("5499.00")},
            {"expected_tax": euros("870.00"), "expected_total": euros("5491.00")},
        ]
        for other in other_sums:
            order = order_id()

            with pytest.raises(Rejected) as raised:
                await side.erp.create_order(order, msgspec.structs.replace(ordered, **other))

            assert raised.value.reason_code == "read_back_mismatch"
            assert (await side.erp.cancel_order(order)).state is ErpOrderState.cancelled

    async def test_another_order_under_the_same_external_id_is_a_mismatch(self, side: ErpSide) -> None:
        order, draft = order_id(), await hardware_of_a_new_customer(side)
        await side.erp.create_order(order, draft)
        gateways, sensors = draft.lines
        another = await hardware_of_a_new_customer(side)
        others: dict[str, dict[str, Any]] = {
            "a line less": {
                "lines": [gateways],
                "expected_tax": euros("537.89"),
                "expected_total": euros("3368.89"),
            },
            "another customer": {"customer_vendor_id": another.customer_vendor_id, "account_id": another.account_id},
            "another product": {"lines": [gateways, msgspec.structs.replace(sensors, sku="GATEWAY-EDGE")]},
            "another quantity": {"lines": [gateways, line("SENSOR-TEMP", "10", "179.00")]},
        }
        for what, changes in others.items():
            with pytest.raises(Rejected) as raised:
                await side.erp.create_order(order, msgspec.structs.replace(draft, **changes))

            assert raised.value.reason_code == "read_back_mismatch", what
        assert side.orders(order) == [ErpOrderState.quoted]

    async def test_what_the_erp_cannot_book_is_refused_and_leaves_nothing(self, side: ErpSide) -> None:
        draft = await hardware_of_a_new_customer(side)
        unbookable: dict[str, dict[str, Any]] = {
            "product_not_sold": {"lines": [line("MON-LEGACY", "1", "1.00")]},
            "unknown_customer": {"customer_vendor_id": side.nobody},
            "wrong_currency": {"currency": "USD"},
        }
        for reason, changes in unbookable.items():
            order = order_id()

            with pytest.raises(Rejected) as raised:
                await side.erp.create_order(order, msgspec.structs.replace(draft, **changes))

            assert raised.value.reason_code == reason
            assert side.orders(order) == []

    # -- duplicates and cancelling --------------------------------------------------------------------------------

    async def test_what_a_late_request_booked_is_cancelled_and_the_one_to_keep_stays(self, side: ErpSide) -> None:
        order, draft = order_id(), await hardware_of_a_new_customer(side)
        await side.erp.create_order(order, draft)
        booked = await side.erp.confirm_order(order)
        late = await side.book_late(order, draft)

        left = await side.erp.cancel_order(order, keep=booked.vendor_id)
        left_again = await side.erp.cancel_order(order, keep=booked.vendor_id)

        assert (left.vendor_id, left.state) == (booked.vendor_id, ErpOrderState.confirmed)
        assert (left.cancelled_vendor_ids, left_again.cancelled_vendor_ids) == ([late], [])
        assert Counter(side.orders(order)) == {ErpOrderState.cancelled: 1, ErpOrderState.confirmed: 1}

    async def test_cancelling_takes_back_what_a_late_request_booked_too(self, side: ErpSide) -> None:
        order, draft = order_id(), await hardware_of_a_new_customer(side)
        booked = await side.erp.create_order(order, draft)
        late = await side.book_late(order, draft)

        cancelled = await side.erp.cancel_order(order)

        assert sorted(cancelled.cancelled_vendor_ids) == sorted([booked.vendor_id or "", late])
        assert side.orders(order) == [ErpOrderState.cancelled] * 2

    async def test_a_cancelled_external_id_is_used_up(self, side: ErpSide) -> None:
        order, draft = order_id(), await hardware_of_a_new_customer(side)
        await side.erp.create_order(order, draft)
        await side.erp.cancel_order(order)

        with pytest.raises(Rejected) as created:
            await side.erp.create_order(order, draft)
        with pytest.raises(Rejected) as confirmed:
            await side.erp.confirm_order(order)

        assert created.value.reason_code == confirmed.value.reason_code == "already_cancelled"
        assert side.orders(order) == [ErpOrderState.cancelled]

    # -- error families -------------------------------------------------------------------------------------------

    async def test_an_erp_that_is_away_is_unavailable_to_every_call(self, side: ErpSide) -> None:
        erp, account = side.away, new_account()
        calls = {
            "find_customer": erp.find_customer(account),
            "ensure_customer": erp.ensure_customer(new_customer()),
            "customer_candidates": erp.customer_candidates(new_customer()),
            "check_order": erp.check_order(OrderCheck(customer=new_customer())),
            "find_customer_entry": erp.find_customer_entry(side.nobody),
            "check_credit": erp.check_credit(account, euros("1.00")),
            "list_prices": erp.list_prices(["GATEWAY-EDGE"], "EUR"),
            "create_order": erp.create_order(order_id(), hardware(side.nobody)),
            "find_order": erp.find_order(order_id()),
            "confirm_order": erp.confirm_order(order_id()),
            "cancel_order": erp.cancel_order(order_id()),
            "list_invoices": erp.list_invoices(account, open_only=False, limit=10, cursor=None),
        }

        answers = await asyncio.gather(*calls.values(), return_exceptions=True)

        assert {name: type(each) for name, each in zip(calls, answers, strict=True)} == dict.fromkeys(
            calls, Unavailable
        )

    async def test_a_lost_answer_to_a_read_is_unavailable_and_never_absent(self, side: ErpSide) -> None:
        draft, order = new_customer(), order_id()
        customer = await side.erp.ensure_customer(draft)
        await side.erp.create_order(order, hardware(customer.vendor_id))

        with side.losing_reads(), pytest.raises(Unavailable):
            await side.erp.find_order(order)
        with side.losing_reads(), pytest.raises(Unavailable):
            await side.erp.find_customer(draft.account_id)

    async def test_refused_credentials_are_the_set_ups_and_say_what_to_do(self, side: ErpSide) -> None:
        assert await side.erp.ready() is None
        with pytest.raises(Unavailable) as ready:
            await side.stranger.ready()
        with pytest.raises(Unavailable) as found:
            await side.stranger.find_order(order_id())

        assert ready.value.reason_code == found.value.reason_code == "credentials_refused"
        assert ready.value.what_to_do

    async def test_a_cursor_that_no_page_gave_is_refused(self, side: ErpSide) -> None:
        customer = await side.erp.ensure_customer(new_customer())

        with pytest.raises(InvalidRequest, match="cursor"):
            await side.erp.list_invoices(customer.account_id, open_only=False, limit=10, cursor="../x")


async def hardware_of_a_new_customer(side: ErpSide) -> ErpOrderDraft:
    """Return an order of a German customer that no other test knows, whose taxes are the order's own."""
    at_home = Address(street="Werkstrasse 5", postal_code="70435", city="Stuttgart", country="DE")
    customer = await side.erp.ensure_customer(new_customer(address=at_home, vat_id=None))
    return hardware(customer.vendor_id)
