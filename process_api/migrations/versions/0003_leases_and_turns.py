"""Leases with an epoch and an end of their own, and turns of an account's orders

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    # Leases live for seconds: none is worth carrying over.
    op.execute("DELETE FROM quoteway.executors")
    op.add_column(
        "executors", sa.Column("epoch", sa.BigInteger(), sa.Identity(always=True), nullable=False), schema="quoteway"
    )
    op.add_column("executors", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False), schema="quoteway")
    op.drop_column("executors", "heartbeat_at", schema="quoteway")
    op.create_table(
        "account_turns",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("flow_id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["flow_id"], ["quoteway.flows.flow_id"], name=op.f("fk_account_turns_flow_id")),
        sa.PrimaryKeyConstraint("tenant", "account_id", name=op.f("pk_account_turns")),
        schema="quoteway",
    )
    op.create_index(op.f("ix_account_turns_flow_id"), "account_turns", ["flow_id"], unique=False, schema="quoteway")


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("account_turns", schema="quoteway")
    op.execute("DELETE FROM quoteway.executors")
    op.add_column(
        "executors",
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        schema="quoteway",
    )
    op.drop_column("executors", "expires_at", schema="quoteway")
    op.drop_column("executors", "epoch", schema="quoteway")
