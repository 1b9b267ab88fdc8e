"""The tables of idempotency keys and revoked tokens."""

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Table, Text

from process_api.database.tables.schema import metadata, moment

request_keys = Table(
    "request_keys",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("client_id", Text, primary_key=True),
    # The Salesforce user that the request was made for; empty if a service asked for itself.
    Column("acting_user", Text, primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("body_hash", Text, nullable=False),
    # The record that the request created or found, such as an order; for an operation that creates none, its answer.
    Column("record_id", Text, nullable=False),
    moment("created_at"),
    Index(None, "created_at"),
)

# The keys of versions before 0017, which belonged to a whole tenant: read until the last of them is deleted.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("body_hash", Text, nullable=False),
    Column("order_id", Text, nullable=False),
    moment("created_at"),
    Index(None, "created_at"),
)

# Revoked tokens. A trigger refuses to change a row, and to delete one for a year.
token_revocations = Table(
    "token_revocations",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant", Text, nullable=False),
    # Either one token, or everything that a subject was issued until `issued_before`.
    Column("token_id", Text),
    Column("subject", Text),
    Column("mark", Text, nullable=False),
    Column("issued_before", DateTime(timezone=True)),
    Column("reason", Text, nullable=False),
    Column("revoked_by", Text, nullable=False),
    Column("correlation_id", Text, nullable=False),
    moment("revoked_at"),
    Index(None, "tenant", "position"),
)
