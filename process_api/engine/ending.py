"""The end of an order: its flow's end, the event of it and its place in the line, all in one transaction."""

import asyncio
from typing import Any

from sqlalchemy import func, select

from process_api.engine.account_admission import leave_line
from process_api.engine.flows import FlowStatus, change_flow, tenant_of
from process_api.engine.progress import last_said
from process_api.engine.steps import Ending
from process_api.engine.trace import count_ending, order_total
from process_api.engine.worker_lease import Lease
from process_api.event_log import append_event
from process_api.orders.record import change_order
from process_api.store import Store
from process_api.tables import flows, orders
from shared.canonical import OrderStatus
from shared.events import order_ended
from shared.problem import QuotewayError

_ENDINGS = {
    "succeeded": (FlowStatus.succeeded, OrderStatus.booked),
    "rejected": (FlowStatus.rejected, OrderStatus.rejected),
    "compensated": (FlowStatus.compensated, OrderStatus.compensated),
    "parked": (FlowStatus.parked, OrderStatus.parked),
}
# The states of a flow that has come to an end, or to a halt.
ENDED = frozenset(status for status, _ in _ENDINGS.values())
# The database is away: DBOS waits for it in the same way.
_DATABASE_POLL_S = 1.0


async def end_order(store: Store, lease: Lease, flow_id: str, ending: Ending) -> None:
    """The order's end, its flow's end and the event of it, in one transaction. Running it again changes nothing."""
    while True:
        try:
            await _end_order_once(store, lease, flow_id, ending)
        except QuotewayError:
            await asyncio.sleep(_DATABASE_POLL_S)
        else:
            return


async def _end_order_once(store: Store, lease: Lease, flow_id: str, ending: Ending) -> None:
    flow_status, status = _ENDINGS[ending.kind]
    async with store.transaction(tenant_of(flow_id)) as connection:
        await lease.fence(connection)
        query = select(flows).where(flows.c.flow_id == flow_id).with_for_update()
        flow = (await connection.execute(query)).one()
        if flow.status == flow_status:
            return
        said = await last_said(connection, flow_id, ending.step)
        reason = ": ".join(part for part in (ending.preamble, said) if part)
        bad: dict[str, Any] = {"reason_code": ending.reason_code or None, "reason": reason or None}
        message = "The order is booked." if ending.kind == "succeeded" else reason
        version = await change_order(
            connection, flow.subject, status=status, step=ending.step or "end", message=message, **bad
        )
        await change_flow(
            connection,
            flow_id,
            status=flow_status,
            what_to_do=ending.what_to_do or None,
            finished_at=None if flow_status is FlowStatus.parked else func.clock_timestamp(),
            fruitless_starts=0,
            **bad,
        )
        account_id = await connection.scalar(select(orders.c.account_id).where(orders.c.order_id == flow.subject))
        await append_event(
            connection,
            tenant=flow.tenant,
            subject=flow.subject,
            data=order_ended(
                status,
                order_id=flow.subject,
                version=version,
                reason_code=ending.reason_code or None,
                account_id=account_id,
            ),
            correlation_id=flow.correlation_id,
        )
        if ending.kind == "succeeded":
            await leave_line(connection, flow_id)
        total = await order_total(connection, flow.subject)
    count_ending(status, ending.reason_code, total)
