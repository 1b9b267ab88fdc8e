"""Scenario 7: the outbox relay is killed again and again, and every event must still reach the stream."""

import asyncio
import json
import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg
from redis import Redis

from sandbox.faults.ledger import Findings
from sandbox.faults.run import Result, Run
from sandbox.landscape.connections_file import TENANT

_STREAM = f"quoteway:events:{TENANT}"
_SUBJECTS = 40
_POLL_S = "0.05"
_BEGUN_WITHIN_S = 120.0
_PUBLISHED_WITHIN_S = 120.0
_AFTER_MAX_S = 0.03
_APPEND = """
INSERT INTO quoteway.events (event_id, tenant, subject, sequence, type, data, correlation_id)
VALUES (%s, %s, %s, %s, 'order.booked', %s, 'faults')
"""
_WAITING = "SELECT count(*) FROM quoteway.events WHERE starts_with(subject, %s) AND published_at IS NULL"


@dataclass(frozen=True)
class Entry:
    """An event in the outbox or in the stream."""

    event_id: str
    subject: str
    sequence: int


def judge_stream(appended: Iterable[Entry], published: Iterable[Entry]) -> tuple[Findings, int]:
    """Return what is wrong with a stream, and how many entries are repetitions, which are allowed under one id."""
    findings, appended, published = Findings(), list(appended), list(published)
    ids = {(entry.subject, entry.sequence): entry.event_id for entry in appended}
    seen: set[str] = set()
    last: dict[str, int] = defaultdict(int)
    for entry in published:
        if ids.get((entry.subject, entry.sequence)) != entry.event_id:
            findings.duplicates.append(f"{entry.subject} {entry.sequence} is published under another id than its own")
        if entry.event_id in seen:
            continue
        seen.add(entry.event_id)
        if entry.sequence != last[entry.subject] + 1:
            findings.leftovers.append(f"{entry.subject} {entry.sequence} comes after {last[entry.subject]}")
        last[entry.subject] = entry.sequence
    missing = [entry for entry in appended if entry.event_id not in seen]
    findings.lost += [f"{entry.subject} {entry.sequence} is not published" for entry in missing]
    return findings, len(published) - len(seen)


async def relay_kills(run: Run) -> Result:
    """Write events to the outbox in batches, and kill the only worker while it publishes each."""
    kills, mark = run.scale.relay_kills, f"relay{run.random.randrange(1_000_000):06}"
    per_batch = max(1, run.scale.events // kills)
    before = run.landscape.tier_settings.get("QUOTEWAY_EVENT_POLL_S")
    await asyncio.to_thread(run.settle_on, QUOTEWAY_EVENT_POLL_S=_POLL_S)
    run.bar.expect(kills)
    appended: list[Entry] = []
    sequences: dict[str, int] = defaultdict(int)
    with Redis.from_url(run.landscape.redis.url) as redis:
        for _ in range(kills):
            length = redis.xlen(_STREAM)
            appended += await asyncio.to_thread(_append, run, mark, per_batch, sequences)
            if run.random.random() < 0.75:  # else at any time around the relay's read of the outbox
                await _begun(redis, length)
            await asyncio.sleep(run.random.uniform(0.0, _AFTER_MAX_S))
            await asyncio.to_thread(run.restart, "worker")
            run.bar.advance()
        await _all_published(run, mark)
        findings, repeated = judge_stream(appended, _published(redis, mark))
    await asyncio.to_thread(run.settle_on, QUOTEWAY_EVENT_POLL_S=before)
    note = f"{kills} kills of the relay over {len(appended)} events, {repeated} published again under their own id"
    return Result([], kills, note, len(appended), findings)


def _append(run: Run, mark: str, count: int, sequences: dict[str, int]) -> list[Entry]:
    """Write events to the outbox in one transaction, as a change of the business state would."""
    made = []
    for _ in range(count):
        subject = f"{mark}-{run.random.randrange(_SUBJECTS)}"
        sequences[subject] += 1
        made.append(Entry(str(uuid.UUID(int=run.random.getrandbits(128))), subject, sequences[subject]))
    rows = [
        (entry.event_id, TENANT, entry.subject, entry.sequence, json.dumps({"orderId": entry.subject, "version": 1}))
        for entry in made
    ]
    with psycopg.connect(run.landscape.postgres.url(run.landscape.database)) as connection:
        connection.cursor().executemany(_APPEND, rows)
    return made


async def _begun(redis: Redis, length: int) -> None:
    """Wait until the relay has added to the stream but may not have recorded that yet."""
    async with asyncio.timeout(_BEGUN_WITHIN_S):
        while redis.xlen(_STREAM) == length:  # noqa: ASYNC110 a stream calls nobody
            await asyncio.sleep(0.001)


async def _all_published(run: Run, mark: str) -> None:
    """Wait for the outbox to be empty; after a while the rest is reported as missing."""
    try:
        async with asyncio.timeout(_PUBLISHED_WITHIN_S):
            while (await asyncio.to_thread(run.query, _WAITING, [mark]))[0][0]:  # noqa: ASYNC110 as above
                await asyncio.sleep(0.2)
    except TimeoutError:
        return


def _published(redis: Redis, mark: str) -> list[Entry]:
    found: Any = redis.xrange(_STREAM)
    events: list[dict[str, Any]] = [json.loads(fields[b"event"]) for _, fields in found]
    return [
        Entry(event["id"], event["subject"], int(event["sequence"]))
        for event in events
        if event["subject"].startswith(mark)
    ]
