"""Account admission: one flow of an account is in its connection's lane at a time; the others wait in line.

The CRM locks an account's row for each of its orders, the ERP locks whole tables, and billing locks the customer: two
flows of one account at once only turn each other away. And one that waited in the lane would hold a place that a flow
of another account could use. A flow that leaves lets the next one in, in one transaction: a flow in line is either
waiting, or in the queue. Nothing about exactly-once rests on it (docs/decisions/0100).
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.store import Store
from process_api.database.tables import account_lines, flows
from process_api.engine.queueing.queues import enqueue, in_run, workflow_ids

# With two, one could read while the other writes; they would have to take turns at writing (docs/decisions/0012).
AT_ONCE_MAX = 1
_AT_WORK = text(
    "SELECT workflow_uuid FROM dbos.workflow_status"
    " WHERE workflow_uuid = ANY(:workflow_ids) AND status IN ('ENQUEUED', 'PENDING', 'DELAYED')"
).bindparams(bindparam("workflow_ids"))
_line = account_lines.c


async def join_line(connection: AsyncConnection, flow_id: str, generation: int) -> None:
    """Enqueue a flow, at once or when it is admitted. Repeating it changes nothing."""
    query = select(flows.c.tenant, flows.c.subject, flows.c.account_id, flows.c.legal_entity)
    flow = (await connection.execute(query.where(flows.c.flow_id == flow_id))).one()
    account_id = flow.account_id or flow.subject
    joining = insert(account_lines).values(
        flow_id=flow_id,
        tenant=flow.tenant,
        account_id=account_id,
        legal_entity=flow.legal_entity,
        generation=generation,
    )
    await connection.execute(
        joining.on_conflict_do_update(
            index_elements=["flow_id"],
            set_={"generation": joining.excluded.generation, "admitted": False},
            where=_line.generation < joining.excluded.generation,
        )
    )
    await _admit(connection, flow.tenant, account_id)


async def leave_line(connection: AsyncConnection, flow_id: str) -> None:
    """Admit the account's next flow. Does nothing if the flow is not listed."""
    gone = delete(account_lines).where(_line.flow_id == flow_id).returning(_line.tenant, _line.account_id)
    left = (await connection.execute(gone)).one_or_none()
    if left is not None:
        await _admit(connection, left.tenant, left.account_id)


async def let_waiting_in(store: Store) -> None:
    """Admit flows that wait behind one that ended without leaving. Joining and leaving do that too."""
    async with store.transaction_across_tenants() as connection:
        query = select(_line.tenant, _line.account_id).where(_line.admitted.is_(False)).distinct()
        accounts = (await connection.execute(query)).all()
    for tenant, account_id in accounts:
        async with store.transaction(tenant) as connection:
            await _admit(connection, tenant, account_id)


async def _admit(connection: AsyncConnection, tenant: str, account_id: str) -> None:
    # One transaction per account at a time, so that each sees what the one before has admitted.
    key = func.hashtextextended(f"quoteway.account_lines:{tenant}:{account_id}", 0)
    await connection.execute(select(func.pg_advisory_xact_lock(key)))
    theirs = select(account_lines).where(_line.tenant == tenant, _line.account_id == account_id)
    waiting = theirs.where(_line.admitted.is_(False)).order_by(_line.position).limit(AT_ONCE_MAX)
    following = (await connection.execute(waiting)).all()
    if not following:
        return
    inside = (await connection.execute(theirs.where(_line.admitted))).all()
    if len(inside) >= AT_ONCE_MAX:
        inside = await _still_at_work(connection, inside)
    for row in following[: max(0, AT_ONCE_MAX - len(inside))]:
        await connection.execute(update(account_lines).where(_line.flow_id == row.flow_id).values(admitted=True))
        place = in_run(row.flow_id, row.generation, tenant=row.tenant, legal_entity=row.legal_entity)
        await enqueue(connection, place, row.flow_id, row.generation)


async def _still_at_work(connection: AsyncConnection, inside: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    """Return the flows whose workflow has not ended: one that a defect ended never left, and must not block its
    account.
    """
    workflows = {workflow_ids(row.flow_id, row.generation)[1]: row for row in inside}
    at_work = set(await connection.scalars(_AT_WORK, {"workflow_ids": list(workflows)}))
    gone = [row.flow_id for workflow_id, row in workflows.items() if workflow_id not in at_work]
    await connection.execute(delete(account_lines).where(_line.flow_id.in_(gone)))
    return [row for workflow_id, row in workflows.items() if workflow_id in at_work]
