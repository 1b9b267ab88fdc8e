"""Flows remember the traces they belong to

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column("flows", sa.Column("traceparent", sa.Text(), nullable=True), schema="quoteway")
    op.add_column("flows", sa.Column("decision_traceparent", sa.Text(), nullable=True), schema="quoteway")


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("flows", "decision_traceparent", schema="quoteway")
    op.drop_column("flows", "traceparent", schema="quoteway")
