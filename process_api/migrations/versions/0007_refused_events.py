"""Events that the stream refuses: tried a few times, then waiting for a person

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the change."""
    op.add_column("events", sa.Column("attempts", sa.Integer(), server_default="0", nullable=False), schema="quoteway")
    op.add_column(
        "events",
        sa.Column("next_attempt_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        schema="quoteway",
    )
    op.add_column("events", sa.Column("reason", sa.Text(), nullable=True), schema="quoteway")
    for column in ("dead_at", "discarded_at"):
        op.add_column("events", sa.Column(column, _MOMENT, nullable=True), schema="quoteway")


def downgrade() -> None:
    """Take the change back. What was discarded is tried again."""
    for column in ("discarded_at", "dead_at", "reason", "next_attempt_at", "attempts"):
        op.drop_column("events", column, schema="quoteway")
