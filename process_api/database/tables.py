"""The tables of the business state. `migrations/` makes them; a test holds the two against each other."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

SCHEMA = "quoteway"
metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    },
)


def _moment(name: str, *, nullable: bool = False) -> Column[object]:
    default = None if nullable else func.now()
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


def _by_time(table: str, column: str) -> Index:
    """Where old rows lie (process_api.database.retention): rows come in the order of time, so a few pages tell."""
    return Index(f"ix_{table}_{column}", column, postgresql_using="brin")


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
    # Every fault that its quote was refused for (process_api.orders.readiness).
    Column("faults", JSONB),
    # What the submitting user saw, where the caller said it.
    Column("expected_total", Numeric(18, 6)),
    Column("expected_currency", Text),
    _moment("created_at"),
    _moment("updated_at"),
    Index(None, "tenant", "account_id", "status"),
)

# One quote revision becomes one order, whatever the idempotency key. A rejected order left nothing behind in any
# system, so once its reason is mended the same revision may be ordered again.
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
    _moment("at"),
    _by_time("order_timeline", "at"),
)

request_keys = Table(
    "request_keys",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("client_id", Text, primary_key=True),
    # The Salesforce user in whose name the request was made; empty where a service asked for itself.
    Column("acting_user", Text, primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("body_hash", Text, nullable=False),
    # What the request made or found, such as an order; of an operation that makes nothing, its answer.
    Column("record_id", Text, nullable=False),
    _moment("created_at"),
    Index(None, "created_at"),
)

# The keys of versions before 0017, which belonged to a whole tenant: read until the last of them is forgotten.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("body_hash", Text, nullable=False),
    Column("order_id", Text, nullable=False),
    _moment("created_at"),
    Index(None, "created_at"),
)

cross_references = Table(
    "cross_references",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("entity", Text, primary_key=True),
    Column("canonical_id", Text, primary_key=True),
    Column("system", Text, primary_key=True),
    Column("system_id", Text, nullable=False),
    _moment("created_at"),
    UniqueConstraint("tenant", "entity", "system", "system_id"),
)

# What each record was in each system, what it became, and by whose decision. A trigger refuses to change a row.
cross_reference_history = Table(
    "cross_reference_history",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("canonical_id", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("cause", Text, nullable=False),
    Column("reason", Text),
    Column("decided_by", Text),
    Column("correlation_id", Text, nullable=False),
    _moment("changed_at"),
    Index(None, "tenant", "canonical_id", "position"),
)

flows = Table(
    "flows",
    metadata,
    Column("flow_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("current_step", Text),
    # What each finished step found: ids and decisions, no personal data.
    Column("results", JSONB, nullable=False, server_default="{}"),
    Column("correlation_id", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    # Whose record it is about, and whose books it is for; nothing until a step has found out.
    Column("account_id", Text),
    Column("legal_entity", Text),
    # The version of its kind's step table that it runs by; nothing for flows of releases that knew one.
    Column("step_table", Integer),
    # By whose right, as the tokens said when it was started: ids and scopes.
    Column("authority", JSONB),
    # The trace that the submission belongs to, and that of an operator's last decision, where they are recorded.
    Column("traceparent", Text),
    Column("decision_traceparent", Text),
    Column("reason_code", Text),
    Column("reason", Text),
    Column("what_to_do", Text),
    # What an operator corrected (process_api.orders.corrections): SKUs and a tax code, no personal data.
    Column("edits", JSONB, nullable=False, server_default="{}"),
    # How often an operator has had it begun again, plus one; work of an earlier generation counts no more.
    Column("generation", Integer, nullable=False, server_default="1"),
    # How often a worker has begun with it since an attempt last came to an end (process_api.engine.crash_loops).
    Column("fruitless_starts", Integer, nullable=False, server_default="0"),
    # The end that a flow comes to once all it has begun is undone; nothing while it goes forward.
    Column("undoing_to", JSONB),
    _moment("started_at"),
    # When it was last parked.
    _moment("parked_at", nullable=True),
    _moment("finished_at", nullable=True),
    Index(None, "tenant", "started_at", "flow_id"),
)

Index("ix_flows_unfinished", flows.c.tenant, flows.c.status, postgresql_where=flows.c.finished_at.is_(None))

flow_steps = Table(
    "flow_steps",
    metadata,
    Column("flow_id", Text, ForeignKey(flows.c.flow_id), primary_key=True),
    Column("step", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    # `begun` is written before the step runs: whatever has begun may have happened, and is undone.
    Column("state", Text, nullable=False),
    Column("vendor_ids", ARRAY(Text), nullable=False, server_default="{}"),
    _moment("begun_at"),
    _moment("finished_at", nullable=True),
    _by_time("flow_steps", "begun_at"),
)

flow_attempts = Table(
    "flow_attempts",
    metadata,
    Column("flow_id", Text, ForeignKey(flows.c.flow_id), primary_key=True),
    Column("step", Text, primary_key=True),
    Column("direction", Text, primary_key=True),
    Column("generation", Integer, primary_key=True, server_default="1"),
    Column("attempt", Integer, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Column("executor_id", Text, nullable=False),
    # An attempt that a dead worker left behind and another took over.
    Column("resumed", Boolean, nullable=False, server_default="false"),
    _moment("begun_at"),
    _moment("finished_at", nullable=True),
    _by_time("flow_attempts", "begun_at"),
)

intents = Table(
    "intents",
    metadata,
    Column("operation_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("flow_id", Text, ForeignKey(flows.c.flow_id), nullable=False),
    Column("system", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    # What the record is: `order`, `subscription`, `customer`; nothing in rows of releases that did not write it.
    Column("entity", Text),
    Column("payload_hash", Text, nullable=False),
    Column("vendor_id", Text),
    _moment("recorded_at"),
    _moment("answered_at", nullable=True),
    UniqueConstraint("tenant", "system", "external_id"),
    Index(None, "flow_id"),
)

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
    _moment("occurred_at"),
    _moment("published_at", nullable=True),
    # Grows with the sequence of every subject, so it is the order in which events are published.
    Column("position", BigInteger, Identity(always=True), nullable=False),
    # How often the stream has refused it (process_api.inbox.refused_events), and why.
    Column("attempts", Integer, nullable=False, server_default="0"),
    _moment("next_attempt_at"),
    Column("reason", Text),
    _moment("dead_at", nullable=True),
    _moment("discarded_at", nullable=True),
    UniqueConstraint("tenant", "subject", "sequence"),
    _by_time("events", "occurred_at"),
)
Index("ix_events_unpublished", events.c.tenant, events.c.position, postgresql_where=events.c.published_at.is_(None))

webhook_inbox = Table(
    "webhook_inbox",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    # The sender's own id of the event: it sends some more than once.
    Column("event_id", Text, primary_key=True),
    Column("legal_entity", Text, nullable=False),
    Column("type", Text, nullable=False),
    # Our id of the record it is about, and what that is; no id where it is about none of ours.
    Column("subject", Text, nullable=False),
    Column("record", Text, nullable=False, server_default="subscription"),
    Column("status", Text, nullable=False),
    # Only those that no outage explains: after a few of them a person is asked.
    Column("attempts", Integer, nullable=False, server_default="0"),
    # All attempts that failed: each makes the next pause longer.
    Column("put_offs", Integer, nullable=False, server_default="0"),
    Column("reason", Text),
    Column("correlation_id", Text, nullable=False),
    Column("position", BigInteger, Identity(always=True), nullable=False),
    _moment("received_at"),
    _moment("next_attempt_at"),
    _moment("finished_at", nullable=True),
)
# In the order in which they are claimed.
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
    _moment("observed_at"),
)

# What operators decided about dead letters. A trigger refuses to change a row, and to delete one for a year.
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
    _moment("decided_at"),
    # Of an edit: what was, and what is instead.
    Column("before", JSONB),
    Column("after", JSONB),
    Index(None, "tenant", "dead_letter_id"),
)

# Which tokens count no longer. A trigger refuses to change a row, and to delete one for a year.
token_revocations = Table(
    "token_revocations",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant", Text, nullable=False),
    # Either one token, or everything of a subject that was issued until `issued_before`.
    Column("token_id", Text),
    Column("subject", Text),
    Column("mark", Text, nullable=False),
    Column("issued_before", DateTime(timezone=True)),
    Column("reason", Text, nullable=False),
    Column("revoked_by", Text, nullable=False),
    Column("correlation_id", Text, nullable=False),
    _moment("revoked_at"),
    Index(None, "tenant", "position"),
)

executors = Table(
    "executors",
    metadata,
    Column("executor_id", Text, primary_key=True),
    # A new one each time the lease is taken: what began under an older one may write nothing down.
    Column("epoch", BigInteger, Identity(always=True), nullable=False),
    _moment("started_at"),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)

# Orders that are to be booked: those of an account that are in their lane, and those that wait in line before it.
account_lines = Table(
    "account_lines",
    metadata,
    Column("flow_id", Text, ForeignKey(flows.c.flow_id), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("legal_entity", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("admitted", Boolean, nullable=False, server_default="false"),
    Column("position", BigInteger, Identity(always=True), nullable=False),
    Index(None, "tenant", "account_id", "admitted", "position"),
)

account_turns = Table(
    "account_turns",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("account_id", Text, primary_key=True),
    Column("flow_id", Text, ForeignKey(flows.c.flow_id), nullable=False, index=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)
