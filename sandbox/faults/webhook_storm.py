"""Scenario 6: webhooks that are repeated, out of order, forged and stale, while their subscriptions go on changing."""

import asyncio
import json
import random
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from sandbox.faults.billing_changes import BillingChanges, Event
from sandbox.faults.caller import Caller
from sandbox.faults.ledger import Findings
from sandbox.faults.run import Result, Run
from sandbox.landscape.connections_file import TENANT
from sandbox.vendors.stripe.webhooks.delivery import signature

DUPLICATED, FORGED, STALE = 0.30, 0.05, 0.05
_PATH = f"/v1/webhooks/stripe/{TENANT}.NW-DE"
_STALE_S = 301
_SUBSCRIPTIONS_PER_WEBHOOK = 1 / 50
_AT_ONCE = 24
_APPLIED_WITHIN_S = 1800.0
_STATES = "SELECT external_id, status FROM quoteway.subscription_states WHERE starts_with(external_id, %s)"
_INBOX = "SELECT event_id FROM quoteway.webhook_inbox WHERE starts_with(subject, %s)"
_WAITING = "SELECT count(*) FROM quoteway.webhook_inbox WHERE starts_with(subject, %s) AND status = 'received'"
_CHANGES = """
SELECT subject, sequence, data ->> 'status' FROM quoteway.events
WHERE starts_with(subject, %s) AND type = 'subscription.changed' ORDER BY subject, sequence
"""


@dataclass(frozen=True)
class Delivery:
    """One POST: an event's bytes, the signing secret and its age, and whether it must be accepted."""

    event_id: str
    body: bytes
    secret: str
    age_s: int = 0
    genuine: bool = True


@dataclass
class Accepted:
    """What Quoteway made of the webhooks, and the answer to each delivery."""

    answers: list[tuple[Delivery, int]] = field(default_factory=list)
    inbox: list[str] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    changes: list[tuple[str, int, str]] = field(default_factory=list)


def deliveries_of(event: Event, secret: str, chance: random.Random) -> list[Delivery]:
    """Return an event's delivery and, at random, a repetition, a forged copy under another id, and one with an old
    signature.
    """
    made = [Delivery(event.event_id, event.body, secret)]
    if chance.random() < DUPLICATED:
        made.append(made[0])
    if chance.random() < FORGED:
        made.append(_other(event, f"whsec_{secrets.token_urlsafe(24)}", 0, "forged"))
    if chance.random() < STALE:
        made.append(_other(event, secret, _STALE_S + chance.randrange(86_400), "stale"))
    return made


def judge_webhooks(genuine: Iterable[Event], held: Mapping[str, str], accepted: Accepted) -> Findings:
    """Compare what Quoteway accepted and made of it with billing's sorted events and its current state."""
    findings, events = Findings(), list(genuine)
    replayed = {event.external_id: event.status for event in events if event.status is not None}
    if replayed != dict(held):
        findings.lost.append("the sorted events do not lead to what billing holds: the scenario shows nothing")
    for delivery, status in accepted.answers:
        if delivery.genuine and status != 202:
            findings.lost.append(f"webhook {delivery.event_id} was answered {status}")
        elif not delivery.genuine and status != 400:
            findings.duplicates.append(f"webhook {delivery.event_id} was answered {status}, not 400")
    ids = {event.event_id for event in events}
    findings.lost += [f"webhook {each} was not kept" for each in sorted(ids - set(accepted.inbox))]
    findings.duplicates += [f"webhook {each} was kept" for each in sorted(set(accepted.inbox) - ids)]
    if len(accepted.inbox) != len(set(accepted.inbox)):
        findings.duplicates.append("a webhook was kept twice")
    findings.lost += [
        f"{name} is {accepted.states.get(name)}, and {status} after the sorted replay"
        for name, status in replayed.items()
        if accepted.states.get(name) != status
    ]
    for before, after in pairwise(accepted.changes):
        if before[0] == after[0] and (before[1] + 1 != after[1] or before[2] == after[2]):
            findings.duplicates.append(f"the changes of {after[0]} are {before[1:]} and then {after[1:]}")
    return findings


async def webhooks(run: Run) -> Result:
    """Send billing's own events in any order while the subscriptions go on changing."""
    count, mark = run.scale.webhooks, f"storm{run.random.randrange(1_000_000):06}"
    secret = (run.landscape.run_dir / "webhook.secret").read_text()
    subscriptions = max(4, round(count * _SUBSCRIPTIONS_PER_WEBHOOK))
    changes = await asyncio.to_thread(BillingChanges, run.landscape, run.random, subscriptions, mark)
    events, accepted = list[Event](), Accepted()
    run.bar.expect(count)
    pool = list[Delivery]()
    async with Caller(run.landscape.url("process")) as caller:
        while len(events) < count:
            await asyncio.to_thread(_change, changes, subscriptions)
            new = await asyncio.to_thread(lambda: list(changes.new_events()))
            events += new
            pool += [each for event in new for each in deliveries_of(event, secret, run.random)]
            run.random.shuffle(pool)
            # Half of the events are held back, and sent after later ones.
            await _deliver(run, caller, [pool.pop() for _ in range(len(pool) // 2)], accepted)
        await _deliver(run, caller, pool, accepted)
    await _applied(run, mark)
    accepted.inbox = [event_id for (event_id,) in run.query(_INBOX, [mark])]
    accepted.states = dict(run.query(_STATES, [mark]))
    accepted.changes = [(subject, sequence, status) for subject, sequence, status in run.query(_CHANGES, [mark])]
    held = await asyncio.to_thread(changes.held)
    changes.close()
    bad = sum(not delivery.genuine for delivery, _ in accepted.answers)
    twice = len(accepted.answers) - bad - len(events)
    note = f"{len(events)} webhooks, {twice} sent twice, {bad} forged or stale, {subscriptions} subscriptions"
    return Result([], twice + bad, note, len(events), judge_webhooks(events, held, accepted))


def _change(changes: BillingChanges, times: int) -> None:
    for _ in range(times):
        changes.change()


async def _deliver(run: Run, caller: Caller, deliveries: list[Delivery], accepted: Accepted) -> None:
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(delivery: Delivery) -> None:
        async with places:
            status = 503
            while status in {429, 503}:  # Stripe retries, too
                header = signature(delivery.secret, int(time.time()) - delivery.age_s, delivery.body)
                answer = await caller.send("POST", _PATH, {"Stripe-Signature": header}, delivery.body)
                status = answer.status if answer else 503
                if status in {429, 503}:
                    await asyncio.sleep(max(0.2, answer.retry_after_s if answer else 0))
        accepted.answers.append((delivery, status))
        run.bar.advance()

    await asyncio.gather(*(one(delivery) for delivery in deliveries))


async def _applied(run: Run, mark: str) -> None:
    """Wait until the inbox is empty. Raises TimeoutError if something stays."""
    async with asyncio.timeout(_APPLIED_WITHIN_S):
        while (await asyncio.to_thread(run.query, _WAITING, [mark]))[0][0]:  # noqa: ASYNC110 a table calls nobody
            await asyncio.sleep(0.5)


def _other(event: Event, secret: str, age_s: int, word: str) -> Delivery:
    """Return the event under an id of its own, so that its acceptance could be noticed."""
    event_id = f"{event.event_id}_{word}"
    body = json.dumps({**json.loads(event.body), "id": event_id}).encode()
    return Delivery(event_id, body, secret, age_s, genuine=False)
