"""The tables of flows, their steps, attempts and intents."""

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
    # The account and the legal entity; null until a step has found them.
    Column("account_id", Text),
    Column("legal_entity", Text),
    # The version of its kind's step table; null for flows of releases that had only one.
    Column("step_table", Integer),
    # The authority from the tokens at the start: ids and scopes.
    Column("authority", JSONB),
    # The traces of the submission and of an operator's last decision, if they are recorded.
    Column("traceparent", Text),
    Column("decision_traceparent", Text),
    Column("reason_code", Text),
    Column("reason", Text),
    Column("what_to_do", Text),
    # What an operator corrected (process_api.orders.corrections): SKUs and a tax code, no personal data.
    Column("edits", JSONB, nullable=False, server_default="{}"),
    # 1, plus one for each restart by an operator; work of an earlier generation no longer counts.
    Column("generation", Integer, nullable=False, server_default="1"),
    # How often a worker has started it since an attempt last ended (process_api.engine.crash_loops).
    Column("fruitless_starts", Integer, nullable=False, server_default="0"),
    # The ending after everything that was begun is undone; null while the flow goes forward.
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
    # `begun` is written before the step runs: everything begun may have happened, and is undone.
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
    # An attempt of a dead worker that another took over.
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
    # The kind of record: `order`, `subscription`, `customer`; null in rows of releases that did not write it.
    Column("entity", Text),
    Column("payload_hash", Text, nullable=False),
    Column("vendor_id", Text),
    moment("recorded_at"),
    moment("answered_at", nullable=True),
    UniqueConstraint("tenant", "system", "external_id"),
    Index(None, "flow_id"),
)
