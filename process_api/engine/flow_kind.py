"""The declaration of a business process for the engine: in its noun's folder, listed in process_api/kinds.py.

The engine knows no order, customer or subscription. It changes a process's business record only through
`FlowRecordPort`, in its own transaction, so that a flow and its record never disagree.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.engine.failures import Failure
from process_api.engine.steps import C, Ending, Found, Step
from shared.identity.principal import Principal
from shared.problem import QuotewayError


class FlowRecordPort(Protocol):
    """Changes a flow's business record: its status, timeline, event and metric.

    Every method runs in the engine's transaction. A phase is the record's status while the flow is under way.
    """

    @property
    def first_phase(self) -> str:
        """The phase until the flow reaches a step that names one."""

    @property
    def undoing_phase(self) -> str:
        """The phase while the flow is being undone."""

    async def enter_phase(self, connection: AsyncConnection, subject: str, phase: str, step: str) -> None:
        """Set the record's phase when `step` begins."""

    async def note_found(self, connection: AsyncConnection, subject: str, step: str, found: Found) -> None:
        """Write a step's finding to the record and its timeline."""

    async def note_refused(self, connection: AsyncConnection, flow_id: str, error: QuotewayError) -> None:
        """Store a refusal's details with the record."""

    async def note_delayed(self, connection: AsyncConnection, subject: str, step: str, failure: Failure) -> None:
        """Say on the record that an attempt failed which is repeated."""

    async def end(self, connection: AsyncConnection, flow: Row[Any], ending: Ending, reason: str) -> Callable[[], None]:
        """Write the record's end and its event. Returns a function that counts the end, to call after the commit."""

    async def go_on(self, connection: AsyncConnection, subject: str, phase: str, step: str, message: str) -> None:
        """Set a parked record to `phase` again, and clear the reason for parking."""


@dataclass(frozen=True)
class Advice:
    """Parts of sentences for operators about follow-ups of a flow's end that failed.

    `unreported`: what remains unreported if `report_ending` fails. `unswept`: what to check if the sweep for late
    requests fails. `tell`: whom a person must inform then.
    """

    unreported: str
    unswept: str
    tell: str


class Corrections(Protocol):
    """Puts an operator's corrections on parked flows of one kind."""

    async def correct(self, principal: Principal, flow: Row[Any], edit: Any) -> None:
        """Correct what the flow works with, and have it go on. `flow` was parked when it was read.

        Raises Conflict where that cannot be done (any more), InvalidRequest where the corrections do not fit.
        """


@dataclass(frozen=True)
class FlowKind(Generic[C]):
    """One business process.

    name                    flows.kind; part of the names of its spans
    noun                    what its record is called in sentences
    steps                   read top to bottom as the process
    load                    what a worker has, a connection, a row of `flows` -> the context that every step gets
    record                  its business record
    connection_known_after  the step after which account and legal entity are known; None: they are known at intake
    report_ending           the step that reports an end other than success
    late_request_sweep      the step that removes what requests left that arrived after the end
    corrections             what a process has, and its FlowDecisions -> what an operator may edit; None: nothing
    version                 of `steps`: one more with each release that changes their names or order
    earlier                 the step tables of releases whose flows may still be under way, by their version
    """

    name: str
    noun: str
    steps: tuple[Step[C], ...]
    load: Callable[[Any, AsyncConnection, Row[Any]], Awaitable[C]]
    record: FlowRecordPort
    advice: Advice
    connection_known_after: str | None = None
    report_ending: Step[C] | None = None
    late_request_sweep: Step[C] | None = None
    corrections: Callable[[Any, Any], Corrections] | None = None
    version: int = 1
    earlier: Mapping[int, tuple[Step[C], ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [step.name for step in (*self.steps, self.report_ending, self.late_request_sweep) if step is not None]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name} names a step twice")
        if self.connection_known_after not in {None, *names}:
            raise ValueError(f"{self.name} has no step {self.connection_known_after}")

    def knows(self, version: int | None) -> bool:
        """Return whether flows with that version of the step table can be run."""
        return version in {None, self.version, *self.earlier}

    def at(self, version: int | None) -> "FlowKind[C]":
        """Return the process with that version of the step table; None is the first version."""
        pinned = 1 if version is None else version
        return self if pinned == self.version else replace(self, version=pinned, steps=self.earlier[pinned])

    @property
    def vendor_writes(self) -> tuple[str, ...]:
        """The steps that may create something at a vendor which an undo, or the sweep, must remove."""
        return tuple(step.name for step in self.steps if step.undo is not None)

    def position_of(self, step: Step[C]) -> int:
        """Return a step's position in the process; follow-ups of the end come after all steps."""
        return self.steps.index(step) if step in self.steps else len(self.steps)
