"""Orders are searched by quote, by the ERP's number and by time

Revision ID: 0022
Revises: 0021
"""

from alembic import op

from process_api.migrations.online import create_index_online

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_orders_tenant_created_at_order_id": ["tenant", "created_at", "order_id"],
    "ix_orders_tenant_quote_id": ["tenant", "quote_id"],
    "ix_orders_tenant_erp_order_number": ["tenant", "erp_order_number"],
}


def upgrade() -> None:
    """Make the change."""
    for name, columns in _INDEXES.items():
        create_index_online(name, "orders", columns)


def downgrade() -> None:
    """Take the change back."""
    for name in _INDEXES:
        op.drop_index(name, "orders", schema="quoteway")
