"""The order as the record of its flow: its status, timeline, event and metrics."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.tables import orders
from process_api.engine.failures import Failure, last_failure
from process_api.engine.steps import Ending, Found
from process_api.orders.readiness.faults import NotReady
from process_api.orders.record import change_order, keep_faults
from process_api.orders.reports.seller_endings import delay_for_seller, reason_for_seller
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

_BEGUN = {
    OrderStatus.validating: "Now quote, customer, credit, prices and tax are checked.",
    OrderStatus.booking: "Now the ERP is asked to book the order.",
    OrderStatus.provisioning: "Now billing is asked to start the subscriptions.",
    OrderStatus.compensating: "Now what was booked is taken back.",
}
_DECIDED = {
    "retry": "The integration team has had the order tried again.",
    "edit": "The integration team has corrected the order and had it tried again.",
    "discard": "The integration team has given the order up. What was booked of it is being taken back.",
}


@dataclass(frozen=True)
class OrderRecordPort:
    """Changes a flow's order. See FlowRecordPort."""

    first_phase: str = OrderStatus.received.value
    undoing_phase: str = OrderStatus.compensating.value

    async def enter_phase(self, connection: AsyncConnection, subject: str, phase: str, step: str) -> None:
        """Move the order on to the status that begins with this step."""
        status = OrderStatus(phase)
        await change_order(connection, subject, status=status, step=step, message=_BEGUN.get(status, "Under way."))

    async def note_found(self, connection: AsyncConnection, subject: str, step: str, found: Found) -> None:
        """Put what a step found on the order and its timeline."""
        await change_order(connection, subject, status=None, step=step, message=found.message, **found.changes)

    async def note_refused(self, connection: AsyncConnection, flow_id: str, error: QuotewayError) -> None:
        """Store every fault of a refused quote with its order."""
        if isinstance(error, NotReady):
            await keep_faults(connection, flow_id, error.readiness_faults)

    async def note_delayed(self, connection: AsyncConnection, subject: str, step: str, failure: Failure) -> None:
        """Say on the timeline what the order waits for."""
        answer = delay_for_seller(failure.said, failure.system)
        message = f"Delayed. {answer} Tried {failure.attempt} of {failure.attempts_max} times; it goes on by itself."
        await change_order(connection, subject, status=None, step=step, message=message)

    async def end(self, connection: AsyncConnection, flow: Row[Any], ending: Ending, reason: str) -> Callable[[], None]:
        """Write the order's end and its event. Returns the function that counts it."""
        status, reason_code = _STATUS_OF_ENDING[ending.kind], ending.reason_code or None
        told = await _told(connection, flow, ending, reason)
        version = await change_order(
            connection,
            flow.subject,
            status=status,
            step=ending.step or "end",
            message=told or "The order is booked.",
            reason_code=reason_code,
            reason=told or None,
        )
        facts = await _facts(connection, flow.subject)
        await append_event(
            connection,
            tenant=flow.tenant,
            subject=flow.subject,
            data=order_ended(
                status,
                reason_code=reason_code,
                order_id=flow.subject,
                version=version,
                account_id=flow.account_id,
                **facts,
            ),
            correlation_id=flow.correlation_id,
        )
        return partial(_count, status, ending.reason_code, facts["total"])

    async def go_on(
        self,
        connection: AsyncConnection,
        subject: str,
        phase: str,
        step: str,
        message: str,  # noqa: ARG002 it names people and steps, which are not for sellers
    ) -> None:
        """Have a parked order be under way again. Who decided it, and why, is with the decision."""
        cleared = {"reason_code": None, "reason": None, "faults": None}
        told = _DECIDED.get(step, _DECIDED["retry"])
        await change_order(connection, subject, status=OrderStatus(phase), step=step, message=told, **cleared)


async def _told(connection: AsyncConnection, flow: Row[Any], ending: Ending, reason: str) -> str:
    """Why the order is not booked, in its seller's words. Of a quote that is not ready, every fault."""
    faults = await connection.scalar(select(orders.c.faults).where(orders.c.order_id == flow.subject))
    said = reason.removeprefix(ending.preamble).removeprefix(": ")
    undoing_to = (flow.undoing_to or {}).get("kind", "")
    readable = bool(faults)
    return reason_for_seller(ending, said, last_failure(flow.results), undoing_to=undoing_to, readable=readable)


async def _facts(connection: AsyncConnection, order_id: str) -> dict[str, Any]:
    """Return what an order's event says of it beside its end (see OrderEnding)."""
    columns = (orders.c.quote_id, orders.c.quote_revision, orders.c.total, orders.c.currency)
    query = select(*columns, orders.c.erp_order_number, orders.c.subscription_ids)
    row = (await connection.execute(query.where(orders.c.order_id == order_id))).one()
    return {
        "quote_id": row.quote_id,
        "quote_revision": row.quote_revision,
        "total": Money.of(row.total, row.currency) if row.total is not None else None,
        "erp_order_number": row.erp_order_number,
        "subscription_ids": list(row.subscription_ids),
    }


def _count(status: OrderStatus, reason_code: str, total: Money | None) -> None:
    """Count an ended order, and its total if it is booked."""
    ORDERS_ENDED.labels(status.value, reason_code).inc()
    if status is OrderStatus.booked and total is not None:
        ORDER_VALUE.labels(total.currency).inc(float(total.value))
