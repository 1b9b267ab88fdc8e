"""A deploy in the middle of flows (docs/failures.md, row 23): each flow of the release before ends as it would have."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from process_api import migrate
from sandbox.engines.postgres import PostgresEngine, RedisEngine
from sandbox.processes.process import RunningProcess
from shared.canonical import ErpOrderState, SubscriptionStatus
from tests.faults.plant_settings import plant_settings
from tests.faults.recorded_release import Release, read_release, restore_rows, restore_vendors
from tests.issuer_process import bearer, start_issuer
from tests.patience import until
from tests.process_api.system_server import running_system
from tests.process_api.workers.worker_processes import Plant, running_plant

pytestmark = pytest.mark.servers
# Where the recorded release's migrations end.
ITS_REVISION = "0017"
DECISIONS = {
    "parked, then retry": ("retry", {}),
    "parked, then discard": ("discard", {"reason": "the test gives it up"}),
}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProcess]:
    """The sandbox's issuer."""
    with start_issuer(tmp_path_factory.mktemp("issuer")) as process:
        yield process


@pytest.fixture(scope="module")
def release() -> Release:
    """The release before, with its flows."""
    return read_release()


@pytest_asyncio.fixture(loop_scope="session")
async def upgraded(
    postgres: PostgresEngine, redis_engine: RedisEngine, issuer: RunningProcess, tmp_path: Path, release: Release
) -> AsyncIterator[Plant]:
    """A plant whose database the release before has left, migrated to this one; no worker runs yet."""

    def upgrade(database_url: str) -> None:
        migrate.upgrade(database_url, ITS_REVISION)
        migrate.prepare_workflows(database_url)
        restore_rows(release, database_url)
        migrate.migrate(database_url)

    settings = plant_settings(postgres, redis_engine, issuer, tmp_path)
    with running_system() as server:
        restore_vendors(release, server.system)
        async with running_plant(settings, postgres, issuer, server, tmp_path, upgrade) as plant:
            yield plant


def journal_of(plant: Plant, order_id: str) -> list[tuple[str, str]]:
    """What was done for an order at the vendors, reports left out."""
    return sorted(entry for entry in plant.server.system.journal if entry[0] != "report" and order_id in entry[1])


def assert_left_as_it_ended(plant: Plant, order_id: str, ends: str) -> None:
    """A booked order is with every vendor once, and of any other one nothing is left."""
    system = plant.server.system
    if ends == "booked":
        made = [("subscription.create", f"{order_id}-{period}") for period in ("month", "year")]
        assert journal_of(plant, order_id) == sorted(
            [("order.create", order_id), ("order.confirmed", order_id), *made]
        ), order_id
        return
    assert system.orders[order_id].state is ErpOrderState.cancelled
    theirs = [found for name, found in system.subscriptions.items() if name.startswith(order_id)]
    assert all(found.status is SubscriptionStatus.cancelled for found in theirs)


async def test_row_23_every_flow_of_the_release_before_ends_as_it_would_have(
    upgraded: Plant, issuer: RunningProcess, release: Release
) -> None:
    operator = await bearer(issuer, "integration-operator", "quoteway-process")
    for order_id, stopped in release.flows.items():
        if stopped.point in DECISIONS:
            decision, body = DECISIONS[stopped.point]
            path = f"/v1/flows/nordwind.{order_id}/{decision}"
            decided = await upgraded.client.post(path, json=body, headers=operator)
            assert decided.status_code == 202, (stopped, decided.text)
    await upgraded.rows("UPDATE dbos.workflow_status SET delay_until_epoch_ms = 0 WHERE status = 'DELAYED' RETURNING 1")
    await upgraded.start_worker(second_look_s=0)

    async def unended() -> list[Any]:
        return await upgraded.rows(
            "SELECT workflow_uuid, status FROM dbos.workflow_status"
            " WHERE status IN ('PENDING', 'ENQUEUED', 'DELAYED', 'ERROR')"
        )

    await until(lambda: is_empty(unended))
    for order_id, stopped in release.flows.items():
        order = await upgraded.order(order_id)
        assert order["status"] == stopped.ends, (stopped, order)
        assert_left_as_it_ended(upgraded, order_id, stopped.ends)
    ended = await upgraded.rows("SELECT subject, type FROM quoteway.events WHERE type <> 'order.parked'")
    assert sorted(tuple(row) for row in ended) == sorted(
        (order_id, f"order.{stopped.ends}") for order_id, stopped in release.flows.items()
    )
    told = {order_id: report.status.value for order_id, report in upgraded.server.system.reports.items()}
    assert told == {order_id: stopped.ends for order_id, stopped in release.flows.items()}


async def is_empty(rows: Any) -> bool:
    """Whether a query finds nothing."""
    return not await rows()


async def test_row_23_flows_of_the_release_before_are_shown_to_their_legal_entity(
    upgraded: Plant, release: Release
) -> None:
    known = await upgraded.rows(
        "SELECT subject FROM quoteway.flows WHERE account_id IS NOT NULL AND legal_entity = 'NW-DE'"
    )
    orders = await upgraded.rows("SELECT order_id FROM quoteway.orders WHERE legal_entity IS NOT NULL")
    assert {row.subject for row in known} == {row.order_id for row in orders}
    assert len(release.flows) > len(known) > len(release.flows) / 2


async def test_row_23_a_worker_of_the_release_before_still_tells_the_flow_of_its_account(upgraded: Plant) -> None:
    unread = "SELECT flow_id FROM quoteway.flows WHERE legal_entity IS NULL LIMIT 1"
    ((flow_id,),) = await upgraded.rows(unread)
    written = "UPDATE quoteway.orders SET account_id = 'A', legal_entity = 'NW-US' WHERE flow_id = :flow RETURNING 1"
    await upgraded.rows(written, flow=flow_id)

    ((account_id, legal_entity),) = await upgraded.rows(
        "SELECT account_id, legal_entity FROM quoteway.flows WHERE flow_id = :flow", flow=flow_id
    )

    assert (account_id, legal_entity) == ("A", "NW-US")


async def test_row_23_mutation_without_its_queues_the_release_before_leaves_flows_for_ever(
    upgraded: Plant, release: Release
) -> None:
    await upgraded.start_worker(module="tests.faults.doomed_worker", test_without="earlier queues")
    (order_id,) = await upgraded.submitted()
    await upgraded.all_booked([order_id])

    queued = next(each for each, stopped in release.flows.items() if stopped.point == "queued")
    assert (await upgraded.order(queued))["status"] == "received"
