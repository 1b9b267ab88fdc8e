"""Count how often workers have begun with a flow and got nowhere

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column(
        "flows", sa.Column("fruitless_starts", sa.Integer(), server_default="0", nullable=False), schema="quoteway"
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("flows", "fruitless_starts", schema="quoteway")
