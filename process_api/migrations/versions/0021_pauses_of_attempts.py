"""Attempts say how long to wait before the next one: a flow goes on from its own rows

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change. Where it is empty, as in attempts of releases before, the worker's own patience counts."""
    op.add_column("flow_attempts", sa.Column("again_after_s", sa.Double(), nullable=True), schema="quoteway")


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("flow_attempts", "again_after_s", schema="quoteway")
