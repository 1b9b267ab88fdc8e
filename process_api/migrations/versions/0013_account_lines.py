"""Orders of one account wait in line before their lane, and not in it

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

from process_api.database.row_security import isolate, lift_isolation

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "account_lines",
        sa.Column("flow_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("legal_entity", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("admitted", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.ForeignKeyConstraint(["flow_id"], ["quoteway.flows.flow_id"], name=op.f("fk_account_lines_flow_id")),
        sa.PrimaryKeyConstraint("flow_id", name=op.f("pk_account_lines")),
        schema="quoteway",
    )
    op.create_index(
        op.f("ix_account_lines_tenant_account_id_admitted_position"),
        "account_lines",
        ["tenant", "account_id", "admitted", "position"],
        unique=False,
        schema="quoteway",
    )
    op.execute(isolate("account_lines"))


def downgrade() -> None:
    """Take the change back. Orders that wait in line are begun no more: let the lines run empty first."""
    op.execute(lift_isolation("account_lines"))
    op.drop_table("account_lines", schema="quoteway")
