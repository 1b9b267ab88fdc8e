"""Find what has not come to an end without reading what has

Revision ID: 0010
Revises: 0009
"""

from alembic import op

from process_api.migrations.online import create_index_online

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    unended = "status <> ALL (ARRAY['booked', 'rejected', 'compensated'])"
    create_index_online("ix_orders_unended", "orders", ["tenant", "status"], where=unended)
    create_index_online("ix_flows_unfinished", "flows", ["tenant", "status"], where="finished_at IS NULL")


def downgrade() -> None:
    """Take the change back."""
    op.drop_index("ix_flows_unfinished", table_name="flows", schema="quoteway")
    op.drop_index("ix_orders_unended", table_name="orders", schema="quoteway")
