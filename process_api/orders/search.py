"""What an operator looks for among the orders: by any id that a system knows, by state, by amount and by age."""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import ColumnElement, select

from process_api.database.moments import of_age
from process_api.database.pages import newest_first, next_cursor
from process_api.database.store import Store
from process_api.database.tables import orders
from process_api.orders.record import OrderRecord, order_record
from shared.canonical.record_ids import spellings


@dataclass(frozen=True)
class OrderSearch:
    """Conditions that every order found meets; None: any.

    Totals are compared as numbers, whatever the currency, so name the `currency` beside them. Ages are seconds since
    the order was submitted.
    """

    status: str | None = None
    account_id: str | None = None
    quote_id: str | None = None
    erp_order_number: str | None = None
    reason_code: str | None = None
    currency: str | None = None
    min_total: Decimal | None = None
    max_total: Decimal | None = None
    min_age_s: int | None = None
    max_age_s: int | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions for the database."""
        columns = (
            (orders.c.status, self.status),
            (orders.c.erp_order_number, self.erp_order_number),
            (orders.c.reason_code, self.reason_code),
            (orders.c.currency, self.currency),
        )
        found = [column == value for column, value in columns if value is not None]
        records = ((orders.c.account_id, self.account_id), (orders.c.quote_id, self.quote_id))
        found += [column.in_(spellings(value)) for column, value in records if value is not None]
        if self.min_total is not None:
            found.append(orders.c.total >= self.min_total)
        if self.max_total is not None:
            found.append(orders.c.total <= self.max_total)
        return found + of_age(orders.c.created_at, self.min_age_s, self.max_age_s)


async def search_orders(
    store: Store,
    tenant: str,
    search: OrderSearch,
    *,
    limit: int,
    cursor: str | None,
    legal_entities: frozenset[str] | None,
) -> tuple[list[OrderRecord], str | None]:
    """Return some of the orders found, newest first, and the cursor of those after them.

    Only those of `legal_entities`, where that is given. An order whose legal entity is not known yet is shown only to a
    client of all of them. Raises InvalidRequest for a cursor that is not ours.
    """
    query = select(orders).where(orders.c.tenant == tenant, *search.conditions())
    if legal_entities is not None:
        query = query.where(orders.c.legal_entity.in_(sorted(legal_entities)))
    query = newest_first(query, orders.c.created_at, orders.c.order_id, limit, cursor)
    async with store.transaction(tenant) as connection:
        rows = (await connection.execute(query)).all()
    return [order_record(row) for row in rows[:limit]], next_cursor(rows, limit, "created_at", "order_id")
