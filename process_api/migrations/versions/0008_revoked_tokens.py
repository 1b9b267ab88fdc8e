"""Tokens that operators have revoked, and by whose right a flow was started

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from process_api.database.row_security import isolate, lift_isolation

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "token_revocations",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("token_id", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("issued_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("revoked_by", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_token_revocations")),
        schema="quoteway",
    )
    op.create_index(
        op.f("ix_token_revocations_tenant_position"),
        "token_revocations",
        ["tenant", "position"],
        unique=False,
        schema="quoteway",
    )
    op.execute(
        """
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON quoteway.token_revocations
        FOR EACH STATEMENT EXECUTE FUNCTION quoteway.refuse_change()
        """
    )
    op.execute(isolate("token_revocations", privileges="SELECT, INSERT"))
    authority = sa.Column("authority", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    op.add_column("flows", authority, schema="quoteway")


def downgrade() -> None:
    """Take the change back. What was revoked is let in again."""
    op.drop_column("flows", "authority", schema="quoteway")
    op.execute(lift_isolation("token_revocations"))
    op.drop_table("token_revocations", schema="quoteway")
