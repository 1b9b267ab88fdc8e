"""Each test of billing's contract suite can fail: a broken adapter fails it."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from shared.canonical import CustomerDraft, Money, Subscription, SubscriptionDraft, SubscriptionStatus, WebhookNotice
from shared.problem import InvalidRequest, OutcomeUnknown, Rejected, Unavailable
from tests.system_api.billing.contract import BillingContract
from tests.system_api.billing.stripe.side import StripeSide, stripe_side
from tests.system_api.conftest import Simulator
from tests.system_api.planted import BROKEN_PROMISE, Planted, ids, promises


@pytest_asyncio.fixture
async def side(stripe_account: Simulator, dead_url: str) -> AsyncIterator[StripeSide]:
    async with stripe_side(stripe_account, dead_url) as side:
        yield side


class MakesACustomerEachTime(Planted):
    calls = 0

    async def ensure_customer(self, draft: CustomerDraft) -> Any:
        self.calls += 1
        return await self.kept.ensure_customer(msgspec.structs.replace(draft, new_as=str(self.calls)))


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

    async def create_subscription(self, external_id: str, draft: SubscriptionDraft) -> Any:
        return await self._sorted_wrongly(self.kept.create_subscription(external_id, draft))

    async def cancel_subscription(self, external_id: str, *, keep: str | None = None) -> Any:
        return await self._sorted_wrongly(self.kept.cancel_subscription(external_id, keep=keep))


class TakesAnUnknownAccountForARefusal(Planted):
    async def list_subscriptions(self, account_id: str) -> Any:
        if await self.kept.find_customer(account_id, "EUR") is None:
            raise Rejected("No such customer.", reason_code="unknown_customer")
        return await self.kept.list_subscriptions(account_id)


class IgnoresCapitals(Planted):
    async def ensure_customer(self, draft: CustomerDraft) -> Any:
        return await self.kept.ensure_customer(msgspec.structs.replace(draft, account_id=draft.account_id.upper()))


class StartsWithoutFinding(Planted):
    async def create_subscription(self, external_id: str, draft: SubscriptionDraft) -> Any:
        await self.side.start_late(external_id, draft)
        return await self.kept.find_subscription(external_id)


class ChargesTheListPrice(Planted):
    async def find_subscription(self, external_id: str) -> Any:
        found = await self.kept.find_subscription(external_id)
        return msgspec.structs.replace(found, period_amount=Money(amount="110.00", currency="EUR"))


class NeedsSomethingToCancel(Planted):
    async def cancel_subscription(self, external_id: str, *, keep: str | None = None) -> Any:
        if (await self.kept.find_subscription(external_id)).status is SubscriptionStatus.absent:
            raise Rejected("There is no such subscription.", reason_code="resource_missing")
        return await self.kept.cancel_subscription(external_id, keep=keep)


class DoesNotReadBack(Planted):
    """It returns what was ordered instead of what billing has."""

    async def create_subscription(self, external_id: str, draft: SubscriptionDraft) -> Any:
        try:
            return await self.kept.create_subscription(external_id, draft)
        except (Rejected, OutcomeUnknown) as error:
            if isinstance(error, Rejected) and error.reason_code != "read_back_mismatch":
                raise
            return Subscription(external_id=external_id, status=SubscriptionStatus.active, order_id=draft.order_id)


class StartsWhatItCanOfAnOrder(Planted):
    async def create_subscription(self, external_id: str, draft: SubscriptionDraft) -> Any:
        try:
            return await self.kept.create_subscription(external_id, draft)
        except Rejected:
            sold = [msgspec.structs.replace(each, sku="MON-STD") for each in draft.items]
            await self.kept.create_subscription(external_id, msgspec.structs.replace(draft, items=sold))
            raise


class SaysThatItCancelledAgain(Planted):
    async def cancel_subscription(self, external_id: str, *, keep: str | None = None) -> Any:
        answer = await self.kept.cancel_subscription(external_id, keep=keep)
        return msgspec.structs.replace(answer, cancelled_vendor_ids=[answer.vendor_id])


class LeavesItRunning(Planted):
    async def cancel_subscription(self, external_id: str, *, keep: str | None = None) -> Any:
        found = await self.kept.find_subscription(external_id)
        lost = OutcomeUnknown("The answer is lost.", reason_code="outcome_unknown")
        if found.status is SubscriptionStatus.active and keep is None and not hasattr(self, "asked"):
            self.asked = True
            raise lost
        return msgspec.structs.replace(found, status=SubscriptionStatus.cancelled)


class CancelsTheOneToKeep(Planted):
    async def cancel_subscription(self, external_id: str, *, keep: str | None = None) -> Any:
        del keep
        return await self.kept.cancel_subscription(external_id)


class CancelsOneOnly(Planted):
    async def cancel_subscription(self, external_id: str, *, keep: str | None = None) -> Any:
        first = await self.kept.find_subscription(external_id)
        return await self.kept.cancel_subscription(external_id, keep=keep or first.vendor_id)


class UsesACancelledIdAgain(Planted):
    async def create_subscription(self, external_id: str, draft: SubscriptionDraft) -> Any:
        try:
            return await self.kept.create_subscription(external_id, draft)
        except Rejected:
            await self.side.start_late(external_id, draft)
            return await self.kept.find_subscription(external_id)


class SwallowsAnOutage(Planted):
    async def find_subscription(self, external_id: str) -> Any:
        try:
            return await self.kept.find_subscription(external_id)
        except Unavailable:
            return Subscription(external_id=external_id, status=SubscriptionStatus.absent)


class TakesRefusedCredentialsForTheOrders(Planted):
    async def find_subscription(self, external_id: str) -> Any:
        try:
            return await self.kept.find_subscription(external_id)
        except Unavailable as error:
            raise Rejected(error.detail, reason_code=error.reason_code) from error


class BeginsAnewAtAStrangeCursor(Planted):
    async def list_invoices(self, account_id: str, *, open_only: bool, limit: int, cursor: str | None) -> Any:
        try:
            return await self.kept.list_invoices(account_id, open_only=open_only, limit=limit, cursor=cursor)
        except InvalidRequest:
            return await self.kept.list_invoices(account_id, open_only=open_only, limit=limit, cursor=None)


class BelievesEveryWebhook(Planted):
    async def read_webhook(self, payload: bytes, signature: str) -> Any:
        del payload, signature
        return WebhookNotice(event_id="evt_1", type="subscription.changed")


PLANTS: list[tuple[type[Planted], str]] = [
    (MakesACustomerEachTime, "test_a_customer_is_made_once_and_found_by_its_account"),
    (SaysThatItMadeWhatItFound, "test_a_customer_is_made_once_and_found_by_its_account"),
    (MakesACustomerEachTime, "test_many_at_once_make_one_customer"),
    (TakesALostAnswerForARefusal, "test_a_lost_answer_to_a_new_customer_is_unknown_and_found_again"),
    (TakesAnUnknownAccountForARefusal, "test_an_account_that_billing_does_not_know_is_absent"),
    (IgnoresCapitals, "test_accounts_that_differ_only_in_capitals_are_two"),
    (StartsWithoutFinding, "test_a_subscription_is_started_once_and_charged_as_ordered"),
    (ChargesTheListPrice, "test_a_subscription_is_started_once_and_charged_as_ordered"),
    (NeedsSomethingToCancel, "test_what_was_never_started_is_absent"),
    (StartsWithoutFinding, "test_many_at_once_start_one_subscription"),
    (TakesALostAnswerForARefusal, "test_a_start_whose_answer_was_lost_is_found_and_made_no_second_time"),
    (StartsWithoutFinding, "test_a_start_whose_answer_was_lost_is_found_and_made_no_second_time"),
    (DoesNotReadBack, "test_a_start_that_cannot_be_read_back_is_an_unknown_outcome"),
    (DoesNotReadBack, "test_another_order_under_the_same_external_id_is_a_mismatch"),
    (StartsWhatItCanOfAnOrder, "test_what_cannot_be_charged_is_refused_before_anything_is_made"),
    (SaysThatItCancelledAgain, "test_cancelling_takes_the_start_back_however_often"),
    (LeavesItRunning, "test_a_cancellation_whose_answer_was_lost_is_finished_by_the_next"),
    (TakesALostAnswerForARefusal, "test_a_cancellation_whose_answer_was_lost_is_finished_by_the_next"),
    (CancelsTheOneToKeep, "test_what_a_late_request_started_is_cancelled_and_the_one_to_keep_stays"),
    (CancelsOneOnly, "test_cancelling_takes_back_what_a_late_request_started_too"),
    (CancelsTheOneToKeep, "test_where_the_one_to_keep_is_not_there_nothing_is_cancelled"),
    (UsesACancelledIdAgain, "test_a_cancelled_external_id_is_used_up"),
    (SwallowsAnOutage, "test_billing_that_is_away_is_unavailable_to_every_call"),
    (SwallowsAnOutage, "test_a_lost_answer_to_a_read_is_unavailable_and_never_absent"),
    (TakesRefusedCredentialsForTheOrders, "test_refused_credentials_are_the_set_ups_and_say_what_to_do"),
    (BeginsAnewAtAStrangeCursor, "test_a_cursor_that_no_page_gave_is_refused"),
    (BelievesEveryWebhook, "test_a_webhook_that_billing_did_not_sign_is_refused"),
]


@pytest.mark.parametrize(("broken", "promise"), PLANTS, ids=ids(PLANTS))
async def test_broken_adapter_fails_its_contract_test(side: StripeSide, broken: type[Planted], promise: str) -> None:
    adapters: Any = {each: broken(getattr(side, each), side) for each in ("billing", "away", "stranger")}
    planted: Any = dataclasses.replace(side, **adapters)

    with pytest.raises(BROKEN_PROMISE):
        await getattr(BillingContract(), promise)(planted)


def test_every_contract_test_has_a_broken_adapter() -> None:
    assert {name for _, name in PLANTS} == promises(BillingContract)
