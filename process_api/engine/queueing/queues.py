"""The queues of flows. Each is partitioned by vendor connection, and each partition has its own limit.

    flow-begin   a partition per tenant: the steps until the legal entity is known
    flow-run     a partition per legal entity: all other steps, in that legal entity's ERP and billing
    flow-sweep   a partition per legal entity: the search for late requests, some minutes after a flow's end

So a slow or dead connection delays only the flows that need it (docs/decisions/0024).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import text

from process_api.database.direct import run
from process_api.database.notices import CHANNEL

if TYPE_CHECKING:
    # Only workers import the library: in the API's processes it would be a fifth of their memory.
    from dbos import EnqueueOptions
    from sqlalchemy.ext.asyncio import AsyncConnection

# The library's name for all processes that share its tables.
APPLICATION = "quoteway"
BEGIN_QUEUE = "flow-begin"
RUN_QUEUE = "flow-run"
SWEEP_QUEUE = "flow-sweep"
QUEUES = (BEGIN_QUEUE, RUN_QUEUE, SWEEP_QUEUE)
# The queues of the release before (docs/decisions/0090). Nothing is enqueued there any more.
EARLIER_QUEUES = ("order-intake", "order-booking", "second-look")
BEGIN_WORKFLOW = "begin_flow"
RUN_WORKFLOW = "run_flow"
SWEEP_WORKFLOW = "sweep_flow"
# The version of the three durable workflows, not of any process's steps: a worker only dequeues flows of its own
# version.
WORKFLOW_VERSION = "3"


def in_begin(flow_id: str, generation: int, *, tenant: str) -> EnqueueOptions:
    """Return a flow's queue entry while its legal entity is unknown."""
    return {
        "queue_name": BEGIN_QUEUE,
        "queue_partition_key": tenant,
        "workflow_name": BEGIN_WORKFLOW,
        "workflow_id": workflow_ids(flow_id, generation)[0],
        "app_version": WORKFLOW_VERSION,
    }


def in_run(flow_id: str, generation: int, *, tenant: str, legal_entity: str) -> EnqueueOptions:
    """Return a flow's queue entry in its legal entity's partition."""
    return {
        "queue_name": RUN_QUEUE,
        "queue_partition_key": f"{tenant}/{legal_entity}",
        "workflow_name": RUN_WORKFLOW,
        "workflow_id": workflow_ids(flow_id, generation)[1],
        "app_version": WORKFLOW_VERSION,
    }


def in_sweep(flow_id: str, look: int = 1, *, tenant: str, legal_entity: str, delay_s: int) -> EnqueueOptions:
    """Return a delayed queue entry for the sweep of an ended flow; `look` counts its sweeps."""
    return {
        "queue_name": SWEEP_QUEUE,
        "queue_partition_key": f"{tenant}/{legal_entity}",
        "workflow_name": SWEEP_WORKFLOW,
        "workflow_id": f"{flow_id}.second-look" + (f".{look}" if look > 1 else ""),
        "app_version": WORKFLOW_VERSION,
        "delay_seconds": delay_s,
    }


# The library's own function for processes that enqueue without it.
_ENQUEUE = """
SELECT pg_notify(%(channel)s, %(queue_name)s), dbos.enqueue_workflow(
    workflow_name => %(workflow_name)s, queue_name => %(queue_name)s, workflow_id => %(workflow_id)s,
    queue_partition_key => %(queue_partition_key)s, app_version => %(app_version)s,
    application_name => %(application_name)s,
    positional_args => ARRAY(SELECT json_array_elements(%(arguments)s::json)),
    delay_until_epoch_ms => (extract(epoch FROM clock_timestamp()) * 1000)::bigint + %(delay_ms)s::bigint)
"""


async def enqueue(connection: AsyncConnection, place: EnqueueOptions, *arguments: str | int) -> None:
    """Put a flow into its queue, in this transaction: what exists is queued, and what is queued exists.

    Workers are told of it once that is committed.
    """
    delay_s = place.get("delay_seconds")
    await run(
        connection,
        _ENQUEUE,
        channel=CHANNEL,
        workflow_name=place["workflow_name"],
        workflow_id=place["workflow_id"],
        queue_name=place["queue_name"],
        queue_partition_key=place["queue_partition_key"],
        app_version=place["app_version"],
        application_name=APPLICATION,
        arguments=json.dumps(arguments),
        delay_ms=None if delay_s is None else round(delay_s * 1000),
    )


def workflow_ids(flow_id: str, generation: int) -> tuple[str, str]:
    """Return the durable workflows of a flow's generation: the begin workflow and the run workflow."""
    first = flow_id if generation == 1 else f"{flow_id}.r{generation}"
    return first, f"{first}.booking"


_DELAY = text(
    "UPDATE dbos.workflow_status SET status = 'DELAYED', owner_xid = NULL, started_at_epoch_ms = NULL,"
    " delay_until_epoch_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + :delay_ms"
    " WHERE workflow_uuid = :workflow_id AND status = 'PENDING' AND executor_id = :executor_id"
)


async def delay(connection: AsyncConnection, workflow_id: str, executor_id: str, delay_s: int) -> None:
    """Return a workflow that this executor has started to its queue, with a delay in seconds."""
    values = {"workflow_id": workflow_id, "executor_id": executor_id, "delay_ms": delay_s * 1000}
    await connection.execute(_DELAY, values)
