"""Deletes a quote's contacts from its order some days after the order's end.

The order itself stays: it is a business record. Who its contacts were can be looked up in Salesforce, the ERP and
billing by the contact's id, which stays as well (docs/decisions/0086).
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import Text

from process_api.database.store import Store
from process_api.database.tables import ENDED_ORDERS, flows, orders

_AT_ONCE = 500
# Fields of the canonical quote: shared.canonical.Quote and Contact.
CONTACT_FIELDS = [(contact, field) for contact in ("billTo", "soldTo") for field in ("name", "email")]


async def forget_contacts(store: Store, kept_days: int) -> int:
    """Delete names and e-mail addresses from quotes of orders whose flows ended more than `kept_days` ago.

    Returns the number of orders. A parked order may be resumed, and keeps them. Runs in batches of their own
    transactions, by the database's clock.
    """
    forgotten = 0
    without: ColumnElement[Any] = orders.c.quote
    for path in CONTACT_FIELDS:
        without = without.op("#-", return_type=JSONB())(literal(list(path), ARRAY(Text)))
    ended = (
        select(orders.c.order_id)
        .join(flows, flows.c.flow_id == orders.c.flow_id)
        .where(
            flows.c.finished_at < func.now() - timedelta(days=kept_days),
            orders.c.status.in_(ENDED_ORDERS),
            or_(*(orders.c.quote[contact][field].astext.is_not(None) for contact, field in CONTACT_FIELDS)),
        )
        .limit(_AT_ONCE)
        .with_for_update(of=orders, skip_locked=True)
    )
    while True:
        async with store.transaction_across_tenants() as connection:
            change = update(orders).where(orders.c.order_id.in_(ended)).values(quote=without)
            batch = (await connection.execute(change)).rowcount
        forgotten += batch
        if batch < _AT_ONCE:
            return forgotten
