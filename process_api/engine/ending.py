"""Ends a flow: its status, its business record's end and its admission slot, in one transaction.

Nothing else ends or parks a flow. What follows an end (the report, the sweep for late requests) can fail, and is then
noted for the operator.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.store import Store, when_available
from process_api.database.tables import flows
from process_api.engine.flow_kind import FlowKind
from process_api.engine.flows import FlowStatus, add_what_to_do, change_flow, remove_what_to_do, tenant_of
from process_api.engine.progress import last_said, outcome_was_uncertain
from process_api.engine.queueing import account_admission
from process_api.engine.queueing.queues import enqueue, in_sweep
from process_api.engine.steps import Ending
from process_api.engine.worker_lease import Lease
from shared.problem import QuotewayError

# The statuses of a flow that has ended or is parked.
ENDED = frozenset({FlowStatus.succeeded, FlowStatus.rejected, FlowStatus.compensated, FlowStatus.parked})
_WORKERS_DIED = "{} workers in a row crashed while running this flow, without progress."
_GIVEN_UP = (
    "Look for what ended those workers (out of memory? a crash in the log?), have it mended, and have the flow tried "
    "again."
)
_UNSWEPT = "{}; the second look could not be made yet, and is repeated."


async def end_flow(
    store: Store, lease: Lease, kind: FlowKind[Any], flow_id: str, ending: Ending, sweep_after_s: int
) -> None:
    """Write down how a flow has ended. Running it again changes nothing."""

    async def end(connection: AsyncConnection) -> Callable[[], None]:
        await lease.fence(connection)
        return await end_in(connection, kind, flow_id, ending, sweep_after_s)

    count = await when_available(store, tenant_of(flow_id), end)
    count()


async def end_in(
    connection: AsyncConnection, kind: FlowKind[Any], flow_id: str, ending: Ending, sweep_after_s: int
) -> Callable[[], None]:
    """Do as `end_flow`, in a fenced transaction of the caller's. Returns what counts the end, once it is committed."""
    status = FlowStatus(ending.kind)
    flow = (await connection.execute(select(flows).where(flows.c.flow_id == flow_id).with_for_update())).one()
    if flow.status == status:
        return _count_nothing
    said = await last_said(connection, flow_id, ending.step) if ending.step else ""
    reason = ": ".join(part for part in (ending.preamble, said) if part)
    count = await kind.record.end(connection, flow, ending, reason)
    parked = status is FlowStatus.parked
    await change_flow(
        connection,
        flow_id,
        status=status,
        reason_code=ending.reason_code or None,
        reason=reason or None,
        what_to_do=ending.what_to_do or None,
        finished_at=None if parked else func.clock_timestamp(),
        parked_at=func.clock_timestamp() if parked else None,
        fruitless_starts=0,
    )
    if status is FlowStatus.succeeded:
        await account_admission.leave_line(connection, flow_id)
    swept = kind.late_request_sweep is not None and not parked
    # A request of one of these steps may still be on its way to a vendor.
    if swept and await outcome_was_uncertain(connection, flow_id, kind.vendor_writes):
        await sweep_in(connection, flow, 1, sweep_after_s)
    return count


async def sweep_in(connection: AsyncConnection, flow: Row[Any], look: int, delay_s: int) -> None:
    """Have the vendors looked at for what arrived late, once that time is over."""
    place = in_sweep(flow.flow_id, look, tenant=flow.tenant, legal_entity=flow.legal_entity, delay_s=delay_s)
    await enqueue(connection, place, *([flow.flow_id] if look == 1 else [flow.flow_id, look]))


def _count_nothing() -> None:
    """Do nothing: the end was recorded before."""


async def give_up(store: Store, lease: Lease, kind: FlowKind[Any], flow_id: str, starts_max: int) -> None:
    """Park a crash-looping flow. If it has already ended, note the skipped follow-up for the operator."""
    advice = kind.advice
    what_to_do = f"{_GIVEN_UP} {advice.unreported}."
    ending = Ending("parked", "", "workers_died", _WORKERS_DIED.format(starts_max), what_to_do)

    async def has_ended(connection: AsyncConnection) -> bool:
        return await connection.scalar(select(flows.c.status).where(flows.c.flow_id == flow_id)) in ENDED

    async def let_others_go_on(connection: AsyncConnection) -> None:
        # Without the fence, a flow that is no longer ours would give away its own next generation's slot.
        await lease.fence(connection)
        await account_admission.leave_line(connection, flow_id)
        if ended:
            to_do = f"{ending.preamble} {advice.unswept}, and {advice.tell}."
            await add_what_to_do(connection, flow_id, to_do)

    ended = await when_available(store, tenant_of(flow_id), has_ended)
    if not ended:
        await end_flow(store, lease, kind, flow_id, ending, sweep_after_s=0)  # parked: not swept
    await when_available(store, tenant_of(flow_id), let_others_go_on)


async def leave_line(store: Store, lease: Lease, flow_id: str) -> None:
    """Admit the account's next flow, after an end other than success has been reported."""

    async def leave(connection: AsyncConnection) -> None:
        await lease.fence(connection)
        await account_admission.leave_line(connection, flow_id)

    await when_available(store, tenant_of(flow_id), leave)


async def note_unreported(store: Store, kind: FlowKind[Any], flow_id: str) -> None:
    """Note for the operator that the report of an end failed, which nobody else can see."""
    if kind.report_ending is None:
        return
    with suppress(QuotewayError):  # without a database, the attempts of the report still show it
        async with store.transaction(tenant_of(flow_id)) as connection:
            said = await last_said(connection, flow_id, kind.report_ending.name)
            await add_what_to_do(connection, flow_id, f"{kind.advice.unreported}; {kind.advice.tell}. ({said})")


async def note_sweep(store: Store, kind: FlowKind[Any], flow_id: str, outcome: str) -> None:
    """Note for the operator that the sweep for late requests failed, or remove that note."""
    if kind.late_request_sweep is None:
        return
    unswept = _UNSWEPT.format(kind.advice.unswept)
    with suppress(QuotewayError):
        async with store.transaction(tenant_of(flow_id)) as connection:
            await remove_what_to_do(connection, flow_id, unswept)
            if outcome in {"unavailable", "unknown"}:
                await add_what_to_do(connection, flow_id, unswept)
            elif outcome != "done":
                said = await last_said(connection, flow_id, kind.late_request_sweep.name)
                await add_what_to_do(connection, flow_id, f"{kind.advice.unswept}; the second look failed. ({said})")


async def sweep_early_s(store: Store, flow_id: str, sweep_after_s: int) -> float:
    """Return how many seconds too early a sweep is by the database's clock: DBOS started it by a worker's clock."""

    async def passed_s(connection: AsyncConnection) -> float:
        since_s = func.extract("epoch", func.now() - flows.c.finished_at)
        return float(await connection.scalar(select(since_s).where(flows.c.flow_id == flow_id)) or 0)

    return max(0.0, sweep_after_s - await when_available(store, tenant_of(flow_id), passed_s))
