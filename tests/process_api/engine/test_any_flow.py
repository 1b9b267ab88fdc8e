"""Every business process, and one about nothing, bears what tests/process_api/engine/any_flow.py does to it."""

import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from process_api.engine.flow_kind import FlowKind
from process_api.kinds import KINDS
from tests.process_api.conftest import Process
from tests.process_api.engine.any_flow import (
    Kills,
    Specimen,
    discard,
    killed_once,
    lost_once,
    refused,
    require_ending,
    runs,
    undecided,
    with_step,
)
from tests.process_api.engine.saga_model import ModelVendors, quick_recovery
from tests.process_api.engine.toy_kind import ToyVendor, make_toy_table, toy_kind
from tests.process_api.engine.toy_specimen import ToySpecimen
from tests.process_api.system_stand_in import mixed_quote

pytestmark = pytest.mark.servers


class OrderSpecimen:
    """An order with one-off and recurring lines."""

    kill_every = 1 if "QUOTEWAY_EVERY_KILL" in os.environ else 5

    def __init__(self, process: Process) -> None:
        self.process, self.vendors = process, ModelVendors(process)
        process.switch.system = self.vendors
        self.saga = process.saga
        self.live: Counter[str] = self.vendors.live
        self.most: Counter[str] = self.vendors.most
        self._accounts = count(1)

    async def start(self) -> str:
        """Submit one, for an account of its own."""
        account_id = f"001{next(self._accounts):015d}"
        quote = msgspec.structs.replace(mixed_quote(), account_id=account_id)
        self.vendors.more_quotes.append(quote)
        answer = await self.process.submit(quoteId=quote.quote_id)
        assert answer.status_code == 202, answer.text
        return f"nordwind.{answer.json()['orderId']}"

    def records(self, flow_id: str) -> list[str]:
        """An order in the ERP and a subscription of each period."""
        order_id = flow_id.partition(".")[2]
        return [f"erp:{order_id}", f"billing:{order_id}-month", f"billing:{order_id}-year"]

    async def phase(self, flow_id: str) -> str:
        """As a caller sees it."""
        return str((await self.process.order(flow_id.partition(".")[2]))["status"])

    def phase_of(self, ending: str) -> str:
        """The order's word for it."""
        return "booked" if ending == "succeeded" else ending


SPECIMENS: dict[str, Callable[[Process], Specimen]] = {"toy": ToySpecimen, "order_submission": OrderSpecimen}
STEPS = [
    pytest.param(name, step.name, id=f"{name}-{step.name}")
    for name, steps in {
        "toy": toy_kind(ToyVendor()).steps,
        **{kind.name: kind.steps for kind in KINDS.values()},
    }.items()
    for step in steps
]


@pytest_asyncio.fixture(loop_scope="session")
async def recovering(process: Process) -> AsyncIterator[Process]:
    """A process tier whose worker begins again at once after a kill, with the toys' table in its database."""
    await make_toy_table(process.worker.store)
    async with quick_recovery(process):
        yield process
        await process.idle()


async def ended(process: Process, specimen: Specimen, kind: FlowKind[Any]) -> str:
    """Start a flow, and return its id once it has ended, with all that follows."""
    with runs(process, specimen, kind):
        flow_id = await specimen.start()
        await process.idle()
    return flow_id


def test_every_kind_has_a_specimen() -> None:
    assert set(SPECIMENS) == {"toy", *KINDS}


@pytest.mark.parametrize(("name", "step"), STEPS)
async def test_a_refusal_at_any_step_leaves_nothing_over(recovering: Process, name: str, step: str) -> None:
    specimen = SPECIMENS[name](recovering)
    kind = specimen.saga.kind
    names = [each.name for each in kind.steps]
    # A process without a pivot can be undone from everywhere.
    pivot = next((names.index(each.name) for each in kind.steps if each.kind == "pivot"), len(names))

    flow_id = await ended(recovering, specimen, with_step(kind, step, refused))

    await require_ending(recovering, specimen, flow_id, "rejected" if names.index(step) <= pivot else "parked")


@pytest.mark.parametrize(("name", "step"), STEPS)
async def test_a_step_that_a_kill_repeats_makes_one_record(recovering: Process, name: str, step: str) -> None:
    specimen = SPECIMENS[name](recovering)

    flow_id = await ended(recovering, specimen, with_step(specimen.saga.kind, step, killed_once(recovering)))

    await require_ending(recovering, specimen, flow_id, "succeeded")


@pytest.mark.parametrize(("name", "step"), STEPS)
async def test_an_answer_lost_at_any_step_makes_one_record(recovering: Process, name: str, step: str) -> None:
    specimen = SPECIMENS[name](recovering)

    flow_id = await ended(recovering, specimen, with_step(specimen.saga.kind, step, lost_once))

    await require_ending(recovering, specimen, flow_id, "succeeded")


@pytest.mark.parametrize(("name", "step"), STEPS)
async def test_a_flow_discarded_at_any_step_leaves_nothing_over(recovering: Process, name: str, step: str) -> None:
    specimen = SPECIMENS[name](recovering)
    kind = with_step(specimen.saga.kind, step, undecided)
    flow_id = await ended(recovering, specimen, kind)
    await require_ending(recovering, specimen, flow_id, "parked")

    with runs(recovering, specimen, kind):
        await discard(recovering, kind, flow_id)
        await recovering.idle()

    await require_ending(recovering, specimen, flow_id, "compensated")


@pytest.mark.parametrize("name", SPECIMENS)
async def test_a_kill_before_or_after_any_commit_changes_no_end(
    recovering: Process, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    specimen = SPECIMENS[name](recovering)
    kills, flows = Kills(recovering, count(1, specimen.kill_every)), list[str]()
    with kills.around_commits(monkeypatch), runs(recovering, specimen, specimen.saga.kind):
        # Until a flow has come to its end before it came to its point.
        while len(kills.killed) == len(flows):
            flows += [await specimen.start() for _ in range(12)]
            await recovering.idle()

    assert len(kills.killed) * specimen.kill_every >= 2 * len(specimen.saga.kind.steps)
    for flow_id in flows:
        await require_ending(recovering, specimen, flow_id, "succeeded")
