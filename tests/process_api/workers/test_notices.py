"""Workers are told that something waits for them, and look by themselves where nobody tells them."""

import threading
import uuid

import pytest
from sqlalchemy import text

from process_api.database.notices import EVENTS, Notices, tell
from process_api.engine.queueing.queue_pace import QueuePace
from tests.patience import HANG_S, until
from tests.process_api.conftest import Process

pytestmark = pytest.mark.servers
NEVER_S = 3600.0


async def listening(process: Process, heard: list[str]) -> Notices:
    """A listener of its own, once it listens."""
    notices = Notices(process.settings.database_url, {EVENTS: lambda: heard.append(EVENTS)})
    notices.start()
    await until(lambda: bool(heard))  # it looks once by itself when it begins
    heard.clear()
    return notices


async def test_a_notice_is_heard_once_its_transaction_is_committed(process: Process) -> None:
    heard: list[str] = []
    notices = await listening(process, heard)
    try:
        async with process.worker.store.transaction("nordwind") as connection:
            await tell(connection, EVENTS)
            await tell(connection, "of nobody's")
            assert heard == []
        await until(lambda: bool(heard))
    finally:
        await notices.stop()
    assert heard == [EVENTS]


async def test_who_listens_again_after_a_break_looks_for_what_was_told_meanwhile(process: Process) -> None:
    heard: list[str] = []
    notices = await listening(process, heard)
    ended = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE query = 'LISTEN quoteway' AND datname = current_database()"
    )
    try:
        async with process.worker.store.engine.begin() as connection:
            assert await connection.scalar(ended) > 0
        await until(lambda: bool(heard))
    finally:
        await notices.stop()


class Looking:
    """A thread of the library's, which looks into a queue after each pause."""

    def __init__(self, safety_s: float) -> None:
        self.queue, self.stop, self.looks = f"q-{uuid.uuid4().hex}", threading.Event(), 0
        self.pace = QueuePace([self.stop], [self.queue], safety_s)
        self.thread = threading.Thread(target=self._look, name=f"queue-worker-{self.queue}", daemon=True)
        self.thread.start()

    def _look(self) -> None:
        while not self.stop.wait(0.001):
            self.looks += 1

    def end(self) -> None:
        self.stop.set()
        self.pace.end()
        self.thread.join(HANG_S)
        assert not self.thread.is_alive()


async def test_a_queue_is_looked_into_when_told_and_not_before() -> None:
    looking = Looking(NEVER_S)
    assert looking.looks == 0

    looking.pace.wake(looking.queue)
    await until(lambda: looking.looks == 1)
    looking.pace.wake("another")
    looking.end()

    assert looking.looks == 1


async def test_a_queue_that_nobody_tells_of_is_looked_into_all_the_same() -> None:
    looking = Looking(0.01)

    await until(lambda: looking.looks >= 2)
    looking.end()


async def test_an_order_is_booked_although_no_notice_is_heard(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process.worker.notices, "listeners", {})
    monkeypatch.setattr(process.worker.engine.pace, "safety_s", 0.2)

    order = await process.ended((await process.submit()).json()["orderId"])

    assert order["status"] == "booked"
