"""The order as the record of its flow: its status, timeline, event and metrics."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.tables import orders
from process_api.engine.steps import Ending, Found
from process_api.orders.readiness.faults import NotReady
from process_api.orders.record import change_order, keep_faults, order_status
from process_api.outbox.event_log import append_event
from shared.canonical import Money, OrderStatus
from shared.events import order_ended
from shared.problem import QuotewayError
from shared.telemetry.metrics import ORDER_VALUE, ORDERS_ENDED

_STATUS_OF_ENDING = {
    "succeeded": OrderStatus.booked,
    "rejected": OrderStatus.rejected,
    "compensated": OrderStatus.compensated,
    "parked": OrderStatus.parked,
}


@dataclass(frozen=True)
class OrderRecordPort:
    """Changes a flow's order. See FlowRecordPort."""

    first_phase: str = OrderStatus.received.value
    undoing_phase: str = OrderStatus.compensating.value

    async def enter_phase(self, connection: AsyncConnection, subject: str, phase: str, step: str) -> None:
        """Set the order's status for this step."""
        await change_order(connection, subject, status=OrderStatus(phase), step=step, message=f"Now {phase}.")

    async def note_found(self, connection: AsyncConnection, subject: str, step: str, found: Found) -> None:
        """Write a step's finding to the order and its timeline."""
        status = await order_status(connection, subject)
        await change_order(connection, subject, status=status, step=step, message=found.message, **found.changes)

    async def note_refused(self, connection: AsyncConnection, flow_id: str, error: QuotewayError) -> None:
        """Store every fault of a refused quote with its order."""
        if isinstance(error, NotReady):
            await keep_faults(connection, flow_id, error.readiness_faults)

    async def end(self, connection: AsyncConnection, flow: Row[Any], ending: Ending, reason: str) -> Callable[[], None]:
        """Write the order's end and its event. Returns the function that counts it."""
        status, reason_code = _STATUS_OF_ENDING[ending.kind], ending.reason_code or None
        version = await change_order(
            connection,
            flow.subject,
            status=status,
            step=ending.step or "end",
            message="The order is booked." if ending.kind == "succeeded" else reason,
            reason_code=reason_code,
            reason=reason or None,
        )
        await append_event(
            connection,
            tenant=flow.tenant,
            subject=flow.subject,
            data=order_ended(
                status, order_id=flow.subject, version=version, reason_code=reason_code, account_id=flow.account_id
            ),
            correlation_id=flow.correlation_id,
        )
        return partial(_count, status, ending.reason_code, await _total(connection, flow.subject))

    async def go_on(self, connection: AsyncConnection, subject: str, phase: str, step: str, message: str) -> None:
        """Set a parked order under way again."""
        cleared = {"reason_code": None, "reason": None, "faults": None}
        await change_order(connection, subject, status=OrderStatus(phase), step=step, message=message, **cleared)


async def _total(connection: AsyncConnection, order_id: str) -> Money | None:
    """Return an order's total, tax included, once it is known."""
    query = select(orders.c.total, orders.c.currency).where(orders.c.order_id == order_id)
    row = (await connection.execute(query)).one()
    return Money.of(row.total, row.currency) if row.total is not None else None


def _count(status: OrderStatus, reason_code: str, total: Money | None) -> None:
    """Count an ended order, and its total if it is booked."""
    ORDERS_ENDED.labels(status.value, reason_code).inc()
    if status is OrderStatus.booked and total is not None:
        ORDER_VALUE.labels(total.currency).inc(float(total.value))
