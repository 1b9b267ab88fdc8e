"""Put a webhook off for longer each time, and find the one that is due first without sorting all that wait

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

from process_api.migrations.online import create_index_online

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column(
        "webhook_inbox",
        sa.Column("put_offs", sa.Integer(), server_default="0", nullable=False),
        schema="quoteway",
        if_not_exists=True,  # where building the index broke off
    )
    due = ["put_offs", "next_attempt_at", "position"]
    create_index_online("ix_webhook_inbox_due", "webhook_inbox", due, where="finished_at IS NULL")


def downgrade() -> None:
    """Take the change back."""
    op.drop_index("ix_webhook_inbox_due", table_name="webhook_inbox", schema="quoteway")
    op.drop_column("webhook_inbox", "put_offs", schema="quoteway")
