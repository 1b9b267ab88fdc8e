"""The webhook inbox: forged ones never get in, and neither duplicates nor disorder change what comes of the rest."""

import asyncio
import json
import random
import time
import uuid
from hashlib import sha256
from itertools import pairwise
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from sqlalchemy import false, text

from process_api.inbox import webhook_inbox
from process_api.inbox.webhook_inbox import prune
from process_api.v1 import webhooks
from sandbox.vendors.stripe.webhooks.delivery import signature
from shared.audit.entry import NOBODY
from shared.canonical import Subscription, SubscriptionStatus, WebhookNotice
from tests.process_api import system_stand_in
from tests.process_api.inbox.billing_webhooks import Billing, Webhook, prefix
from tests.process_api.system_stand_in import Fault

pytestmark = pytest.mark.servers
AWAY: Fault = "unavailable"
REFUSED: Fault = "rejected"
STATUSES = [
    SubscriptionStatus.active,
    SubscriptionStatus.past_due,
    SubscriptionStatus.trialing,
    SubscriptionStatus.incomplete,
]


async def storm(billing: Billing, mark: str, chance: random.Random | None) -> tuple[list[Webhook], list[Webhook]]:
    """140 changes of 5 subscriptions; shuffled with 60 duplicates, 20 forged and 20 stale ones where `chance` says."""
    order = random.Random(7)  # noqa: S311 the same changes each time
    genuine = [billing.move(f"{mark}-{order.randrange(5)}", order.choice(STATUSES)) for _ in range(140)]
    forged = [Webhook(f"{mark}-{number % 5}") for number in range(40 if chance else 0)]
    deliveries = [(webhook, "", 0) for webhook in genuine]
    if chance:
        deliveries += [(webhook, "", 0) for webhook in chance.sample(genuine, 60)]
        deliveries += [(webhook, "whsec_of_somebody", 0) for webhook in forged[:20]]
        deliveries += [(webhook, "", 301) for webhook in forged[20:]]
        chance.shuffle(deliveries)
    answers = []
    for start in range(0, len(deliveries), 20):
        answers += await asyncio.gather(
            *(
                billing.deliver(webhook, secret=secret, age_s=age)
                for webhook, secret, age in deliveries[start : start + 20]
            )
        )
    for (webhook, _secret, _age), answer in zip(deliveries, answers, strict=True):
        assert answer.status_code == (400 if webhook in forged else 202), answer.text
    return genuine, forged


async def assert_kept_once(billing: Billing, genuine: list[Webhook], forged: list[Webhook]) -> None:
    kept = [row.event_id for row in await billing.query("SELECT event_id FROM quoteway.webhook_inbox")]
    assert sorted(kept) == sorted(webhook.event_id for webhook in genuine)
    assert not {webhook.event_id for webhook in forged} & set(kept)


async def test_duplicates_disorder_and_forgeries_change_nothing(billing: Billing) -> None:
    seed = uuid.uuid4().int
    print(f"seed {seed}")  # noqa: T201 pytest shows it where the test fails
    sorted_mark, mark = prefix(), prefix()
    in_order, _none = await storm(billing, sorted_mark, None)
    await billing.apply_all()
    genuine, forged = await storm(billing, mark, random.Random(seed))  # noqa: S311 a test's order is no secret
    await assert_kept_once(billing, in_order + genuine, forged)
    await billing.apply_all()

    final = await billing.mirrored(mark)
    assert final == billing.held(mark)
    replayed = await billing.mirrored(sorted_mark)
    assert list(final.values()) == [replayed[f"{sorted_mark}{name.removeprefix(mark)}"] for name in final]
    for subject, status in final.items():
        events = await billing.events_of(subject)
        assert [sequence for sequence, _status in events] == list(range(1, len(events) + 1))
        assert events[-1][1] == status
        assert all(before[1] != after[1] for before, after in pairwise(events))


async def test_without_the_signature_check_a_forgery_would_be_seen(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutation: whatever is sent is taken."""
    monkeypatch.setattr(system_stand_in, "require_stripe_signature", lambda *_arguments, **_named: None)

    with pytest.raises(AssertionError):
        await storm(billing, prefix(), random.Random(1))  # noqa: S311 a test's order is no secret


async def test_without_the_key_a_duplicate_would_be_seen(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation: each delivery counts as a new event."""
    keep = webhook_inbox.receive

    async def keep_anew(*arguments: Any, notice: WebhookNotice, **named: Any) -> None:
        renamed = WebhookNotice(
            event_id=uuid.uuid4().hex,
            type=notice.type,
            subscription_external_id=notice.subscription_external_id,
        )
        await keep(*arguments, notice=renamed, **named)

    monkeypatch.setattr(webhooks, "receive", keep_anew)
    webhook = billing.move(f"{prefix()}-month", SubscriptionStatus.active)
    await billing.deliver(webhook)
    await billing.deliver(webhook)

    with pytest.raises(AssertionError):
        await assert_kept_once(billing, [webhook], [])


async def test_the_vendor_is_believed_and_not_the_webhook(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation: believing each webhook's own state lets an old state win when they arrive out of order."""
    subject = f"{prefix()}-month"
    said = {}
    for status in (SubscriptionStatus.past_due, SubscriptionStatus.active):
        webhook = billing.move(subject, status)
        said[webhook.event_id] = (webhook, status)
    late_first = list(reversed(said.values()))
    believed = iter([status for _webhook, status in late_first])

    async def believe(*_arguments: Any) -> Subscription:
        return Subscription(external_id=subject, status=next(believed))

    with monkeypatch.context() as mutated:
        mutated.setattr(type(billing.process.worker.system), "find_subscription", believe)
        for webhook, _status in late_first:
            await billing.deliver(webhook)
            await billing.apply_all()
    assert await billing.mirrored(subject) != billing.held(subject)

    await billing.deliver(Webhook(subject))
    await billing.apply_all()
    assert await billing.mirrored(subject) == billing.held(subject)


@pytest.mark.parametrize("header", ["", "v1=00", "t=now,v1=00", "t=1,v1=00", "nonsense"])
async def test_what_is_not_signed_is_refused(billing: Billing, header: str) -> None:
    answer = await billing.process.client.post(
        "/v1/webhooks/stripe/nordwind.NW-DE",
        content=Webhook("ord_1-month").body(),
        headers={"Content-Type": "application/json", "Stripe-Signature": header},
    )

    assert answer.status_code == 400, answer.text
    assert "Stripe-Signature" in answer.json()["errors"][0]["pointer"]
    assert await billing.query("SELECT 1 FROM quoteway.webhook_inbox") == []


async def test_one_byte_changed_is_refused(billing: Billing) -> None:
    webhook = Webhook("ord_1-month")

    answer = await billing.deliver(webhook, body=webhook.body().replace(b"updated", b"deleted"))

    assert answer.status_code == 400
    assert await billing.query("SELECT 1 FROM quoteway.webhook_inbox") == []


async def test_an_unknown_connection_is_not_there(billing: Billing) -> None:
    header = signature("any", int(time.time()), b"{}")
    for connection in ("nordwind.NW-XX", "nordwind"):
        answer = await billing.process.client.post(
            f"/v1/webhooks/stripe/{connection}",
            content=b"{}",
            headers={"Content-Type": "application/json", "Stripe-Signature": header},
        )
        assert answer.status_code in {400, 404}, answer.text


async def test_while_it_cannot_be_verified_stripe_is_to_send_it_again(billing: Billing) -> None:
    billing.process.system.fail("verify_webhook", AWAY)

    answer = await billing.deliver(Webhook("ord_1-month"))

    assert answer.status_code == 503
    assert (await billing.deliver(Webhook("ord_1-month"))).status_code == 202


async def test_an_event_about_nothing_of_ours_is_done_at_once(billing: Billing) -> None:
    webhook = Webhook("")
    body = json.dumps(
        {"id": webhook.event_id, "type": "payout.paid", "data": {"object": {"object": "payout"}}}
    ).encode()
    header = signature(billing.process.system.webhook_secret, int(time.time()), body)
    answer = await billing.process.client.post(
        "/v1/webhooks/stripe/nordwind.NW-DE",
        content=body,
        headers={"Content-Type": "application/json", "Stripe-Signature": header},
    )

    assert answer.status_code == 202
    assert not await billing.worker().apply_next()
    assert [row.status for row in await billing.query("SELECT status FROM quoteway.webhook_inbox")] == ["done"]


async def test_the_effect_and_the_end_are_one(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = f"{prefix()}-month"
    await billing.deliver(billing.move(subject, SubscriptionStatus.past_due))

    async def die(*_arguments: Any) -> None:
        raise SystemExit("killed before the commit")

    with monkeypatch.context() as broken:
        broken.setattr(webhook_inbox, "_end", die)
        with pytest.raises(SystemExit):
            await billing.worker().apply_next()
    assert await billing.mirrored(subject) == {}

    await billing.apply_all()
    assert await billing.events_of(subject) == [(1, "past_due")]


async def test_an_outage_kills_no_webhook(billing: Billing) -> None:
    subject = f"{prefix()}-month"
    await billing.deliver(billing.move(subject, SubscriptionStatus.active))
    billing.process.system.fail("find_subscription", *[AWAY] * 20)

    await billing.apply_all()

    assert await billing.mirrored(subject) == {subject: "active"}


async def test_a_billing_that_hangs_holds_up_no_other_subject(billing: Billing) -> None:
    hanging, healthy = [f"{prefix()}-month" for _ in range(2)], f"{prefix()}-month"
    for subject in (*hanging, healthy):
        await billing.deliver(billing.move(subject, SubscriptionStatus.active))
    billing.process.system.fail("find_subscription", AWAY, AWAY)
    worker = billing.worker()
    for _ in hanging:
        await worker.apply_next()
    await billing.query("UPDATE quoteway.webhook_inbox SET next_attempt_at = received_at RETURNING 1")  # due again

    await worker.apply_next()

    assert await billing.mirrored(healthy) == {healthy: "active"}


async def poisoned(billing: Billing) -> tuple[str, Webhook]:
    """A subject whose first webhook is dead, with a second one behind it; another subject has one of its own."""
    subject = f"{prefix()}-month"
    billing.process.system.fail("find_subscription", *[REFUSED] * 3)
    dead = billing.move(subject, SubscriptionStatus.active)
    await billing.deliver(dead)
    await billing.apply_all()
    await billing.deliver(billing.move(subject, SubscriptionStatus.past_due))
    await billing.deliver(billing.move(f"other-{subject}", SubscriptionStatus.active))
    await billing.apply_all()
    return subject, dead


async def decide(billing: Billing, dead: Webhook, decision: str) -> httpx.Response:
    return await billing.process.client.post(
        f"/v1/dead-letters/stripe:{dead.event_id}/{decision}",
        json={"reason": "looked at it"} if decision == "discard" else None,
        headers=billing.process.operator_headers,
    )


async def test_later_webhooks_of_a_subject_wait_behind_a_dead_one_and_the_others_go_on(billing: Billing) -> None:
    subject, dead = await poisoned(billing)

    assert await billing.mirrored(subject) == {}
    assert await billing.mirrored(f"other-{subject}") == {f"other-{subject}": "active"}
    answer = await billing.process.client.get("/v1/dead-letters", headers=billing.process.operator_headers)
    letters = [letter for letter in answer.json()["deadLetters"] if letter["kind"] == "webhook"]
    assert [(letter["deadLetterId"], letter["subject"]) for letter in letters] == [(f"stripe:{dead.event_id}", subject)]
    assert "refused by the vendor" in letters[0]["reason"]


@pytest.mark.parametrize("decision", ["retry", "discard"])
async def test_a_decision_on_a_dead_webhook_lets_those_behind_it_go_on(billing: Billing, decision: str) -> None:
    subject, dead = await poisoned(billing)

    answer = await decide(billing, dead, decision)
    assert answer.status_code == 204, answer.text
    await billing.apply_all()

    assert await billing.mirrored(subject) == {subject: "past_due"}
    assert (await decide(billing, dead, decision)).status_code == 409


async def test_without_waiting_the_overtaking_would_be_seen(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation: webhooks of a subject do not wait for each other."""
    monkeypatch.setattr(webhook_inbox, "waits_behind_another", false)

    subject, _dead = await poisoned(billing)
    await billing.worker().apply_next()

    assert await billing.mirrored(subject) != {}


async def test_finished_webhooks_are_forgotten_after_their_time_and_dead_ones_never(billing: Billing) -> None:
    _subject, dead = await poisoned(billing)
    await decide(billing, dead, "retry")
    async with billing.process.worker.store.transaction_across_tenants() as connection:
        await connection.execute(
            text(
                "UPDATE quoteway.webhook_inbox SET received_at = now() - interval '99 days', finished_at = CASE"
                " WHEN finished_at IS NULL THEN NULL WHEN subject LIKE 'other%' THEN now() - interval '31 days' END"
            )
        )

    assert await prune(billing.process.worker.store, 32) == 0
    assert await prune(billing.process.worker.store, 30) == 1
    assert len(await billing.query("SELECT 1 FROM quoteway.webhook_inbox")) == 2


async def test_a_subscription_is_its_orders_before_the_order_knows_its_id(billing: Billing) -> None:
    order_id = (await billing.process.submit()).json()["orderId"]
    order = await billing.process.ended(order_id)
    subject = f"{order_id}-early"
    webhook = billing.move(subject, SubscriptionStatus.active)
    held = billing.process.system.subscriptions[subject]
    billing.process.system.subscriptions[subject] = msgspec.structs.replace(held, order_id=order_id)

    assert (await billing.deliver(webhook)).status_code == 202
    await billing.apply_all()

    (event,) = await billing.query("SELECT data FROM quoteway.events WHERE subject = :subject", subject=subject)
    told = ("orderId", "accountId", "quoteId", "erpOrderNumber")
    assert [event.data[name] for name in told] == [order[name] for name in told]
    assert event.data["orderId"] == order_id


async def test_a_webhook_is_a_write_in_the_audit_log_by_the_endpoint_that_signed_it(billing: Billing) -> None:
    webhook = billing.move(f"{prefix()}-month", SubscriptionStatus.active)
    answer = await billing.deliver(webhook)

    assert answer.status_code == 202
    with psycopg.connect(billing.process.settings.database_url) as connection:
        rows = connection.execute("SELECT tenant, entry FROM quoteway_audit.entries").fetchall()
    entries = [(tenant, json.loads(entry)) for tenant, entry in rows]
    payload_hash = f"sha256:{sha256(webhook.body()).hexdigest()}"
    [(tenant, entry)] = [each for each in entries if each[1].get("payloadHash") == payload_hash]
    assert (tenant, entry["subject"], entry["clientId"]) == ("nordwind", "stripe:nordwind.NW-DE", "stripe")
    assert (entry["operation"], entry["auditClass"]) == ("receiveStripeWebhook", "financial")
    assert (entry["outcome"], entry["record"]) == ("succeeded", "nordwind.NW-DE")


async def test_forged_webhooks_are_nobodys_and_one_entry_however_many_there_are(billing: Billing) -> None:
    """Whoever needs no token must not be able to fill the log, nor to write into a tenant's own."""
    before = _refused(billing)
    for _ in range(20):
        assert (await billing.deliver(Webhook(prefix()), secret="whsec_of_somebody")).status_code == 400

    found = _refused(billing)
    assert {tenant for tenant, _count in found} == {NOBODY}
    assert len(found) == max(1, len(before))
    assert sum(count for _tenant, count in found) - sum(count for _tenant, count in before) == 20


def _refused(billing: Billing) -> list[tuple[str, int]]:
    """Whose and how many: what the audit log has gathered of refused webhooks, and will write as one entry."""
    gathered = billing.process.app.state.tier.policies.audit.refusals._gathered.values()
    return [(each.tenant, each.count) for each in gathered if each.operation == "receiveStripeWebhook"]
