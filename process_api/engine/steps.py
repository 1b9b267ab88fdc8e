"""The parts of a saga: its steps, their findings, the limits on attempts, and the endings.

Only declarations: code that uses steps need not know the library that runs them (process_api.engine.saga).
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypedDict, TypeVar

C = TypeVar("C", bound="FlowContext")
Direction = Literal["forward", "undo", "find"]
OutcomeKind = Literal["done", "absent", "rejected", "unavailable", "unknown", "decision", "defect"]
_DOUBLINGS_MAX = 30  # an outage of days would come to numbers that are none any more


class FlowContext(Protocol):
    """What a step may know of its flow; loaded anew for every attempt, so nothing depends on a process's memory."""

    @property
    def flow_id(self) -> str:
        """The flow's id."""

    @property
    def correlation_id(self) -> str:
        """The id of the request that started it, for finding it."""

    @property
    def tenant(self) -> str:
        """The tenant whose flow this is."""

    @property
    def subject(self) -> str:
        """The business record that the flow is about."""

    @property
    def phase(self) -> str:
        """The record's status when the context was loaded."""


@dataclass(frozen=True)
class FlowConnection:
    """A flow's account and legal entity."""

    account_id: str
    legal_entity: str


@dataclass(frozen=True)
class Found:
    """What a step found or created. `result` is stored with the flow: ids and decisions, no personal data.

    `changes` are fields of the business record that change with it. `message` goes on the timeline, in plain words.
    `connection` is set by the step after which it is known (`FlowKind.connection_known_after`).
    `answered`: what the vendors call what was written, by the operation id of its intent.
    """

    message: str
    result: dict[str, Any] = field(default_factory=dict)
    vendor_ids: list[str] = field(default_factory=list)
    changes: dict[str, Any] = field(default_factory=dict)
    connection: FlowConnection | None = None
    answered: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Step(Generic[C]):
    """One step. `do` performs it, `find` looks up what a lost request may have created, `undo` reverses it.

    kind: `read` changes nothing; `undoable` has an undo; `forward-only` has none, and needs none if a later step fails.
    `pivot` has one too, but once it is done there is no way back: a later refusal parks the flow (docs/decisions/0013).
    `phase`: the status of the business record from this step on; None: the one before.
    `keeps_as`: the name that its result is kept under; None: its own. `formerly`: the steps that it was merged from.
    """

    name: str
    kind: Literal["read", "undoable", "pivot", "forward-only"]
    do: Callable[[C], Awaitable[Found]]
    find: Callable[[C], Awaitable[Found | None]] | None = None
    undo: Callable[[C], Awaitable[Found]] | None = None
    phase: str | None = None
    keeps_as: str | None = None
    formerly: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.kind in {"undoable", "pivot"}) != (self.undo is not None):
            raise ValueError(f"{self.name} is {self.kind}: exactly the undoable steps and the pivot have an undo")


@dataclass(frozen=True)
class Patience:
    """The number of attempts at a step, and the pauses between them in seconds."""

    attempts_max: int
    backoff_s: float
    backoff_max_s: float
    settle_s: float

    def pause_s(self, attempt: int, retry_after_s: int | None) -> float:
        """Return the pause after an attempt: doubling, capped, with jitter; never shorter than the vendor's
        Retry-After.
        """
        doublings = min(attempt - 1, _DOUBLINGS_MAX)
        doubled: float = min(self.backoff_s * 2**doublings, self.backoff_max_s)
        jittered = doubled * random.uniform(0.5, 1.0)  # noqa: S311 jitter is no secret
        return max(jittered, float(min(retry_after_s or 0, self.backoff_max_s)))


class Outcome(TypedDict):
    """How an attempt ended; what a vendor said is with the attempt (`flow_attempts`).

    `attempts_max`: how many attempts the error allows; 0 where our patience counts.
    """

    kind: OutcomeKind
    reason_code: str
    pause_s: float
    what_to_do: str
    attempts_max: int


@dataclass(frozen=True)
class Ending:
    """How a saga ended. `rejected`: a system said no. `compensated`: an operator discarded it.

    The reason is the message of the last attempt at `step`, after `preamble`; without one, `preamble` alone.
    """

    kind: Literal["succeeded", "rejected", "compensated", "parked"]
    step: str = ""
    reason_code: str = ""
    preamble: str = ""
    what_to_do: str = ""
