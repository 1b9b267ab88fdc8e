"""The tables of accounts' records in each system, current and former."""

from sqlalchemy import BigInteger, Column, Identity, Index, Table, Text, UniqueConstraint

from process_api.database.tables.schema import metadata, moment

cross_references = Table(
    "cross_references",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("entity", Text, primary_key=True),
    Column("canonical_id", Text, primary_key=True),
    Column("system", Text, primary_key=True),
    Column("system_id", Text, nullable=False),
    moment("created_at"),
    UniqueConstraint("tenant", "entity", "system", "system_id"),
)

# The former records with successors and deciders. A trigger refuses to change a row.
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
    moment("changed_at"),
    Index(None, "tenant", "canonical_id", "position"),
)
