"""Events: facts written in the same transaction as the state change that they report (the outbox)."""

import uuid

import msgspec
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.notices import EVENTS, tell
from process_api.database.tables import events
from shared.events import EventData


async def append_event(
    connection: AsyncConnection, *, tenant: str, subject: str, data: EventData, correlation_id: str
) -> uuid.UUID:
    """Append an event of `subject`, in the caller's transaction, with the subject's next sequence number.

    The caller holds the lock on the subject's row (it has just changed it), so that two writers cannot take the same
    number.
    """
    event_id = uuid.uuid4()
    following = select(func.coalesce(func.max(events.c.sequence), 0) + 1).where(
        events.c.tenant == tenant, events.c.subject == subject
    )
    await connection.execute(
        insert(events).values(
            event_id=event_id,
            tenant=tenant,
            subject=subject,
            sequence=following.scalar_subquery(),
            type=data.event_type,
            data=msgspec.to_builtins(data),
            correlation_id=correlation_id,
        )
    )
    await tell(connection, EVENTS)
    return event_id
