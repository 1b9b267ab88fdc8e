"""Idempotency keys of one client, acting user and operation each, in a table of their own

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

from process_api.database.row_security import isolate, lift_isolation

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change. The keys that there are stay where they are: `claim_key` reads them until they are forgotten."""
    op.create_table(
        "request_keys",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("acting_user", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant", "client_id", "acting_user", "operation", "idempotency_key", name=op.f("pk_request_keys")
        ),
        schema="quoteway",
    )
    op.create_index(op.f("ix_request_keys_created_at"), "request_keys", ["created_at"], unique=False, schema="quoteway")
    op.execute(isolate("request_keys"))


def downgrade() -> None:
    """Take the change back. A key claimed since then is free again; the quote revision still meets its order."""
    op.execute(lift_isolation("request_keys"))
    op.drop_table("request_keys", schema="quoteway")
