"""Webhooks say what kind of record they are about

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change. Until now every webhook was about a subscription."""
    op.add_column(
        "webhook_inbox",
        sa.Column("record", sa.Text(), server_default="subscription", nullable=False),
        schema="quoteway",
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("webhook_inbox", "record", schema="quoteway")
