"""Row-level security: the application's role sees the rows of the tenant that its transaction names

Revision ID: 0004
Revises: 0003
"""

from alembic import op

from process_api.database.row_security import (
    APPLICATION_ROLE,
    CREATE_APPLICATION_ROLE,
    SCHEMA,
    isolate,
    lift_isolation,
    open_to_all_tenants,
)

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_BY_TENANT = (
    "orders",
    "idempotency_keys",
    "cross_references",
    "flows",
    "intents",
    "events",
    "webhook_inbox",
    "subscription_states",
    "account_turns",
)
_THROUGH = {
    "order_timeline": ("orders", "order_id"),
    "flow_steps": ("flows", "flow_id"),
    "flow_attempts": ("flows", "flow_id"),
}


def upgrade() -> None:
    """Make the change."""
    op.execute(CREATE_APPLICATION_ROLE)
    op.execute(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {APPLICATION_ROLE}")
    for table in _BY_TENANT:
        op.execute(isolate(table))
    op.execute(isolate("dead_letter_decisions", privileges="SELECT, INSERT"))
    for table, parent in _THROUGH.items():
        op.execute(isolate(table, through=parent))
    op.execute(open_to_all_tenants("executors"))


def downgrade() -> None:
    """Take the change back. The role stays: it is the cluster's, and another database may use it."""
    for table in (*_BY_TENANT, "dead_letter_decisions", *_THROUGH):
        op.execute(lift_isolation(table))
    op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA {SCHEMA} FROM {APPLICATION_ROLE}")
    op.execute(f"REVOKE ALL ON SCHEMA {SCHEMA} FROM {APPLICATION_ROLE}")
