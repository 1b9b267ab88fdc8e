"""How the last attempt at a step failed, kept with its flow: why it ended, or what it waits for while it is retried."""

from datetime import timedelta
from typing import Any, Protocol

import msgspec
from sqlalchemy import cast, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.moments import rfc3339
from process_api.database.tables import flows
from shared.moment import Moment
from shared.problem import QuotewayError, VendorError

# Beside what the steps found, in `flows.results`; no step has this name.
LAST_FAILURE = "last_failure"
_REPEATED = frozenset({"unavailable", "unknown"})
_UNDER_WAY = frozenset({"queued", "running", "compensating"})


class Failure(msgspec.Struct, frozen=True, rename="camel"):
    """One failed attempt. `kind` is the outcome's; `system` is whose answer it was, empty for what is our own.

    `said` is that answer in plain words, kept where the attempt is repeated at `next_attempt_at`. Attempts are counted
    in the generation of the flow; there are no more than `attempts_max`. `for_sellers`: its sentence was written for
    them, whatever names are in it.
    """

    step: str
    direction: str
    kind: str
    system: str
    attempt: int
    attempts_max: int
    said: str = ""
    next_attempt_at: str | None = None
    for_sellers: bool = False


class Delay(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a flow waits for that is being retried: a system's answer, how often it was tried, and when it is again.

    `system` is the one that did not do what it was asked; `answer` is what it said, in plain words.
    """

    step: str
    system: str
    answer: str
    attempt: int
    attempts_max: int
    next_attempt_at: Moment


class DelayPort(Protocol):
    """What a failure that is repeated is put on: the flow's business record."""

    async def note_delayed(self, connection: AsyncConnection, subject: str, step: str, failure: Failure) -> None:
        """Say on the record that an attempt failed which is repeated."""


async def note_failure(
    connection: AsyncConnection, record: DelayPort, flow_id: str, failure: Failure, pause_s: float, detail: str
) -> None:
    """Keep how an attempt failed, in place of the one before; where it is repeated, the record says so."""
    if failure.kind in _REPEATED and failure.attempt < failure.attempts_max:
        flow = select(flows.c.subject, func.clock_timestamp().label("now")).where(flows.c.flow_id == flow_id)
        row = (await connection.execute(flow)).one()
        again_at = rfc3339(row.now + timedelta(seconds=pause_s))
        failure = msgspec.structs.replace(failure, said=detail.partition("\n")[0], next_attempt_at=again_at)
        await record.note_delayed(connection, row.subject, failure.step, failure)
    kept = func.jsonb_build_object(LAST_FAILURE, cast(literal(msgspec.to_builtins(failure), JSONB), JSONB))
    results = flows.c.results.op("||")(kept)
    await connection.execute(update(flows).where(flows.c.flow_id == flow_id).values(results=results))


def failed(
    step: str, direction: str, kind: str, attempt: int, attempts_max: int, error: QuotewayError | None
) -> Failure:
    """Return the failure of an attempt that ended with this error; None for a defect of ours."""
    if not isinstance(error, VendorError):
        return Failure(step, direction, kind, "", attempt, attempts_max)
    return Failure(step, direction, kind, error.vendor, attempt, attempts_max, for_sellers=error.is_for_sellers)


def last_failure(results: dict[str, Any]) -> Failure | None:
    """Return the last failed attempt of a flow; None once its step was done."""
    kept = results.get(LAST_FAILURE)
    return msgspec.convert(kept, Failure) if kept is not None else None


def delay_of(kept: Any, current_step: str | None, status: str | None) -> Delay | None:
    """Return what a flow waits for, by what is kept with it; None where it goes on, or has come to an end or a halt."""
    failure = msgspec.convert(kept, Failure) if kept is not None else None
    if failure is None or failure.next_attempt_at is None or failure.step != current_step or status not in _UNDER_WAY:
        return None
    return Delay(
        step=failure.step,
        system=failure.system,
        answer=failure.said,
        attempt=failure.attempt,
        attempts_max=failure.attempts_max,
        next_attempt_at=failure.next_attempt_at,
    )
