"""What operators correct in parked flows, and what it was before

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    """Make the change."""
    op.add_column("flows", sa.Column("edits", _JSON, server_default="{}", nullable=False), schema="quoteway")
    for column in ("before", "after"):
        op.add_column("dead_letter_decisions", sa.Column(column, _JSON, nullable=True), schema="quoteway")


def downgrade() -> None:
    """Take the change back. What was corrected is lost; flows that go on read what is not corrected."""
    op.drop_column("dead_letter_decisions", "after", schema="quoteway")
    op.drop_column("dead_letter_decisions", "before", schema="quoteway")
    op.drop_column("flows", "edits", schema="quoteway")
