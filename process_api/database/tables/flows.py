"""Flows with their steps and attempts, and what they were about to write."""

from sqlalchemy import Boolean, Column, Double, ForeignKey, Index, Integer, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from process_api.database.tables.schema import by_time, metadata, moment

flows = Table(
    "flows",
    metadata,
    Column("flow_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("current_step", Text),
    # What each finished step found: ids and decisions, no personal data. Beside it, how the last attempt failed
    # (process_api.engine.failures).
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
    moment("started_at"),
    # When it was last parked.
    moment("parked_at", nullable=True),
    moment("finished_at", nullable=True),
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
    moment("begun_at"),
    moment("finished_at", nullable=True),
    by_time("flow_steps", "begun_at"),
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
    # How long to wait before the next one; nothing in attempts of releases that did not write it.
    Column("again_after_s", Double),
    moment("begun_at"),
    moment("finished_at", nullable=True),
    by_time("flow_attempts", "begun_at"),
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
    moment("recorded_at"),
    moment("answered_at", nullable=True),
    UniqueConstraint("tenant", "system", "external_id"),
    Index(None, "flow_id"),
)
