"""The tables of orders, the business record of a submission, and their timeline."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Numeric, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from process_api.database.tables.schema import by_time, metadata, moment

orders = Table(
    "orders",
    metadata,
    Column("order_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("quote_id", Text, nullable=False),
    Column("quote_revision", Integer, nullable=False),
    Column("flow_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("account_id", Text),
    Column("legal_entity", Text),
    Column("currency", Text),
    # The quote as it was when the order began: lines and prices, and the name and e-mail address of whom it is invoiced
    # to. These are personal data: the only ones in any table, kept until some days after the order's end
    # (process_api.orders.contacts).
    Column("quote", JSONB),
    Column("tax", Numeric(18, 6)),
    Column("total", Numeric(18, 6)),
    Column("erp_order_id", Text),
    Column("erp_order_number", Text),
    Column("subscription_ids", ARRAY(Text), nullable=False, server_default="{}"),
    Column("reason_code", Text),
    Column("reason", Text),
    # Every fault for which its quote was refused (process_api.orders.readiness).
    Column("faults", JSONB),
    # What the submitting user saw, if the caller stated it.
    Column("expected_total", Numeric(18, 6)),
    Column("expected_currency", Text),
    moment("created_at"),
    moment("updated_at"),
    Index(None, "tenant", "account_id", "status"),
    # What operators search by (process_api.orders.search).
    Index(None, "tenant", "created_at", "order_id"),
    Index(None, "tenant", "quote_id"),
    Index(None, "tenant", "erp_order_number"),
)

# One quote revision becomes one order, whatever the idempotency key. A rejected order leaves nothing in any system, so
# after its reason is mended the same revision may be ordered again.
Index(
    "uq_orders_quote_revision",
    orders.c.tenant,
    orders.c.quote_id,
    orders.c.quote_revision,
    unique=True,
    postgresql_where=orders.c.status != "rejected",
)

ENDED_ORDERS = ("booked", "rejected", "compensated")
Index("ix_orders_unended", orders.c.tenant, orders.c.status, postgresql_where=orders.c.status.not_in(ENDED_ORDERS))

order_timeline = Table(
    "order_timeline",
    metadata,
    Column("order_id", Text, ForeignKey(orders.c.order_id), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("status", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("message", Text, nullable=False),
    moment("at"),
    by_time("order_timeline", "at"),
)
