"""Each test of the ERP's contract suite can fail: a broken adapter fails it, and no other test."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from shared.canonical import Customer, CustomerDraft, ErpOrder, ErpOrderDraft, ErpOrderState, InvoicePage, Money
from shared.problem import InvalidRequest, NeedsDecision, OutcomeUnknown, Rejected, Unavailable
from tests.system_api.erp.conftest import Books
from tests.system_api.erp.contract import ErpContract
from tests.system_api.erp.tryton.side import TrytonSide, tryton_side
from tests.system_api.planted import BROKEN_PROMISE, Planted, ids, promises


@pytest_asyncio.fixture
async def side(books: Books, dead_url: str) -> AsyncIterator[TrytonSide]:
    async with tryton_side(books, dead_url) as side:
        yield side


class MakesACustomerEachTime(Planted):
    async def ensure_customer(self, draft: CustomerDraft) -> Customer:
        again = await self.kept.find_customer(draft.account_id) is not None
        new_as = {"new_as": "again"} if again else {}
        made: Customer = await self.kept.ensure_customer(msgspec.structs.replace(draft, **new_as))
        return msgspec.structs.replace(made, created=True)


class SaysThatItMadeWhatItFound(Planted):
    async def ensure_customer(self, draft: CustomerDraft) -> Any:
        return msgspec.structs.replace(await self.kept.ensure_customer(draft), created=True)


class TakesALostAnswerForARefusal(Planted):
    async def _sorted_wrongly(self, call: Any) -> Any:
        try:
            return await call
        except OutcomeUnknown as error:
            raise Unavailable(error.detail, reason_code="timeout") from error

    async def ensure_customer(self, draft: CustomerDraft) -> Any:
        return await self._sorted_wrongly(self.kept.ensure_customer(draft))

    async def create_order(self, external_id: str, draft: ErpOrderDraft) -> Any:
        return await self._sorted_wrongly(self.kept.create_order(external_id, draft))

    async def confirm_order(self, external_id: str) -> Any:
        return await self._sorted_wrongly(self.kept.confirm_order(external_id))

    async def cancel_order(self, external_id: str, *, keep: str | None = None) -> Any:
        return await self._sorted_wrongly(self.kept.cancel_order(external_id, keep=keep))


class TakesAnUnknownAccountForARefusal(Planted):
    async def check_credit(self, account_id: str, amount: Money) -> Any:
        credit = await self.kept.check_credit(account_id, amount)
        if credit is None:
            raise Rejected("No such customer.", reason_code="unknown_customer")
        return credit


class IgnoresCapitals(Planted):
    async def ensure_customer(self, draft: CustomerDraft) -> Any:
        lower = msgspec.structs.replace(draft, account_id=draft.account_id.lower())
        return await self.kept.ensure_customer(lower)


class ForgetsTheBlocked(Planted):
    async def find_customer(self, account_id: str) -> Customer | None:
        found: Customer | None = await self.kept.find_customer(account_id)
        return None if found is None or found.blocked else found


class MakesTheLikelyDuplicate(Planted):
    async def ensure_customer(self, draft: CustomerDraft) -> Any:
        return await self.kept.ensure_customer(msgspec.structs.replace(draft, new_as=draft.new_as or "any"))


class MakesOneForEachCallOfADecision(Planted):
    calls = 0

    async def ensure_customer(self, draft: CustomerDraft) -> Any:
        self.calls += 1
        if draft.new_as is None:
            return await self.kept.ensure_customer(draft)
        other = msgspec.structs.replace(draft, account_id=f"{draft.account_id[:14]}{self.calls}")
        return await self.kept.ensure_customer(other)


class ReplacesAKnownCustomerThatIsGone(Planted):
    async def ensure_customer(self, draft: CustomerDraft) -> Any:
        try:
            return await self.kept.ensure_customer(draft)
        except NeedsDecision:
            return await self.kept.ensure_customer(msgspec.structs.replace(draft, known_vendor_id=None))


class KeepsTheFirstAddress(Planted):
    async def ensure_customer(self, draft: CustomerDraft) -> Customer:
        found: Customer | None = await self.kept.find_customer(draft.account_id)
        if found is not None:
            return msgspec.structs.replace(found, name=draft.name)
        made: Customer = await self.kept.ensure_customer(draft)
        return made


class CreatesWithoutFinding(Planted):
    async def create_order(self, external_id: str, draft: ErpOrderDraft) -> Any:
        try:
            return await self.kept.create_order(external_id, draft)
        finally:
            await self.side.book_late(external_id, draft)


class CreatesAgainWhatWasLost(Planted):
    lost = False

    async def create_order(self, external_id: str, draft: ErpOrderDraft) -> Any:
        if self.lost:
            await self.side.book_late(external_id, draft)
        try:
            return await self.kept.create_order(external_id, draft)
        except OutcomeUnknown:
            self.lost = True
            raise


class RefusesToConfirmTwice(Planted):
    async def confirm_order(self, external_id: str) -> Any:
        if (await self.kept.find_order(external_id)).state is ErpOrderState.confirmed:
            raise Rejected("The order is confirmed already.", reason_code="refused_by_erp")
        return await self.kept.confirm_order(external_id)


class ConfirmsNothing(Planted):
    async def confirm_order(self, external_id: str) -> ErpOrder:
        found: ErpOrder = await self.kept.find_order(external_id)
        return msgspec.structs.replace(found, state=ErpOrderState.confirmed)


class NeedsSomethingToCancel(Planted):
    async def cancel_order(self, external_id: str, *, keep: str | None = None) -> Any:
        if (await self.kept.find_order(external_id)).state is ErpOrderState.absent:
            raise Rejected("There is no such order.", reason_code="order_absent")
        return await self.kept.cancel_order(external_id, keep=keep)


class LeavesACancellationUnfinished(Planted):
    broken_off = False

    async def cancel_order(self, external_id: str, *, keep: str | None = None) -> Any:
        if self.broken_off:
            raise Rejected("The order cannot be cancelled now.", reason_code="refused_by_erp")
        self.broken_off = True
        return await self.kept.cancel_order(external_id, keep=keep)


class DoesNotReadBack(Planted):
    """It returns what was ordered instead of what the ERP has."""

    async def create_order(self, external_id: str, draft: ErpOrderDraft) -> ErpOrder:
        echo = ErpOrder(
            external_id=external_id,
            state=ErpOrderState.quoted,
            tax=draft.expected_tax,
            total=draft.expected_total,
            line_count=len(draft.lines),
        )
        try:
            made: ErpOrder = await self.kept.create_order(external_id, draft)
        except (Rejected, OutcomeUnknown) as error:
            if isinstance(error, Rejected) and error.reason_code != "read_back_mismatch":
                raise
            return echo
        return made


class BooksForAnybody(Planted):
    async def create_order(self, external_id: str, draft: ErpOrderDraft) -> Any:
        try:
            return await self.kept.create_order(external_id, draft)
        except Rejected as error:
            if error.reason_code == "wrong_currency":
                await self.kept.create_order(external_id, msgspec.structs.replace(draft, currency="EUR"))
            raise


class CancelsTheOneToKeep(Planted):
    async def cancel_order(self, external_id: str, *, keep: str | None = None) -> Any:
        del keep
        return await self.kept.cancel_order(external_id)


class CancelsOneOnly(Planted):
    async def cancel_order(self, external_id: str, *, keep: str | None = None) -> Any:
        first = await self.kept.find_order(external_id)
        return await self.kept.cancel_order(external_id, keep=keep or first.vendor_id)


class UsesACancelledIdAgain(Planted):
    async def create_order(self, external_id: str, draft: ErpOrderDraft) -> ErpOrder:
        try:
            made: ErpOrder = await self.kept.create_order(external_id, draft)
        except Rejected:
            await self.side.book_late(external_id, draft)
            made = await self.kept.find_order(external_id)
        return made


class SwallowsAnOutage(Planted):
    async def find_order(self, external_id: str) -> ErpOrder:
        try:
            found: ErpOrder = await self.kept.find_order(external_id)
        except Unavailable:
            return ErpOrder(external_id=external_id, state=ErpOrderState.absent)
        return found


class TakesRefusedCredentialsForTheOrders(Planted):
    async def find_order(self, external_id: str) -> Any:
        try:
            return await self.kept.find_order(external_id)
        except Unavailable as error:
            raise Rejected(error.detail, reason_code=error.reason_code) from error


class BeginsAnewAtAStrangeCursor(Planted):
    async def list_invoices(self, account_id: str, *, open_only: bool, limit: int, cursor: str | None) -> Any:
        try:
            page: InvoicePage = await self.kept.list_invoices(
                account_id, open_only=open_only, limit=limit, cursor=cursor
            )
        except InvalidRequest:
            return await self.list_invoices(account_id, open_only=open_only, limit=limit, cursor=None)
        return page


PLANTS: list[tuple[type[Planted], str]] = [
    (MakesACustomerEachTime, "test_a_customer_is_made_once_and_found_by_its_account"),
    (SaysThatItMadeWhatItFound, "test_a_customer_is_made_once_and_found_by_its_account"),
    (SaysThatItMadeWhatItFound, "test_many_at_once_make_one_customer"),
    (TakesALostAnswerForARefusal, "test_a_lost_answer_to_a_new_customer_is_unknown_and_found_again"),
    (TakesAnUnknownAccountForARefusal, "test_an_account_that_the_erp_does_not_know_is_absent"),
    (IgnoresCapitals, "test_accounts_that_differ_only_in_capitals_are_two_customers"),
    (ForgetsTheBlocked, "test_a_blocked_customer_is_refused_and_still_known"),
    (MakesTheLikelyDuplicate, "test_a_likely_duplicate_waits_for_a_decision"),
    (MakesOneForEachCallOfADecision, "test_a_decision_for_a_new_customer_makes_one_however_often"),
    (ReplacesAKnownCustomerThatIsGone, "test_a_known_customer_that_is_gone_waits_for_a_decision"),
    (KeepsTheFirstAddress, "test_name_and_address_follow_the_crm"),
    (RefusesToConfirmTwice, "test_an_order_is_quoted_confirmed_and_cancelled_however_often"),
    (CreatesWithoutFinding, "test_an_order_is_quoted_confirmed_and_cancelled_however_often"),
    (ConfirmsNothing, "test_many_at_once_leave_one_order"),
    (NeedsSomethingToCancel, "test_what_was_never_ordered_is_absent"),
    (CreatesAgainWhatWasLost, "test_an_order_whose_answer_was_lost_is_found_and_booked_no_second_time"),
    (TakesALostAnswerForARefusal, "test_an_order_whose_answer_was_lost_is_found_and_booked_no_second_time"),
    (TakesALostAnswerForARefusal, "test_a_confirmation_whose_answer_was_lost_is_not_confirmed_twice"),
    (RefusesToConfirmTwice, "test_a_confirmation_whose_answer_was_lost_is_not_confirmed_twice"),
    (TakesALostAnswerForARefusal, "test_a_cancellation_whose_answer_was_lost_is_finished_by_the_next"),
    (LeavesACancellationUnfinished, "test_a_cancellation_whose_answer_was_lost_is_finished_by_the_next"),
    (DoesNotReadBack, "test_an_order_that_cannot_be_read_back_is_an_unknown_outcome"),
    (DoesNotReadBack, "test_an_order_that_comes_to_something_else_is_refused_and_can_be_cancelled"),
    (DoesNotReadBack, "test_another_order_under_the_same_external_id_is_a_mismatch"),
    (BooksForAnybody, "test_what_the_erp_cannot_book_is_refused_and_leaves_nothing"),
    (CancelsTheOneToKeep, "test_what_a_late_request_booked_is_cancelled_and_the_one_to_keep_stays"),
    (CancelsOneOnly, "test_cancelling_takes_back_what_a_late_request_booked_too"),
    (UsesACancelledIdAgain, "test_a_cancelled_external_id_is_used_up"),
    (SwallowsAnOutage, "test_an_erp_that_is_away_is_unavailable_to_every_call"),
    (SwallowsAnOutage, "test_a_lost_answer_to_a_read_is_unavailable_and_never_absent"),
    (TakesRefusedCredentialsForTheOrders, "test_refused_credentials_are_the_set_ups_and_say_what_to_do"),
    (BeginsAnewAtAStrangeCursor, "test_a_cursor_that_no_page_gave_is_refused"),
]


@pytest.mark.parametrize("books", ["stand-in"], indirect=True)
@pytest.mark.parametrize(("broken", "promise"), PLANTS, ids=ids(PLANTS))
async def test_broken_adapter_fails_its_contract_test(side: TrytonSide, broken: type[Planted], promise: str) -> None:
    adapters: Any = {each: broken(getattr(side, each), side) for each in ("erp", "away", "stranger")}
    planted: Any = dataclasses.replace(side, **adapters)

    with pytest.raises(BROKEN_PROMISE):
        await getattr(ErpContract(), promise)(planted)


def test_every_contract_test_has_a_broken_adapter() -> None:
    assert {name for _, name in PLANTS} == promises(ErpContract)
