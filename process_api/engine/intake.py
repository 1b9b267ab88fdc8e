"""Starts a flow: its row and its queue entry, in the transaction that writes its business record."""

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.tables import flows
from process_api.engine.flow_kind import FlowKind
from process_api.engine.flows import Authority, FlowStatus
from process_api.engine.queueing.account_admission import join_line
from process_api.engine.queueing.queues import enqueue, in_begin
from shared.telemetry.process_telemetry import current_correlation_id
from shared.telemetry.tracing import recorded_traceparent


@dataclass(frozen=True)
class NewFlow:
    """A flow to be started. `subject` is its business record, `authority` the authority of its caller.

    Account and legal entity are set if the kind knows them at intake.
    """

    flow_id: str
    tenant: str
    subject: str
    requested_by: str
    authority: Authority
    account_id: str | None = None
    legal_entity: str | None = None


async def start_flow(connection: AsyncConnection, kind: FlowKind[Any], flow: NewFlow) -> None:
    """Write and enqueue a flow in the caller's transaction, so that a flow exists exactly if it is queued."""
    await connection.execute(
        insert(flows).values(
            flow_id=flow.flow_id,
            tenant=flow.tenant,
            kind=kind.name,
            subject=flow.subject,
            status=FlowStatus.queued,
            account_id=flow.account_id,
            legal_entity=flow.legal_entity,
            step_table=kind.version,
            correlation_id=current_correlation_id(),
            traceparent=recorded_traceparent(),
            requested_by=flow.requested_by,
            authority=msgspec.to_builtins(flow.authority),
        )
    )
    if kind.connection_known_after is None:
        await join_line(connection, flow.flow_id, 1)
    else:
        await enqueue(connection, in_begin(flow.flow_id, 1, tenant=flow.tenant), flow.flow_id)
