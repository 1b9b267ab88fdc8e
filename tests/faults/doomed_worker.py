"""A worker that ends, or pauses, at one named point of its work; with one guard switched off, if asked.

QUOTEWAY_TEST_POINT     where: one of POINTS, followed by `:<step>` where it is about a step
QUOTEWAY_TEST_SIGNAL    what happens there: SIGKILL, SIGSTOP or HOLD (before a call): that call waits, the rest lives on
QUOTEWAY_TEST_MARKER    the file that says that it has happened: it happens once, whoever comes there next. A call that
                        is held goes on once there is one whose name ends in `.go`; one whose name ends in `.left`
                        says that the execution of the flow has ended that came there
QUOTEWAY_TEST_AGAIN     it happens to every worker that comes there
QUOTEWAY_TEST_WITHOUT   the guard to switch off: one of GUARDS
"""

import asyncio
import datetime as dt
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import dbos._dbos
import psycopg
from dbos import DBOS
from dbos._sys_db_postgres import PostgresSystemDatabase
from sqlalchemy import literal
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.engine import attempts, executor, saga, worker_lease
from process_api.orders import record_port
from process_api.outbox.event_log import append_event
from process_api.settings import ProcessSettings
from process_api.worker import run_worker
from shared.outbound.http_client import OutboundClient
from shared.redis_connection import RedisStreams
from shared.settings import load_settings, variable

HOLD = "HOLD"
MARKER = Path(os.environ.get("QUOTEWAY_TEST_MARKER", os.devnull))
GO, LEFT = MARKER.with_suffix(".go"), MARKER.with_suffix(".left")
# Often enough that a test need not wait for a beat, however long the lease is.
_BEATS_PER_S = 1.5


def _is_where(point: str) -> bool:
    again = "QUOTEWAY_TEST_AGAIN" in os.environ
    return os.environ.get("QUOTEWAY_TEST_POINT") == point and (again or not MARKER.exists())


def reached(point: str) -> None:
    """End or pause here, if here is where."""
    if _is_where(point):
        MARKER.touch()
        os.kill(os.getpid(), signal.Signals[os.environ["QUOTEWAY_TEST_SIGNAL"]])


async def reached_or_held(point: str) -> None:
    """The same, or wait here until the test lets it go on."""
    if _is_where(point) and os.environ["QUOTEWAY_TEST_SIGNAL"] == HOLD:
        await asyncio.to_thread(MARKER.touch)
        while not GO.exists():  # noqa: ASYNC110 a file calls nobody
            await asyncio.sleep(0.05)
    else:
        reached(point)


# -- points -------------------------------------------------------------------------------------------------------


def around_a_call(call: Any) -> Any:
    """`before_call` and `after_answer` of a step, forwards."""

    async def watched(step: Any, direction: str, context: Any) -> Any:
        await reached_or_held(f"before_call:{step.name}")
        found = await call(step, direction, context)
        reached(f"after_answer:{step.name}")
        return found

    return watched


def after_write_down(attempt_once: Any) -> Any:
    """`before_checkpoint` of a step: its end is written down, and that what follows it begins; nobody goes on yet."""

    async def watched(self: Any, flow_id: str, step: Any, *more: Any, **named: Any) -> Any:
        outcome = await attempt_once(self, flow_id, step, *more, **named)
        reached(f"before_checkpoint:{step.name}")
        return outcome

    return watched


def before_sending(send_once: Any) -> Any:
    """`sending`: a new order is about to leave for the ERP, after everything that could hold it back."""

    async def watched(self: OutboundClient, method: str, path: str, *more: Any) -> Any:
        if method == "PUT" and "/orders/" in path:
            reached("sending")
        return await send_once(self, method, path, *more)

    return watched


def around_publishing(append: Any) -> Any:
    """`before_publish` and `after_publish`: before Redis has the events, and after, when nothing says so yet."""

    async def watched(self: RedisStreams, *arguments: Any, **more: Any) -> None:
        reached("before_publish")
        await append(self, *arguments, **more)
        reached("after_publish")

    return watched


def after_the_end(end: Any) -> Any:
    """`after_the_end`: a flow's end is committed, with that of its last step."""

    async def watched(*arguments: Any) -> Any:
        following = await end(*arguments)
        if following == "the end":
            reached("after_the_end")
        return following

    return watched


def before_handing_on(join_line: Any) -> Any:
    """`before_handing_on`: the quote has been read, and the flow is not in its account's line yet."""

    async def watched(*arguments: Any) -> Any:
        reached("before_handing_on")
        return await join_line(*arguments)

    return watched


def after_locking(do_execute: Any) -> Any:
    """`holding_rows`: the engine has locked flows that it is about to take out of the queue."""

    def watched(self: Any, cursor: Any, statement: str, *more: Any) -> Any:
        answer = do_execute(self, cursor, statement, *more)
        if "FOR UPDATE" in statement and "workflow_status" in statement and cursor.rowcount > 0:
            reached("holding_rows")
        return answer

    return watched


def before_waiting(wait: Any) -> Any:
    """`pausing`: in the middle of the pause before another attempt."""

    async def watched(pause_s: float) -> None:
        reached("pausing")
        await wait(pause_s)

    return watched


def after_recording(record_sleep: Any) -> Any:
    """`pausing`, where the workflow engine has written down until when."""

    def watched(*arguments: Any) -> float:
        duration_s: float = record_sleep(*arguments)
        reached("pausing")
        return duration_s

    return watched


def leaving(flow: Any) -> Any:
    """Say when the execution of a flow has ended that came to the point."""

    @contextmanager
    def watched(self: worker_lease.Lease) -> Iterator[None]:
        try:
            with flow(self):
                yield
        finally:
            if "QUOTEWAY_TEST_MARKER" in os.environ and MARKER.exists():
                LEFT.touch()

    return watched


POINTS: list[tuple[Any, str, Callable[[Any], Any]]] = [
    (saga, "_call", around_a_call),
    (saga.Saga, "_attempt_once", after_write_down),
    (OutboundClient, "_send_once", before_sending),
    (RedisStreams, "append", around_publishing),
    (DefaultDialect, "do_execute", after_locking),
    (executor, "join_line", before_handing_on),
    (attempts.Attempts, "end", after_the_end),
    (saga, "_wait", before_waiting),
    (dbos._dbos, "record_sleep", after_recording),
    (worker_lease.Lease, "flow", leaving),
]


# -- guards -------------------------------------------------------------------------------------------------------


async def nothing(*_: Any) -> None:
    """Instead of a guard that waits for the database."""


def with_the_engines_own_limit(create_engine: Any) -> Any:
    """DBOS's transactions may be idle for a minute, whatever it is told."""

    def create(self: Any, *more: Any) -> Any:
        self._idle_transaction_timeout_ms = 60_000
        return create_engine(self, *more)

    return create


def never(count_start: Any) -> Any:
    """Every start counts as the first."""

    async def uncounted(*arguments: Any) -> Any:
        return replace(await count_start(*arguments), count=0)

    return uncounted


def allowed(*_: Any) -> None:
    """Instead of a guard that asks its own memory."""


class OwnClock:
    """Instead of the database's clock, this process's."""

    def __getattr__(self, name: str) -> Any:
        from sqlalchemy import func

        return getattr(func, name)

    def now(self) -> Any:
        return literal(dt.datetime.now(dt.UTC))


def mark_first(append: Any) -> Any:
    """The events count as published, and that is committed, before they are."""

    async def mark_and_append(*arguments: Any, **more: Any) -> None:
        with psycopg.connect(os.environ[variable("database_url")], autocommit=True) as apart:
            apart.execute("UPDATE quoteway.events SET published_at = now() WHERE published_at IS NULL")
        await append(*arguments, **more)

    return mark_and_append


def apart_from_the_state(end: Callable[..., Awaitable[Any]]) -> Any:
    """The event of an end is written in a transaction of its own, after the state's."""
    late: list[dict[str, Any]] = []

    async def put_off(_connection: AsyncConnection, **event: Any) -> None:
        late.append(event)

    async def end_and_append(self: attempts.Attempts[Any], *more: Any) -> Any:
        following = await end(self, *more)
        while late:
            event = late.pop()
            async with self.store.transaction(event["tenant"]) as connection:
                await append_event(connection, **event)
        return following

    setattr(record_port, "append_event", put_off)  # noqa: B010 the name is that module's only by its import
    return end_and_append


GUARDS: dict[str, list[tuple[Any, str, Callable[[Any], Any]]]] = {
    "counting": [(executor, "count_start", never)],
    "earlier queues": [(executor, "EARLIER_QUEUES", lambda _: ())],
    "recovery": [(worker_lease.Lease, "_take_over_orphans", lambda _: nothing)],
    "lease": [(worker_lease.Lease, "require", lambda _: allowed), (worker_lease.Lease, "fence", lambda _: nothing)],
    "attention": [(worker_lease.Lease, "_look_for_unattended", lambda _: allowed)],
    "database time": [(worker_lease, "func", lambda _: OwnClock())],
    "idle limit": [(PostgresSystemDatabase, "_create_engine", with_the_engines_own_limit)],
    "monotonic pauses": [(saga, "pause", lambda _: DBOS.sleep_async)],
    "marking last": [(RedisStreams, "append", mark_first)],
    "one transaction": [(attempts.Attempts, "end", apart_from_the_state)],
}


def main() -> None:
    """Switch off, set the points, and work."""
    chosen = [] if "QUOTEWAY_TEST_WITHOUT" not in os.environ else GUARDS[os.environ["QUOTEWAY_TEST_WITHOUT"]]
    # The points first: `after_the_end` is before what a mutation does later.
    for owner, name, replacement in [*POINTS, *chosen]:
        setattr(owner, name, replacement(getattr(owner, name)))
    settings = load_settings(ProcessSettings, os.environ)
    beats: Any = max(worker_lease._HEARTBEATS_PER_LEASE, settings.lease_s * _BEATS_PER_S)
    worker_lease._HEARTBEATS_PER_LEASE = beats
    asyncio.run(run_worker(settings))


if __name__ == "__main__":
    main()
