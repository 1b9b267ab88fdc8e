"""The queues that flows wait in: each has a lane for every vendor connection, and a lane has its own limit.

    order-intake    a lane a tenant: the quote is read from the tenant's CRM, and says whose books the order is for
    order-booking   a lane a legal entity: all else happens in that legal entity's ERP and billing
    second-look     a lane a legal entity: what arrived late is looked for some minutes after an order's end

So a connection that is slow or dead holds up the orders that need it, and no others (docs/decisions/0024).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    # The engine itself is the worker's: imported into the API's processes it would be a fifth of their memory.
    from dbos import EnqueueOptions
    from sqlalchemy.ext.asyncio import AsyncConnection

# The engine's name for all processes that share its tables.
APPLICATION = "quoteway"
INTAKE_QUEUE = "order-intake"
BOOKING_QUEUE = "order-booking"
SECOND_LOOK_QUEUE = "second-look"
QUEUES = (INTAKE_QUEUE, BOOKING_QUEUE, SECOND_LOOK_QUEUE)
INTAKE_WORKFLOW = "order_submission"
BOOKING_WORKFLOW = "order_booking"
SECOND_LOOK_WORKFLOW = "order_second_look"
# One version a change of the saga's steps: a worker only takes flows of its own version (FAILURES.md, row 23).
WORKFLOW_VERSION = "3"


def in_intake(flow_id: str, generation: int, *, tenant: str) -> EnqueueOptions:
    """A flow's place where its quote is read."""
    return {
        "queue_name": INTAKE_QUEUE,
        "queue_partition_key": tenant,
        "workflow_name": INTAKE_WORKFLOW,
        "workflow_id": workflow_ids(flow_id, generation)[0],
        "app_version": WORKFLOW_VERSION,
    }


def in_booking(flow_id: str, generation: int, *, tenant: str, legal_entity: str) -> EnqueueOptions:
    """A flow's place where everything after its quote is done."""
    return {
        "queue_name": BOOKING_QUEUE,
        "queue_partition_key": f"{tenant}/{legal_entity}",
        "workflow_name": BOOKING_WORKFLOW,
        "workflow_id": workflow_ids(flow_id, generation)[1],
        "app_version": WORKFLOW_VERSION,
    }


def in_second_look(flow_id: str, look: int = 1, *, tenant: str, legal_entity: str, delay_s: int) -> EnqueueOptions:
    """A place that a flow which has ended takes once that time is over; `look` counts how often it does."""
    return {
        "queue_name": SECOND_LOOK_QUEUE,
        "queue_partition_key": f"{tenant}/{legal_entity}",
        "workflow_name": SECOND_LOOK_WORKFLOW,
        "workflow_id": f"{flow_id}.second-look" + (f".{look}" if look > 1 else ""),
        "app_version": WORKFLOW_VERSION,
        "delay_seconds": delay_s,
    }


# The workflow engine's own function for whoever enqueues without it.
_ENQUEUE = text(
    "SELECT dbos.enqueue_workflow("
    "workflow_name => :workflow_name, queue_name => :queue_name, workflow_id => :workflow_id,"
    " queue_partition_key => :queue_partition_key, app_version => :app_version, application_name => :application_name,"
    " positional_args => ARRAY(SELECT json_array_elements(CAST(:arguments AS json))))"
)


async def enqueue(connection: AsyncConnection, place: EnqueueOptions, *arguments: str | int) -> None:
    """Put a flow into its queue, in this transaction: what exists is queued, and what is queued exists."""
    await connection.execute(_ENQUEUE, {**place, "application_name": APPLICATION, "arguments": json.dumps(arguments)})


def workflow_ids(flow_id: str, generation: int) -> tuple[str, str]:
    """The durable workflows of a flow's generation: the one that reads the quote, and the one that does the rest."""
    first = flow_id if generation == 1 else f"{flow_id}.r{generation}"
    return first, f"{first}.booking"
