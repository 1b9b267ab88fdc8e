"""Account turns: one flow of an account at a time writes to the vendors.

The CRM locks an account's row for each of its orders, the ERP locks whole tables, and billing locks the customer: two
flows of one account at once only turn each other away. A turn is a row with an end on the database's clock, so it
serves all workers, and one that died keeps it for no longer than that. Nothing about exactly-once rests on it.
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

# Longer than an attempt: it is a few calls, each given up after 15 s.
TURN_S = 60


class LocalTurns:
    """Turns among the flows of one process, first come, first served: while one is at work, the others ask nobody."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, tenant: str, account_id: str) -> AsyncIterator[None]:
        """Around what one flow of this process does for the account."""
        lock = self._locks.setdefault((tenant, account_id), asyncio.Lock())
        async with lock:
            yield


async def take_turn(connection: AsyncConnection, tenant: str, account_id: str, flow_id: str) -> bool:
    """Return whether it is now this flow's turn with the account, which it may also have been before."""
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
    """Let the next flow have its turn. Does nothing where it is not this flow's."""
    await connection.execute(delete(account_turns).where(account_turns.c.flow_id == flow_id))
