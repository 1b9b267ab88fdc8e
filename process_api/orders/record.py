"""Orders: the accepted quotes, and their status."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.direct import fetch
from process_api.database.moments import rfc3339
from process_api.database.store import Store
from process_api.database.tables import flows, order_timeline, orders
from process_api.engine.failures import LAST_FAILURE, Delay, delay_of
from process_api.quotes.readiness_fault import ReadinessFault
from shared.canonical import Money, OrderStatus, Quote

_UNFINISHED = [
    OrderStatus.received,
    OrderStatus.validating,
    OrderStatus.booking,
    OrderStatus.provisioning,
    OrderStatus.compensating,
    OrderStatus.parked,
]

_FLOW_STATUS = flows.c.status.label("flow_status")


_JSON = frozenset({"quote", "faults"})
_CHANGE = """
WITH changed AS (
    UPDATE quoteway.orders SET status = coalesce(%(status_)s, status), version = version + 1,
        updated_at = clock_timestamp(){changes}
    WHERE order_id = %(order_id_)s RETURNING order_id, version, status
)
INSERT INTO quoteway.order_timeline (order_id, version, status, step, message)
SELECT order_id, version, status, %(step_)s, %(message_)s FROM changed RETURNING version
"""


class OrderRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it is stored. `version` grows with every change that a caller can see."""

    order_id: str
    tenant: str
    quote_id: str
    quote_revision: int
    flow_id: str
    status: OrderStatus
    version: int
    created_at: str
    updated_at: str
    account_id: str | None = None
    legal_entity: str | None = None
    currency: str | None = None
    quote: Quote | None = None
    tax: Money | None = None
    total: Money | None = None
    erp_order_id: str | None = None
    erp_order_number: str | None = None
    subscription_ids: list[str] = msgspec.field(default_factory=list)
    reason_code: str | None = None
    reason: str | None = None
    faults: list[ReadinessFault] = msgspec.field(default_factory=list)
    expected_total: Decimal | None = None
    expected_currency: str | None = None
    delay: Delay | None = None


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to an order."""

    at: str
    status: OrderStatus
    step: str
    message: str


@dataclass(frozen=True)
class Orders:
    """Reads orders. Changes happen inside a flow's transactions: see the functions below."""

    store: Store

    async def find(self, tenant: str, order_id: str) -> OrderRecord | None:
        """The tenant's order, with what it waits for, or None."""
        query = (
            select(orders, flows.c.results[LAST_FAILURE].label("failure"), flows.c.current_step, _FLOW_STATUS)
            .outerjoin(flows, flows.c.flow_id == orders.c.flow_id)
            .where(orders.c.tenant == tenant, orders.c.order_id == order_id)
        )
        async with self.store.transaction(tenant) as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        delay = delay_of(row.failure, row.current_step, row.flow_status)
        return msgspec.structs.replace(order_record(row), delay=delay)

    async def timeline(self, tenant: str, order_id: str) -> list[TimelineEntry]:
        """Return what happened to an order, oldest first."""
        query = select(order_timeline).where(order_timeline.c.order_id == order_id).order_by(order_timeline.c.version)
        async with self.store.transaction(tenant) as connection:
            rows = (await connection.execute(query)).all()
        return [
            TimelineEntry(at=rfc3339(row.at), status=OrderStatus(row.status), step=row.step, message=row.message)
            for row in rows
        ]

    async def open_for_account(self, tenant: str, account_id: str) -> list[OrderRecord]:
        """Return the account's orders that have not ended or wait for a person, newest first."""
        query = (
            select(orders)
            .where(orders.c.tenant == tenant, orders.c.account_id == account_id, orders.c.status.in_(_UNFINISHED))
            .order_by(orders.c.created_at.desc())
            .limit(100)
        )
        async with self.store.transaction(tenant) as connection:
            return [order_record(row) for row in await connection.execute(query)]

    async def last_for_account(self, tenant: str, account_id: str) -> OrderRecord | None:
        """Return the account's newest order whose quote is known, or None."""
        query = (
            select(orders)
            .where(orders.c.tenant == tenant, orders.c.account_id == account_id, orders.c.quote.is_not(None))
            .order_by(orders.c.created_at.desc())
            .limit(1)
        )
        async with self.store.transaction(tenant) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else order_record(row)


async def find_order(connection: AsyncConnection, tenant: str, order_id: str) -> OrderRecord | None:
    """The tenant's order, or None."""
    query = "SELECT * FROM quoteway.orders WHERE tenant = %(tenant)s AND order_id = %(order_id)s"
    found = await fetch(connection, query, tenant=tenant, order_id=order_id)
    return order_record(found[0]) if found else None


async def change_order(
    connection: AsyncConnection, order_id: str, *, status: OrderStatus | None, step: str, message: str, **columns: Any
) -> int:
    """Move an order on and write its timeline, in the caller's transaction. Returns the order's new version.

    `status`: None where it stays. `columns` are the order's, each with what it is to hold.
    """
    changes = sql.SQL("").join(sql.SQL(", {} = {}").format(sql.Identifier(n), sql.Placeholder(n)) for n in columns)
    values = {name: Jsonb(value) if name in _JSON and value is not None else value for name, value in columns.items()}
    change = sql.SQL(_CHANGE).format(changes=changes).as_string()
    [changed] = await fetch(
        connection, change, order_id_=order_id, status_=status, step_=step, message_=message, **values
    )
    version: int = changed.version
    return version


async def keep_faults(connection: AsyncConnection, flow_id: str, faults: list[ReadinessFault]) -> None:
    """Store the faults for which a flow's quote was refused with its order, in the caller's transaction."""
    await connection.execute(
        update(orders).where(orders.c.flow_id == flow_id).values(faults=msgspec.to_builtins(faults))
    )


def order_record(row: Row[Any]) -> OrderRecord:
    """Return an order from its row."""
    return OrderRecord(
        order_id=row.order_id,
        tenant=row.tenant,
        quote_id=row.quote_id,
        quote_revision=row.quote_revision,
        flow_id=row.flow_id,
        status=OrderStatus(row.status),
        version=row.version,
        created_at=rfc3339(row.created_at),
        updated_at=rfc3339(row.updated_at),
        account_id=row.account_id,
        legal_entity=row.legal_entity,
        currency=row.currency,
        quote=msgspec.convert(row.quote, Quote) if row.quote is not None else None,
        tax=_money(row.tax, row.currency),
        total=_money(row.total, row.currency),
        erp_order_id=row.erp_order_id,
        erp_order_number=row.erp_order_number,
        subscription_ids=list(row.subscription_ids),
        reason_code=row.reason_code,
        reason=row.reason,
        faults=msgspec.convert(row.faults or [], list[ReadinessFault]),
        expected_total=row.expected_total,
        expected_currency=row.expected_currency,
    )


def _money(amount: Decimal | None, currency: str | None) -> Money | None:
    return Money.of(amount, currency) if amount is not None and currency is not None else None
