"""Account turns: a lock in PostgreSQL, so that one flow of an account at a time writes to the vendors.

The CRM locks an account's row for each of its orders, the ERP locks whole tables, and billing locks the customer: two
flows of one account at once would only be refused. A turn is a row that expires by the database's clock, so it works
across workers and ends after a worker's death. Exactly-once does not depend on it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from weakref import WeakValueDictionary

from sqlalchemy import delete, func, or_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.tables import account_turns

# Longer than an attempt: a few calls, each of which times out after 15 s.
TURN_S = 60


class LocalTurns:
    """Turns among one process's flows, first come, first served: while one runs, the others do not ask the database."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, tenant: str, account_id: str) -> AsyncIterator[None]:
        """Hold the account for one flow of this process during the block."""
        lock = self._locks.setdefault((tenant, account_id), asyncio.Lock())
        async with lock:
            yield


async def take_turn(connection: AsyncConnection, tenant: str, account_id: str, flow_id: str) -> bool:
    """Return whether the flow now has its account's turn; it may have had it already."""
    taken = insert(account_turns).values(
        tenant=tenant, account_id=account_id, flow_id=flow_id, expires_at=func.now() + timedelta(seconds=TURN_S)
    )
    taken = taken.on_conflict_do_update(
        index_elements=["tenant", "account_id"],
        set_={"flow_id": taken.excluded.flow_id, "expires_at": taken.excluded.expires_at},
        where=or_(account_turns.c.flow_id == flow_id, account_turns.c.expires_at <= func.now()),
    )
    return (await connection.execute(taken.returning(account_turns.c.flow_id))).one_or_none() is not None


async def end_turn(connection: AsyncConnection, flow_id: str) -> None:
    """Give the turn back. Does nothing if the flow does not have it."""
    await connection.execute(delete(account_turns).where(account_turns.c.flow_id == flow_id))
