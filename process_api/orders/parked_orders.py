"""What a person who decides about a parked order wants to know of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.tables import orders
from process_api.orders.readiness.quote_state import total_of
from shared.canonical import Money, Quote


@dataclass(frozen=True)
class ParkedOrder:
    """An order's quote, and what the order comes to: with tax once that is known, before that what was accepted."""

    quote_id: str
    amount: Money | None


async def parked_orders(connection: AsyncConnection, tenant: str, order_ids: Sequence[str]) -> dict[str, ParkedOrder]:
    """Return the tenant's orders of these ids, by id."""
    columns = (orders.c.order_id, orders.c.quote_id, orders.c.quote, orders.c.total, orders.c.currency)
    query = select(*columns).where(orders.c.tenant == tenant, orders.c.order_id.in_(order_ids))
    return {row.order_id: ParkedOrder(row.quote_id, _amount(row)) for row in (await connection.execute(query)).all()}


def _amount(row: Row[Any, Any, Any, Any, Any]) -> Money | None:
    if row.total is not None:
        return Money.of(row.total, row.currency)
    if row.quote is None:
        return None
    try:
        return total_of(msgspec.convert(row.quote, Quote))
    # A quote that today's release does not understand may be why its order is parked: the list must show it anyway.
    except (msgspec.ValidationError, ArithmeticError, ValueError):
        return None
