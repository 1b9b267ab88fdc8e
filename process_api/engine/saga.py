"""The saga: runs steps in order, each until it is settled, and undoes them in reverse after a refusal.

The family of the error decides (shared.problem):

    Rejected         the vendor said no          undo what has begun; the flow ends rejected with the reason
    Unavailable      known not done              try again with growing pauses; in the end park
    OutcomeUnknown   sent, no trustworthy answer let it settle, look it up by external id; never repeat it blindly
    NeedsDecision    a person has to decide      park at once, with what there is to decide
    anything else    a defect of ours            park at once: repeating it would not help

Every attempt is written down before and after (engine/attempts.py), and nowhere else: a worker that takes a flow over
goes on from these rows. An attempt that was cut off runs again, and finds by external id what its first run made.
"""

import asyncio
import logging
from dataclasses import asdict, dataclass, replace
from typing import Any, Generic

from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.store import Store, when_available
from process_api.engine.attempts import Attempts, Begun, TheEnd, said
from process_api.engine.ending import end_flow
from process_api.engine.failures import failed
from process_api.engine.flow_kind import FlowKind
from process_api.engine.flows import change_flow, tenant_of
from process_api.engine.progress import LastAttempt, Standing, begun_steps
from process_api.engine.steps import C, Direction, Ending, Found, Outcome, OutcomeKind, Patience, Step
from process_api.engine.trace import traced_attempt
from process_api.engine.worker_lease import Lease
from shared.problem import (
    Conflict,
    NeedsDecision,
    OutcomeUnknown,
    QuotewayError,
    Rejected,
    Unavailable,
    VendorError,
)
from shared.seller_words import put_plainly
from shared.telemetry.process_telemetry import set_correlation_id

_log = logging.getLogger(__name__)
# An undo is tried longer: what it leaves behind, a person has to clear away.
_UNDO_PATIENCE_FACTOR = 3
_SWEEP_AFTER_S = 600


@dataclass(frozen=True)
class Saga(Generic[C]):
    """Runs the flows of one kind. `resources` are what the kind's `load` creates a context from."""

    kind: FlowKind[C]
    resources: Any
    store: Store
    patience: Patience
    lease: Lease
    sweep_after_s: int = _SWEEP_AFTER_S

    def at(self, step_table: int | None) -> "Saga[C]":
        """Return the saga for flows with that step table."""
        kind = self.kind.at(step_table)
        return self if kind is self.kind else replace(self, kind=kind)

    @property
    def attempts(self) -> Attempts[C]:
        """What writes attempts down."""
        return Attempts(self.kind, self.resources, self.store, self.lease, self.sweep_after_s)

    async def run(self, flow_id: str, standing: Standing, *, through: str | None = None) -> Ending:
        """Run the steps in order, all or `through` one, and return how that ended. A refusal undoes what has begun.

        What is done stays done, and what is being undone goes on being undone. Where the flow was parked, the step that
        did not come to an end is looked for before it is tried again. After the last step the end is written down too.
        """
        if standing.undoing_to is not None:
            return await self._compensate(flow_id, standing.undoing_to, standing)
        past_pivot = any(step.kind == "pivot" and step.name in standing.done for step in self.kind.steps)
        begun: Begun[C] | TheEnd | None = None
        for step, following in self._left(standing, through):
            outcome, begun = await self._settle(
                flow_id,
                step,
                "forward",
                standing.last(step.name),
                look_first=standing.generation > 1,
                begun=begun if isinstance(begun, Begun) else None,
                following=following,
            )
            if outcome["kind"] == "done":
                past_pivot = past_pivot or step.kind == "pivot"
                continue
            if outcome["kind"] == "rejected" and past_pivot:
                return _parked(step, outcome, "This was refused after the point of no return")
            if outcome["kind"] == "rejected":
                return await self._compensate(flow_id, Ending("rejected", step.name, outcome["reason_code"]), standing)
            return _parked(step, outcome, "" if outcome["kind"] == "decision" else "This did not come to an end")
        ending = Ending("succeeded")
        if through is None and begun != "the end":
            await end_flow(self.store, self.lease, self.kind, flow_id, ending, self.sweep_after_s)
        return ending

    async def settle(self, flow_id: str, step: Step[C], last: LastAttempt | None, *, tried: int = 0) -> Outcome:
        """Try a step that stands alone until it is done, refused, or our patience ends.

        `last`: the last attempt at it in this generation of the flow. `tried`: how many attempts an earlier workflow
        has made at it, so that these are counted on from there.
        """
        outcome, _ = await self._settle(flow_id, step, "forward", last, tried=tried)
        return outcome

    def _left(self, standing: Standing, through: str | None) -> list[tuple[Step[C], Step[C] | TheEnd | None]]:
        """The steps that are to be made, each with what follows it: a step, the flow's end, or another workflow."""
        names = [step.name for step in self.kind.steps]
        steps = self.kind.steps if through is None else self.kind.steps[: names.index(through) + 1]
        left = [step for step in steps if step.name not in standing.done]
        # In a later generation a step is looked for before it begins.
        following: list[Step[C] | TheEnd | None] = [*(left[1:] if standing.generation == 1 else [None] * len(left[1:]))]
        last: list[Step[C] | TheEnd | None] = ["the end" if through is None else None] if left else []
        return list(zip(left, [*following, *last], strict=True))

    async def _compensate(self, flow_id: str, ending: Ending, standing: Standing) -> Ending:
        """Undo what has begun, last first, and return this ending, or the parking of it."""
        by_name = {step.name: step for step in self.kind.steps}
        for name in await self._begun_steps(flow_id, ending):
            step = by_name[name]
            if step.undo is None:
                continue
            outcome, _ = await self._settle(flow_id, step, "undo", standing.last(name, "undo"))
            if outcome["kind"] != "done":
                why = "refused" if ending.kind == "rejected" else "given up"
                return _parked(
                    step, outcome, f"The {self.kind.noun} was {why}, and what was booked could not be taken back"
                )
        return ending

    async def _settle(
        self,
        flow_id: str,
        step: Step[C],
        direction: Direction,
        last: LastAttempt | None,
        *,
        look_first: bool = False,
        tried: int = 0,
        begun: Begun[C] | None = None,
        following: Step[C] | TheEnd | None = None,
    ) -> tuple[Outcome, Begun[C] | TheEnd | None]:
        """Try a step until it is done, refused, or our patience ends. Returns what follows it too, which has begun.

        `look_first`: it may have happened before, so it is looked for, which takes no attempt of our patience.
        `begun`: its first attempt, where that is written down already.
        """
        unknown = look_first and direction == "forward" and step.find is not None
        free_looks, attempt = (1 if unknown else 0), 0
        if begun is None and last is not None and last.attempt > tried:
            unknown = _is_unknown(last)
            attempt = last.attempt - tried - (1 if last.outcome == "begun" else 0)
            await pause(self._pause_after(last))
        while True:
            attempt += 1
            looking = unknown and direction == "forward" and step.find is not None
            outcome, next_begun = await self._attempt_once(
                flow_id,
                step,
                "find" if looking else direction,
                tried + attempt,
                begun=begun,
                following=following,
                beside=tried + free_looks,
            )
            begun = None
            if outcome["kind"] in {"done", "rejected", "decision", "defect"}:
                return outcome, next_begun
            # A look that failed told nothing: it stays unknown, and is looked for again.
            unknown = outcome["kind"] == "unknown" or (looking and outcome["kind"] == "unavailable")
            if attempt >= self._allowed(outcome, direction) + free_looks:
                return outcome, None
            if outcome["kind"] != "absent":
                await pause(outcome["pause_s"])

    def _allowed(self, outcome: Outcome, direction: Direction) -> int:
        """Return how often a step is tried that ended like this."""
        allowed = outcome["attempts_max"] or self.patience.attempts_max
        return allowed * (_UNDO_PATIENCE_FACTOR if direction == "undo" else 1)

    def _pause_after(self, last: LastAttempt) -> float:
        """The pause that a worker was in when it died: it begins anew."""
        if last.again_after_s is not None:
            return last.again_after_s
        # Written down by a worker of a release that kept it elsewhere.
        return self.patience.settle_s if last.outcome == "unknown" else 0.0

    async def _begun_steps(self, flow_id: str, ending: Ending) -> list[str]:
        """Return the steps to undo. From now on the flow can only come to this ending, however often it parks."""

        async def begin_undoing(connection: AsyncConnection) -> list[str]:
            await self.lease.fence(connection)
            await change_flow(connection, flow_id, undoing_to=asdict(ending))
            return await begun_steps(connection, flow_id)

        return await when_available(self.store, tenant_of(flow_id), begin_undoing)

    @traced_attempt
    async def _attempt_once(
        self,
        flow_id: str,
        step: Step[C],
        direction: Direction,
        attempt: int,
        *,
        begun: Begun[C] | None = None,
        following: Step[C] | TheEnd | None = None,
        beside: int = 0,
    ) -> tuple[Outcome, Begun[C] | TheEnd | None]:
        """One attempt: written down, made, and written down again. Never raises what a vendor or a defect can cause.

        `beside`: how many attempts there may be beside those of our patience. Returns what follows it too, where it was
        done. Raises LeaseLost where the flow is, or will be, another
        worker's: nothing is sent or written down any more.
        """
        try:
            self.lease.require()
            begun = begun or await self.attempts.begin(flow_id, step, direction, attempt)
            if begun is None:
                return _outcome("done"), None
            set_correlation_id(begun.context.correlation_id)
            with self.lease.attempt():
                found = await _call(step, direction, begun.context)
            outcome = _outcome("absent" if found is None else "done")
            return outcome, await self.attempts.end(begun, outcome, found, None if found is None else following)
        except QuotewayError as error:
            if isinstance(error, VendorError):
                put_plainly(error)
            outcome = self._judge(error, attempt)
            failure = failed(
                step.name, direction, outcome["kind"], attempt, self._allowed(outcome, direction) + beside, error
            )
            await self.attempts.fail(flow_id, step, direction, outcome, said(error), failure, error)
        except Exception as error:  # noqa: BLE001 see below
            # A defect of ours. Raised, it would end the workflow, and the flow would never end.
            _log.exception("defect in %s.%s of %s", step.name, direction, flow_id)
            outcome = _outcome("defect", "defect")
            detail = f"Something failed in Quoteway's own code; the log has the rest.\n{type(error).__name__}"
            failure = failed(step.name, direction, "defect", attempt, attempt, None)
            await self.attempts.fail(flow_id, step, direction, outcome, detail, failure)
        return outcome, None

    def _judge(self, error: QuotewayError, attempt: int) -> Outcome:
        if isinstance(error, Rejected):
            return _outcome("rejected", error.reason_code)
        if isinstance(error, OutcomeUnknown):
            settle_s = self.patience.settle_s if error.retry_after_s is None else float(error.retry_after_s)
            return _outcome("unknown", error.reason_code, settle_s, error.what_to_do)
        if isinstance(error, Unavailable | Conflict):
            what_to_do = error.what_to_do if isinstance(error, Unavailable) else ""
            pause_s = self.patience.pause_s(attempt, error.retry_after_s)
            outcome = _outcome("unavailable", "unavailable", pause_s, what_to_do)
            outcome["attempts_max"] = (error.attempts_max or 0) if isinstance(error, Unavailable) else 0
            return outcome
        if isinstance(error, NeedsDecision):
            return _outcome("decision", error.reason_code, what_to_do=error.what_to_do)
        # Another tier of ours does not understand us: a defect, and a retry would fail alike.
        return _outcome("defect", "defect")


async def pause(pause_s: float) -> None:
    """Sleep durably on the monotonic clock; restarts from zero if interrupted.

    No time of day at which it ends is kept: a worker that took the flow over would wait as much longer as the clock of
    the one before was ahead of its own.
    """
    if pause_s > 0:
        await _wait(pause_s)


async def _wait(pause_s: float) -> None:
    await asyncio.sleep(pause_s)


def _is_unknown(last: LastAttempt) -> bool:
    """Whether the step is to be looked for, after its last attempt, or while that was a look that was cut off."""
    if last.outcome == "begun":
        return last.direction == "find"
    return last.outcome == "unknown" or (last.direction == "find" and last.outcome == "unavailable")


async def _call(step: Step[C], direction: Direction, context: C) -> Found | None:
    if direction == "undo" and step.undo is not None:
        return await step.undo(context)
    if direction == "find" and step.find is not None:
        return await step.find(context)
    return await step.do(context)


def _outcome(kind: OutcomeKind, reason_code: str = "", pause_s: float = 0.0, what_to_do: str = "") -> Outcome:
    return {
        "kind": kind,
        "reason_code": reason_code,
        "pause_s": pause_s,
        "what_to_do": what_to_do,
        "attempts_max": 0,
    }


def _parked(step: Step[Any], outcome: Outcome, preamble: str) -> Ending:
    return Ending(
        "parked",
        step.name,
        outcome["reason_code"] or "unavailable",
        preamble,
        outcome["what_to_do"]
        or f"Look at the attempts of {step.name}, mend the system they name, then have the flow tried again.",
    )
