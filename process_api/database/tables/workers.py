"""The tables of workers' leases, and of the admission of an account's flows."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, ForeignKey, Identity, Index, Integer, Table, Text

from process_api.database.tables.flows import flows
from process_api.database.tables.schema import metadata, moment

executors = Table(
    "executors",
    metadata,
    Column("executor_id", Text, primary_key=True),
    # A new one each time the lease is taken: work begun under an older one may write nothing.
    Column("epoch", BigInteger, Identity(always=True), nullable=False),
    moment("started_at"),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)

# An account's orders: those in their connection's queue, and those that wait for admission.
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

# Only workers of the release before take turns; it goes with the release after this one (docs/decisions/0100).
account_turns = Table(
    "account_turns",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("account_id", Text, primary_key=True),
    Column("flow_id", Text, ForeignKey(flows.c.flow_id), nullable=False, index=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)
