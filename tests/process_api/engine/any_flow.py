"""What any business process has to bear: a refusal, a repetition, a lost answer and a discard at each step, and kills.

A process is tested by a `Specimen` of it: how one of its flows is started, and what its vendors then hold. What goes
wrong is done to its steps and to its transactions from outside, so that every kind of flow meets the same.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import pytest
from dbos import DBOS
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.store import Store
from process_api.engine.decisions import FlowDecisions
from process_api.engine.flow_kind import FlowKind
from process_api.engine.saga import Saga
from process_api.engine.steps import Found
from process_api.engine.worker_lease import LeaseLost
from shared.identity.principal import Principal
from shared.problem import NeedsDecision, OutcomeUnknown, Rejected
from tests.process_api.conftest import Process

OPERATOR = Principal("operator", "operator", "nordwind", frozenset({"flows:write"}))
Do = Callable[[Any], Awaitable[Found]]


class Specimen(Protocol):
    """A business process under test."""

    saga: Saga[Any]
    kill_every: int
    """Of the commits that a flow passes, every how many-th is tried with a kill."""
    live: Counter[str]
    most: Counter[str]

    async def start(self) -> str:
        """Start a flow that nothing but the test keeps from succeeding, and return its id."""

    def records(self, flow_id: str) -> list[str]:
        """What a flow that succeeds leaves at the vendors, as keys of `live` and `most`."""

    async def phase(self, flow_id: str) -> str:
        """The status of the business record."""

    def phase_of(self, ending: str) -> str:
        """The status of a business record whose flow has ended so."""


@dataclass
class Kills:
    """Kills a worker, as its flows see it, at chosen commits: nothing after that point is done or written down.

    Each flow that comes along takes the next of `points`: it is killed when it has passed so many.
    """

    process: Process
    points: Iterator[int]
    left: dict[str, int] = field(default_factory=dict)
    passed: Counter[str] = field(default_factory=Counter)
    killed: set[str] = field(default_factory=set)

    def point(self) -> None:
        """Raise LeaseLost where the present flow is to be killed here."""
        if DBOS.workflow_id is None:
            return
        flow_id = ".".join(DBOS.workflow_id.split(".")[:2])
        if flow_id not in self.left:
            self.left[flow_id] = next(self.points)
        self.passed[flow_id] += 1
        if self.passed[flow_id] == self.left[flow_id]:
            self.killed.add(flow_id)
            self.process.worker.lease._flow_laid_aside = True
            raise LeaseLost

    @contextmanager
    def around_commits(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Have points before and after each commit."""
        transaction, kills = Store._transaction, self

        @asynccontextmanager
        async def watched(store: Store, tenant: str) -> AsyncIterator[AsyncConnection]:
            async with transaction(store, tenant) as connection:
                yield connection
                kills.point()
            kills.point()

        with monkeypatch.context() as patch:
            patch.setattr(Store, "_transaction", watched)
            yield


def refused(_do: Do) -> Do:
    """The system says no, and has done nothing."""

    async def refuse(_context: Any) -> Found:
        raise Rejected("The system says no.", reason_code="test_refusal")

    return refuse


def lost_once(do: Do) -> Do:
    """The step is done, and the first time nobody is told."""
    told: set[str] = set()

    async def done(context: Any) -> Found:
        found = await do(context)
        if context.flow_id not in told:
            told.add(context.flow_id)
            raise OutcomeUnknown("The answer was lost.", vendor="test")
        return found

    return done


def killed_once(process: Process) -> Callable[[Do], Do]:
    """The step is done, and the worker dies before anything of it is written down: the step is repeated."""
    dead: set[str] = set()

    def wrap(do: Do) -> Do:
        async def done(context: Any) -> Found:
            found = await do(context)
            if context.flow_id not in dead:
                dead.add(context.flow_id)
                process.worker.lease._flow_laid_aside = True
                raise LeaseLost
            return found

        return done

    return wrap


def undecided(do: Do) -> Do:
    """A person has to decide, after the step was done."""

    async def ask(context: Any) -> Found:
        await do(context)
        raise NeedsDecision("Somebody has to decide.", reason_code="test_decision", what_to_do="Decide.")

    return ask


def with_step(kind: FlowKind[Any], name: str, change: Callable[[Do], Do]) -> FlowKind[Any]:
    """The process with one of its steps changed."""
    steps = tuple(replace(step, do=change(step.do)) if step.name == name else step for step in kind.steps)
    return replace(kind, steps=steps)


@contextmanager
def runs(process: Process, specimen: Specimen, kind: FlowKind[Any]) -> Iterator[None]:
    """Have the worker run the flows of this kind as `kind` says."""
    sagas = process.worker.engine.sagas
    before = sagas.get(kind.name)
    sagas[kind.name] = replace(specimen.saga, kind=kind)
    try:
        yield
    finally:
        if before is None:
            del sagas[kind.name]
        else:
            sagas[kind.name] = before


async def flow_of(process: Process, flow_id: str) -> Any:
    """The flow's row."""
    query = text("SELECT * FROM quoteway.flows WHERE flow_id = :flow")
    async with process.worker.store.transaction_across_tenants() as connection:
        return (await connection.execute(query, {"flow": flow_id})).one()


async def require_ending(process: Process, specimen: Specimen, flow_id: str, ending: str) -> None:
    """Fail unless the flow, its business record and its vendors agree that it has ended so."""
    flow = await flow_of(process, flow_id)
    assert flow.status == ending, (flow.status, flow.reason)
    assert await specimen.phase(flow_id) == specimen.phase_of(ending)
    records = specimen.records(flow_id)
    assert [record for record in records if specimen.most[record] > 1] == []
    live = [record for record in records if specimen.live[record]]
    if ending == "succeeded":
        assert live == records
    if ending in {"rejected", "compensated"}:
        assert live == []


async def discard(process: Process, kind: FlowKind[Any], flow_id: str) -> None:
    """An operator gives the flow up."""
    await FlowDecisions(process.worker.store, {kind.name: kind}).discard(OPERATOR, flow_id, "the test gives it up")
