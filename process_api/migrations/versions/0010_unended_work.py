"""Find what has not come to an end without reading what has

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_index(
        "ix_orders_unended",
        "orders",
        ["tenant", "status"],
        unique=False,
        schema="quoteway",
        postgresql_where=sa.text("status <> ALL (ARRAY['booked', 'rejected', 'compensated'])"),
    )
    op.create_index(
        "ix_flows_unfinished",
        "flows",
        ["tenant", "status"],
        unique=False,
        schema="quoteway",
        postgresql_where=sa.text("finished_at IS NULL"),
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_index("ix_flows_unfinished", table_name="flows", schema="quoteway")
    op.drop_index("ix_orders_unended", table_name="orders", schema="quoteway")
