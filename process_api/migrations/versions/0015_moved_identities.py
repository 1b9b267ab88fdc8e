"""What an account has been in each system, and by whose decision it is another record now

Revision ID: 0015
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

from process_api.database.row_security import isolate, lift_isolation

revision = "0015"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "cross_reference_history",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("canonical_id", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_cross_reference_history")),
        schema="quoteway",
    )
    op.create_index(
        op.f("ix_cross_reference_history_tenant_canonical_id_position"),
        "cross_reference_history",
        ["tenant", "canonical_id", "position"],
        unique=False,
        schema="quoteway",
    )
    op.execute(
        """
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON quoteway.cross_reference_history
        FOR EACH STATEMENT EXECUTE FUNCTION quoteway.refuse_change()
        """
    )
    op.execute(isolate("cross_reference_history", privileges="SELECT, INSERT"))


def downgrade() -> None:
    """Take the change back. The links stay; what they were before, and who moved them, is lost."""
    op.execute(lift_isolation("cross_reference_history"))
    op.drop_table("cross_reference_history", schema="quoteway")
