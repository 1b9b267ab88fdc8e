"""The audit writer: group commit, batches, bounds, and a log that cannot be written."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from shared.audit.entry import Entry
from shared.audit.writer import AuditWriter, Window
from shared.problem import Unavailable
from tests.kept_audit_log import KeptAuditLog
from tests.patience import HANG_S


def entry(**changes: str | int) -> Entry:
    said: dict[str, str | int | float] = {
        "at": time.time(),
        "tier": "test",
        "operation": "getOrder",
        "audit_class": "access",
        "outcome": "succeeded",
        "status": 200,
        "correlation_id": "c",
        "tenant": "nordwind",
        **changes,
    }
    return Entry(**said)  # type: ignore[arg-type] # as the test says it


class SlowLog(KeptAuditLog):
    """Takes a moment for each commit, as a disk does."""

    async def append(self, entries: object) -> None:
        await asyncio.sleep(0.05)
        await super().append(entries)  # type: ignore[arg-type] # handed on as it came


@pytest.fixture
async def kept() -> KeptAuditLog:
    return SlowLog()


@pytest.fixture
async def writer(kept: KeptAuditLog) -> AsyncIterator[AuditWriter]:
    writer = AuditWriter(kept, Window(0.1, 5), Window(0.2, 3), poll_s=0.05)
    await writer.start()
    yield writer
    kept.away = False
    await writer.stop()


async def test_concurrent_entries_share_few_commits_and_each_waits_for_its_own(
    writer: AuditWriter, kept: KeptAuditLog
) -> None:
    await asyncio.gather(*(writer.write_durably(entry(record=f"r{number}")) for number in range(200)))

    assert {each["record"] for each in kept.entries} == {f"r{number}" for number in range(200)}
    assert kept.commits <= 3

    before = kept.commits
    await writer.write_durably(entry(record="last"))
    assert kept.entries[-1]["record"] == "last"
    assert kept.commits == before + 1


async def test_accesses_are_batched_and_repetitions_in_a_window_make_one_entry(
    writer: AuditWriter, kept: KeptAuditLog
) -> None:
    for _ in range(1000):
        writer.access.add("same", entry(record="a"))
    writer.access.add("other", entry(record="b"))
    assert kept.entries == []

    await asyncio.sleep(0.4)

    assert [(each["record"], each.get("count", 1)) for each in kept.entries] == [("a", 1000), ("b", 1)]
    assert kept.commits == 1


async def test_entries_that_do_not_fit_are_counted_and_the_count_is_written(
    writer: AuditWriter, kept: KeptAuditLog
) -> None:
    for number in range(100):
        writer.refusals.add(number, entry(tenant="_", status=401, outcome="refused"))

    await asyncio.sleep(0.5)

    assert len(kept.entries) == 4
    [gap] = [each for each in kept.entries if each["operation"] == "auditEntriesLost"]
    assert (gap["tenant"], gap["count"]) == ("_", 97)


async def test_while_the_log_is_down_nothing_is_started_and_nothing_lost(
    writer: AuditWriter, kept: KeptAuditLog
) -> None:
    writer.require()
    kept.away = True
    with pytest.raises(Unavailable):
        await writer.write_durably(entry(record="financial"))
    writer.access.add("a", entry(record="access"))

    with pytest.raises(Unavailable) as refused:
        writer.require()
    assert refused.value.retry_after_s
    assert await writer.ready() is not None

    kept.away = False
    await asyncio.sleep(0.4)
    writer.require()
    assert await writer.ready() is None
    assert [each["record"] for each in kept.entries] == ["access"]


async def test_a_defect_refuses_changes_and_does_not_end_the_writer(
    writer: AuditWriter, kept: KeptAuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(_entries: object) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as broken:
        broken.setattr(kept, "append", break_down)
        with pytest.raises(Unavailable):
            await asyncio.wait_for(writer.write_durably(entry()), 2)
        with pytest.raises(Unavailable):
            writer.require()

    await asyncio.wait_for(writer.write_durably(entry(record="later")), 2)
    writer.require()
    assert kept.entries[-1]["record"] == "later"


async def test_stopping_writes_the_buffered_entries(kept: KeptAuditLog) -> None:
    writer = AuditWriter(kept, Window(60, 10), Window(60, 10))
    await writer.start()
    writer.access.add("a", entry(record="a"))
    writer.refusals.add("r", entry(record="r"))
    waiting = asyncio.create_task(writer.write_durably(entry(record="f")))
    await asyncio.sleep(0)

    await writer.stop()

    assert {each["record"] for each in kept.entries} >= {"a", "r"}
    await asyncio.wait([waiting], timeout=HANG_S)
    assert waiting.done()


async def test_noting_an_access_costs_microseconds() -> None:
    window = Window(1.0, 10_000)
    one = entry()

    def cost_s(rounds: int = 20_000) -> float:
        began = time.process_time()
        for number in range(rounds):
            window.add((number % 50, "a", "b"), one)
        return (time.process_time() - began) / rounds

    assert min(cost_s() for _ in range(3)) < 20e-6  # about 0.3 µs
