"""An order keeps every fault that its quote was refused for, and the total that its user saw

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column("orders", sa.Column("faults", postgresql.JSONB(), nullable=True), schema="quoteway")
    op.add_column("orders", sa.Column("expected_total", sa.Numeric(18, 6), nullable=True), schema="quoteway")
    op.add_column("orders", sa.Column("expected_currency", sa.Text(), nullable=True), schema="quoteway")


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("orders", "expected_currency", schema="quoteway")
    op.drop_column("orders", "expected_total", schema="quoteway")
    op.drop_column("orders", "faults", schema="quoteway")
