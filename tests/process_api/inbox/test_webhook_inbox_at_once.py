"""The webhook inbox at work on several subjects: none holds up another, each keeps its order, pauses grow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import false

from process_api.database.store import IDLE_TRANSACTION_S
from process_api.engine.steps import Patience
from process_api.inbox import webhook_inbox
from process_api.inbox.webhook_inbox import InboxWorker, receive
from shared.canonical import SubscriptionStatus, WebhookNotice
from tests.patience import HANG_S, until
from tests.process_api.inbox.billing_webhooks import Billing, Webhook, prefix
from tests.process_api.system_stand_in import Fault

pytestmark = pytest.mark.servers
AWAY: Fault = "unavailable"
REFUSED: Fault = "rejected"
ACTIVE, PAST_DUE = SubscriptionStatus.active, SubscriptionStatus.past_due


async def hanging_and_healthy(billing: Billing, at_once: int, within_s: float = HANG_S) -> None:
    """One subject whose billing does not answer, delivered first, and another one."""
    hanging, healthy = f"{prefix()}-month", f"{prefix()}-month"
    await billing.deliver(billing.move(hanging, ACTIVE))
    await billing.deliver(billing.move(healthy, ACTIVE))
    answering = billing.process.switch.hold(hanging)
    try:
        async with billing.working(at_once):
            await billing.becomes(healthy, "active", within_s)
            assert await billing.mirrored(hanging) == {}
            answering.set()
            await billing.becomes(hanging, "active")
    finally:
        answering.set()


async def test_a_subject_whose_billing_does_not_answer_holds_up_no_other(billing: Billing) -> None:
    await hanging_and_healthy(billing, at_once=4)


async def test_one_at_a_time_the_other_subject_would_wait(billing: Billing) -> None:
    """Mutation: the bound is one."""
    with pytest.raises(TimeoutError):
        await hanging_and_healthy(billing, at_once=1, within_s=2)


async def two_legal_entities(billing: Billing, within_s: float = HANG_S) -> None:
    """As many subjects of one billing that does not answer as there are places, and then one of another billing."""
    mark, other = prefix(), f"{prefix()}-month"
    for number in range(4):
        await billing.deliver(billing.move(f"{mark}-{number}", ACTIVE))
    billing.move(other, ACTIVE)
    notice = WebhookNotice(
        event_id=f"evt_{other}", type="customer.subscription.updated", subscription_external_id=other
    )
    store = billing.process.worker.store
    await receive(store, tenant="nordwind", source="stripe", legal_entity="NW-US", notice=notice)
    answering = billing.process.switch.hold("/billing/NW-DE/subscriptions")
    try:
        async with billing.working(at_once=4):
            await billing.becomes(other, "active", within_s)
            assert await billing.mirrored(mark) == {}
            answering.set()
            for number in range(4):
                await billing.becomes(f"{mark}-{number}", "active")
    finally:
        answering.set()


async def test_a_billing_that_does_not_answer_leaves_places_to_the_other_legal_entities(billing: Billing) -> None:
    await two_legal_entities(billing)


async def test_without_a_share_one_billing_would_take_all_places(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutation: no billing ever has too many."""
    monkeypatch.setattr(InboxWorker, "_busy", lambda _self: [])
    with pytest.raises(TimeoutError):
        await two_legal_entities(billing, within_s=2)


async def test_one_read_serves_all_that_wait_for_the_subject(billing: Billing) -> None:
    subject = f"{prefix()}-month"
    for status in (ACTIVE, PAST_DUE, ACTIVE, PAST_DUE):
        await billing.deliver(billing.move(subject, status))

    assert await billing.worker().apply_next()

    assert billing.asked() == 1
    assert await billing.events_of(subject) == [(1, "past_due")]
    unfinished = "SELECT 1 FROM quoteway.webhook_inbox WHERE status <> 'done' OR finished_at IS NULL"
    assert await billing.query(unfinished) == []


async def comes_during_the_read(billing: Billing) -> None:
    """A second webhook comes while billing's answer for the first, already given, is on its way."""
    subject = f"{prefix()}-month"
    await billing.deliver(billing.move(subject, ACTIVE))
    find = billing.process.worker.system.find_subscription
    system = type(billing.process.worker.system)

    async def find_and_be_late(_self: Any, *arguments: Any) -> Any:
        found = await find(*arguments)
        if found.status == ACTIVE:
            await billing.deliver(billing.move(subject, PAST_DUE))
        return found

    with pytest.MonkeyPatch.context() as late:
        late.setattr(system, "find_subscription", find_and_be_late)
        await billing.apply_all()

    assert await billing.mirrored(subject) == billing.held(subject)
    assert await billing.events_of(subject) == [(1, "active"), (2, "past_due")]


async def test_what_comes_during_a_read_is_read_for_anew(billing: Billing) -> None:
    await comes_during_the_read(billing)


async def test_taken_as_served_the_later_state_would_be_lost(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation: what is there when the read ends counts as served by it."""
    end = webhook_inbox._end

    async def end_all(connection: Any, row: Any, status: Any, _behind: Any = ()) -> None:
        await end(connection, row, status, await webhook_inbox.waiting_behind(connection, row))

    monkeypatch.setattr(webhook_inbox, "_end", end_all)
    with pytest.raises(AssertionError):
        await comes_during_the_read(billing)


async def test_a_read_serves_nothing_that_waits_behind_a_dead_one(billing: Billing) -> None:
    subject = f"{prefix()}-month"
    webhooks = [Webhook(subject) for _ in range(3)]
    billing.move(subject, ACTIVE)
    for webhook in webhooks:
        await billing.deliver(webhook)
    dead = f"UPDATE quoteway.webhook_inbox SET status = 'dead' WHERE event_id = '{webhooks[1].event_id}' RETURNING 1"
    await billing.query(dead)

    await billing.apply_all()

    rows = await billing.query("SELECT event_id, status FROM quoteway.webhook_inbox")
    assert [{row.event_id: row.status for row in rows}[each.event_id] for each in webhooks] == [
        "done",
        "dead",
        "received",
    ]


async def never_two_reads_of_a_subject(billing: Billing) -> None:
    """While billing does not answer for a subject's first webhook, its second comes: nobody else reads for it."""
    subject = f"{prefix()}-month"
    await billing.deliver(billing.move(subject, ACTIVE))
    at_once, most = 0, 0
    find, system = billing.process.worker.system.find_subscription, type(billing.process.worker.system)

    async def counted(_self: Any, *arguments: Any) -> Any:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            if at_once == 1:
                await billing.deliver(billing.move(subject, PAST_DUE))
                await billing.worker().apply_next()
            return await find(*arguments)
        finally:
            at_once -= 1

    with pytest.MonkeyPatch.context() as counting:
        counting.setattr(system, "find_subscription", counted)
        await billing.worker().apply_next()

    assert most == 1


async def test_a_subjects_webhooks_are_never_applied_at_once(billing: Billing) -> None:
    await never_two_reads_of_a_subject(billing)


async def test_without_waiting_two_would_be_applied_at_once(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation: webhooks of a subject do not wait for each other."""
    monkeypatch.setattr(webhook_inbox, "waits_behind_another", false)
    with pytest.raises(AssertionError):
        await never_two_reads_of_a_subject(billing)


async def pauses(billing: Billing, fault: Fault, times: int, patience: Patience) -> list[float]:
    """For how long a webhook is put off, time after time, in seconds."""
    await billing.deliver(billing.move(f"{prefix()}-month", ACTIVE))
    billing.process.system.fail("find_subscription", *[fault] * times)
    worker, paused = billing.worker(patience), []
    for _ in range(times):
        assert await worker.apply_next()
        # From the attempt's own transaction, so that a slow machine makes no difference.
        query = "SELECT extract(epoch FROM next_attempt_at - now()) AS s, attempts FROM quoteway.webhook_inbox"
        (row,) = await billing.query(query)
        paused.append(float(row.s))
        await billing.query("UPDATE quoteway.webhook_inbox SET next_attempt_at = received_at RETURNING 1")
    return paused


async def test_the_longer_an_outage_the_longer_the_pauses_up_to_the_longest(billing: Billing) -> None:
    patience = Patience(attempts_max=3, backoff_s=100, backoff_max_s=400, settle_s=0)

    first, second, third, fourth = await pauses(billing, AWAY, 4, patience)

    assert 40 < first <= 100
    assert 90 < second <= 200
    assert 190 < third <= 400
    assert 190 < fourth <= 400
    (row,) = await billing.query("SELECT attempts, status FROM quoteway.webhook_inbox")
    assert (row.attempts, row.status) == (0, "received"), "an outage kills nothing"


async def test_a_read_is_given_up_before_the_database_ends_the_transaction(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert webhook_inbox._READ_WITHIN_S < IDLE_TRANSACTION_S
    monkeypatch.setattr(webhook_inbox, "_READ_WITHIN_S", 0.2)
    subject = f"{prefix()}-month"
    await billing.deliver(billing.move(subject, ACTIVE))
    answering = billing.process.switch.hold(subject)
    try:
        assert await billing.worker(Patience(attempts_max=3, backoff_s=100, backoff_max_s=400, settle_s=0)).apply_next()
    finally:
        answering.set()

    (row,) = await billing.query("SELECT put_offs, attempts, status FROM quoteway.webhook_inbox")
    assert (row.put_offs, row.attempts, row.status) == (1, 0, "received"), "an outage, and counted as one"


async def test_one_that_is_tried_again_begins_with_a_short_pause(billing: Billing) -> None:
    patience = Patience(attempts_max=3, backoff_s=100, backoff_max_s=10_000, settle_s=0)
    await pauses(billing, REFUSED, 3, patience)
    (dead,) = await billing.query(
        "SELECT tenant, source, event_id, subject FROM quoteway.webhook_inbox WHERE status = 'dead'"
    )
    async with billing.process.worker.store.transaction_across_tenants() as connection:
        await webhook_inbox.revive(connection, dead)
    billing.process.system.fail("find_subscription", AWAY)

    assert await billing.worker(patience).apply_next()

    (row,) = await billing.query("SELECT extract(epoch FROM next_attempt_at - now()) AS s FROM quoteway.webhook_inbox")
    assert row.s <= 100


def test_a_pause_after_an_outage_of_weeks_is_the_longest_one() -> None:
    assert 30 <= Patience(attempts_max=3, backoff_s=1, backoff_max_s=60, settle_s=0).pause_s(100_000, None) <= 60


async def test_an_empty_inbox_is_looked_into_by_one_at_a_time(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, waits, waiting, most, claim = 0, 0, 0, 0, webhook_inbox.claim

    async def counted(*arguments: Any) -> Any:
        nonlocal looks
        looks += 1
        return await claim(*arguments)

    @asynccontextmanager
    async def one_more_waits(within_s: float) -> AsyncIterator[None]:
        nonlocal waits, waiting, most
        waiting += 1
        most = max(most, waiting)
        try:
            async with asyncio.timeout(within_s):
                yield
        finally:
            waiting, waits = waiting - 1, waits + 1

    monkeypatch.setattr(webhook_inbox, "claim", counted)
    own = SimpleNamespace(TaskGroup=asyncio.TaskGroup, sleep=asyncio.sleep, timeout=one_more_waits)
    monkeypatch.setattr(webhook_inbox, "asyncio", own)
    working = asyncio.create_task(billing.worker(at_once=8).run())
    await until(lambda: looks >= 8 and waits >= 10)
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working

    assert most == 1, "the others wait until that one has waited"
    assert looks <= 8 + waits, "each looks once at first, and then once after each wait"
