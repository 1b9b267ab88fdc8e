"""The tables of events, webhooks and operators' decisions."""

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB, UUID

from process_api.database.tables.schema import by_time, metadata, moment

events = Table(
    "events",
    metadata,
    Column("event_id", UUID(as_uuid=True), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("correlation_id", Text, nullable=False),
    moment("occurred_at"),
    moment("published_at", nullable=True),
    # Increases along every subject's sequence, so it is the publishing order.
    Column("position", BigInteger, Identity(always=True), nullable=False),
    # How often the stream has refused it (process_api.inbox.refused_events), and why.
    Column("attempts", Integer, nullable=False, server_default="0"),
    moment("next_attempt_at"),
    Column("reason", Text),
    moment("dead_at", nullable=True),
    moment("discarded_at", nullable=True),
    UniqueConstraint("tenant", "subject", "sequence"),
    by_time("events", "occurred_at"),
)
Index("ix_events_unpublished", events.c.tenant, events.c.position, postgresql_where=events.c.published_at.is_(None))

webhook_inbox = Table(
    "webhook_inbox",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    # The sender's own id of the event, which it may send more than once.
    Column("event_id", Text, primary_key=True),
    Column("legal_entity", Text, nullable=False),
    Column("type", Text, nullable=False),
    # Our id of its record, and the kind of record; null if it is about none of ours.
    Column("subject", Text, nullable=False),
    Column("record", Text, nullable=False, server_default="subscription"),
    Column("status", Text, nullable=False),
    # Only attempts that no outage explains: after a few of them a person is asked.
    Column("attempts", Integer, nullable=False, server_default="0"),
    # All failed attempts: each makes the next pause longer.
    Column("put_offs", Integer, nullable=False, server_default="0"),
    Column("reason", Text),
    Column("correlation_id", Text, nullable=False),
    Column("position", BigInteger, Identity(always=True), nullable=False),
    moment("received_at"),
    moment("next_attempt_at"),
    moment("finished_at", nullable=True),
)
# In the order of claiming.
Index(
    "ix_webhook_inbox_due",
    webhook_inbox.c.put_offs,
    webhook_inbox.c.next_attempt_at,
    webhook_inbox.c.position,
    postgresql_where=webhook_inbox.c.finished_at.is_(None),
)
Index(
    "ix_webhook_inbox_unfinished",
    webhook_inbox.c.tenant,
    webhook_inbox.c.source,
    webhook_inbox.c.subject,
    webhook_inbox.c.position,
    postgresql_where=webhook_inbox.c.finished_at.is_(None),
)

subscription_states = Table(
    "subscription_states",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("external_id", Text, primary_key=True),
    Column("legal_entity", Text, nullable=False),
    Column("vendor_id", Text),
    Column("order_id", Text),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    # When billing was last asked.
    moment("observed_at"),
)

# Operators' decisions about dead letters. A trigger refuses to change a row, and to delete one for a year.
dead_letter_decisions = Table(
    "dead_letter_decisions",
    metadata,
    Column("decision_id", UUID(as_uuid=True), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("dead_letter_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("from_step", Text),
    Column("reason", Text),
    Column("decided_by", Text, nullable=False),
    Column("correlation_id", Text, nullable=False),
    moment("decided_at"),
    # For an edit: the values before and after.
    Column("before", JSONB),
    Column("after", JSONB),
    Index(None, "tenant", "dead_letter_id"),
)
