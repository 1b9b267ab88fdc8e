"""A flow runs by the step table that it began with, and waits for a worker that knows it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from process_api.engine.flow_kind import FlowKind
from process_api.engine.queueing.queues import EARLIER_QUEUES, QUEUES
from tests.patience import until
from tests.process_api.conftest import Process
from tests.process_api.engine.any_flow import flow_of, runs
from tests.process_api.engine.toy_kind import make_toy_table
from tests.process_api.engine.toy_specimen import ToySpecimen

pytestmark = pytest.mark.servers


async def steps_of(process: Process, flow_id: str) -> list[str]:
    query = text("SELECT step FROM quoteway.flow_steps WHERE flow_id = :flow ORDER BY position")
    async with process.worker.store.transaction_across_tenants() as connection:
        return list(await connection.scalars(query, {"flow": flow_id}))


async def is_delayed(process: Process, flow_id: str) -> bool:
    query = text("SELECT status FROM dbos.workflow_status WHERE workflow_uuid = :workflow")
    async with process.worker.store.transaction_across_tenants() as connection:
        return bool(await connection.scalar(query, {"workflow": f"{flow_id}.booking"}) == "DELAYED")


async def end_delays(process: Process) -> None:
    due = text(
        "UPDATE dbos.workflow_status SET delay_until_epoch_ms = 0 WHERE status = 'DELAYED' AND name = 'run_flow'"
    )
    async with process.worker.store.transaction_across_tenants() as connection:
        await connection.execute(due)


def without_look(kind: FlowKind[Any]) -> FlowKind[Any]:
    """The next release of a kind, which has merged its first step into the second and still knows the first table."""
    return replace(kind, version=2, steps=kind.steps[1:], earlier={1: kind.steps})


async def test_a_flow_runs_by_the_table_it_began_with(process: Process) -> None:
    await make_toy_table(process.worker.store)
    specimen = ToySpecimen(process)
    kind = specimen.saga.kind
    with runs(process, specimen, without_look(kind)):
        before = await specimen.start()
        specimen.saga = replace(specimen.saga, kind=without_look(kind))
        after = await specimen.start()
        await process.idle()

    assert await steps_of(process, before) == ["look", "make", "charge"]
    assert await steps_of(process, after) == ["make", "charge"]
    assert {(await flow_of(process, flow_id)).status for flow_id in (before, after)} == {"succeeded"}


@pytest.mark.parametrize("unknown", ["kind", "step table"])
async def test_a_flow_that_a_worker_does_not_know_waits_for_one_that_does(process: Process, unknown: str) -> None:
    await make_toy_table(process.worker.store)
    specimen = ToySpecimen(process)
    kind = specimen.saga.kind
    newer = replace(kind, name="newer toy") if unknown == "kind" else without_look(kind)
    specimen.saga = replace(specimen.saga, kind=newer)

    with runs(process, specimen, kind):
        flow_id = await specimen.start()
        await until(lambda: is_delayed(process, flow_id))
    assert await steps_of(process, flow_id) == []
    assert (await flow_of(process, flow_id)).fruitless_starts == 0

    with runs(process, specimen, newer):
        await end_delays(process)
        await until(lambda: has_succeeded(process, flow_id))


def test_queues_of_two_releases_are_apart_and_the_page_replaces_workers_first() -> None:
    """Why docs/operations/upgrade.md replaces the workers before the process API."""
    assert set(EARLIER_QUEUES) & set(QUEUES) == set()
    page = Path("docs/operations/upgrade.md").read_text()
    assert page.index("Start the new workers") < page.index("Replace the process API")


async def has_succeeded(process: Process, flow_id: str) -> bool:
    """Whether the flow has ended well."""
    return bool((await flow_of(process, flow_id)).status == "succeeded")
