"""An operator's decisions on a flow of a kind that nobody wrote them for."""

from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Row, text

from process_api.engine.decisions import FlowDecisions
from process_api.engine.flow_kind import FlowKind
from process_api.engine.flow_search import FlowSearch
from process_api.engine.steps import Found
from process_api.operations.flow_edits import FlowEdits
from shared.identity.principal import Principal
from shared.problem import Unavailable
from tests.process_api.conftest import Process
from tests.process_api.engine.any_flow import OPERATOR, require_ending, runs, undecided, with_step
from tests.process_api.engine.toy_kind import LEGAL_ENTITY, make_toy_table
from tests.process_api.engine.toy_specimen import ToySpecimen
from tests.process_api.operations.decided import decide

pytestmark = pytest.mark.servers


@pytest_asyncio.fixture(loop_scope="session")
async def toy(process: Process) -> ToySpecimen:
    """A toy to be started."""
    await make_toy_table(process.worker.store)
    return ToySpecimen(process)


async def parked_toy(process: Process, toy: ToySpecimen) -> str:
    """A toy that waits for a person after its first record was made."""
    kind = with_step(toy.saga.kind, "make", undecided)
    with runs(process, toy, kind):
        flow_id = await toy.start()
        await process.idle()
    await require_ending(process, toy, flow_id, "parked")
    return flow_id


async def retry(process: Process, toy: ToySpecimen, kind: FlowKind[Any], flow_id: str) -> None:
    """Have it tried again as `kind` says."""
    with runs(process, toy, kind):
        await FlowDecisions(process.worker.store, {kind.name: kind}).retry(OPERATOR, flow_id)
        await process.idle()


async def test_a_parked_flow_of_any_kind_goes_on(process: Process, toy: ToySpecimen) -> None:
    flow_id = await parked_toy(process, toy)
    await retry(process, toy, toy.saga.kind, flow_id)
    await require_ending(process, toy, flow_id, "succeeded")


async def test_the_look_before_a_retry_takes_no_attempt_of_the_steps_patience(
    process: Process, toy: ToySpecimen
) -> None:
    async def away(_context: Any) -> Found | None:
        raise Unavailable("The vendor is away.", vendor="test")

    flow_id = await parked_toy(process, toy)
    steps = tuple(replace(step, find=away) if step.name == "make" else step for step in toy.saga.kind.steps)

    await retry(process, toy, replace(toy.saga.kind, steps=steps), flow_id)

    query = text(
        "SELECT attempt FROM quoteway.flow_attempts WHERE flow_id = :flow AND step = 'make' AND generation = 2"
    )
    async with process.worker.store.transaction_across_tenants() as connection:
        attempts = list(await connection.scalars(query, {"flow": flow_id}))
    assert len(attempts) == process.settings.step_attempts_max + 1
    assert all(type(attempt) is int for attempt in attempts)


async def test_a_flow_of_a_kind_without_corrections_cannot_be_edited(process: Process, toy: ToySpecimen) -> None:
    flow_id = await parked_toy(process, toy)

    answer = await decide(process, f"/v1/flows/{flow_id}/edit", {"reason": "the test wants to"})

    assert (answer.status_code, "can be corrected" in answer.text) == (409, True)


async def test_a_flow_is_edited_as_the_corrections_of_its_kind_say(process: Process, toy: ToySpecimen) -> None:
    flow_id = await parked_toy(process, toy)
    corrected: list[tuple[str, str]] = []

    class ToyCorrections:
        """Notes what was to be corrected."""

        async def correct(self, principal: Principal, flow: Row[Any], edit: Any) -> None:
            """Note it."""
            assert principal is OPERATOR
            corrected.append((flow.flow_id, edit))

    kind = replace(toy.saga.kind, corrections=lambda _resources, _decisions: ToyCorrections())
    decisions = FlowDecisions(process.worker.store, {kind.name: kind})

    await FlowEdits(decisions, None).edit_and_retry(OPERATOR, flow_id, "another colour")

    assert corrected == [(flow_id, "another colour")]


async def test_flows_of_every_kind_are_listed_for_their_legal_entity(process: Process, toy: ToySpecimen) -> None:
    flow_id = await parked_toy(process, toy)
    flows, letters = process.app.state.flows, process.app.state.dead_letters

    page, _ = await flows.page("nordwind", FlowSearch(), limit=200, legal_entities=frozenset({LEGAL_ENTITY}))
    waiting = await letters.waiting("nordwind", 500, frozenset({LEGAL_ENTITY}))

    assert flow_id in {flow.flow_id for flow in page}
    assert "order_submission" not in {flow.kind for flow in page}
    assert flow_id in {letter.dead_letter_id for letter in waiting}
    assert await letters.legal_entity("nordwind", flow_id) == LEGAL_ENTITY


@pytest.mark.parametrize(("decision", "body"), [("retry", {}), ("discard", {"reason": "the test gives it up"})])
async def test_a_decision_on_a_kind_that_this_process_does_not_know_is_refused(
    process: Process, toy: ToySpecimen, decision: str, body: dict[str, str]
) -> None:
    flow_id = await parked_toy(process, toy)

    answer = await decide(process, f"/v1/flows/{flow_id}/{decision}", body)

    assert (answer.status_code, "another release" in answer.text) == (409, True)
    await require_ending(process, toy, flow_id, "parked")
