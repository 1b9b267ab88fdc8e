"""A business process, as the engine needs it: declared once, in its noun's folder, and listed in process_api/kinds.py.

The engine knows no order, customer or subscription. What it changes of a process's business record it changes through
`FlowRecordPort`, in its own transaction, so that a flow and its record never disagree.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.engine.steps import C, Ending, Found, Step
from shared.problem import QuotewayError


class FlowRecordPort(Protocol):
    """Changes the business record that a flow is about: its status, timeline, event and metric.

    Every method works in the engine's transaction. A phase is a status of the record while the flow is under way.
    """

    @property
    def first_phase(self) -> str:
        """The phase of a record whose flow has not come to a step that names one."""

    @property
    def undoing_phase(self) -> str:
        """The phase while what was begun is being undone."""

    async def enter_phase(self, connection: AsyncConnection, subject: str, phase: str, step: str) -> None:
        """Move the record on to `phase`, because `step` begins."""

    async def note_found(self, connection: AsyncConnection, subject: str, step: str, found: Found) -> None:
        """Put what a step found on the record and its timeline."""

    async def note_refused(self, connection: AsyncConnection, flow_id: str, error: QuotewayError) -> None:
        """Keep with the record what the refusal says beside its sentence."""

    async def end(self, connection: AsyncConnection, flow: Row[Any], ending: Ending, reason: str) -> Callable[[], None]:
        """Write the record's end and its event. Returns what counts the end, to be called once it is committed."""

    async def go_on(self, connection: AsyncConnection, subject: str, phase: str, step: str, message: str) -> None:
        """Have a parked record be under way again, in `phase`; why it was parked is taken off it."""


@dataclass(frozen=True)
class Advice:
    """What operators are told where a flow's end has loose ends, as parts of a sentence.

    `unreported`: what stays untold where `report_ending` fails. `unswept`: what to look at where the sweep for late
    requests fails. `tell`: who has to be told by a person then.
    """

    unreported: str
    unswept: str
    tell: str


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
    version: int = 1
    earlier: Mapping[int, tuple[Step[C], ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [step.name for step in (*self.steps, self.report_ending, self.late_request_sweep) if step is not None]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name} names a step twice")
        if self.connection_known_after not in {None, *names}:
            raise ValueError(f"{self.name} has no step {self.connection_known_after}")

    def knows(self, version: int | None) -> bool:
        """Return whether a flow that is pinned to that version of the step table can be run."""
        return version in {None, self.version, *self.earlier}

    def at(self, version: int | None) -> "FlowKind[C]":
        """Return the process as a flow runs it that is pinned to that version; None is the first there was."""
        pinned = 1 if version is None else version
        return self if pinned == self.version else replace(self, version=pinned, steps=self.earlier[pinned])

    @property
    def vendor_writes(self) -> tuple[str, ...]:
        """The steps that may leave something at a vendor which an undo, or the sweep, has to remove."""
        return tuple(step.name for step in self.steps if step.undo is not None)

    def position_of(self, step: Step[C]) -> int:
        """Return the place of a step in the process; what follows the end comes after all of them."""
        return self.steps.index(step) if step in self.steps else len(self.steps)
