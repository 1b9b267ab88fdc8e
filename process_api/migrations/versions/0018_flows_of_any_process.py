"""Flows name their account, legal entity and step table; intents name what they are about

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

from process_api.migrations.online import create_index_online

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# Workers of the release before go on while this is done, and write the account to the order alone.
_FOLLOW_THE_ORDER = """
CREATE OR REPLACE FUNCTION quoteway.tell_flow_of_its_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE quoteway.flows SET account_id = NEW.account_id, legal_entity = NEW.legal_entity
    WHERE flow_id = NEW.flow_id
      AND (account_id IS DISTINCT FROM NEW.account_id OR legal_entity IS DISTINCT FROM NEW.legal_entity);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER tell_flow_of_its_account AFTER UPDATE OF account_id, legal_entity ON quoteway.orders
FOR EACH ROW EXECUTE FUNCTION quoteway.tell_flow_of_its_account()
"""
_BACKFILL = """
WITH untold AS (
    SELECT flows.flow_id, orders.account_id, orders.legal_entity
    FROM quoteway.flows JOIN quoteway.orders ON orders.flow_id = flows.flow_id
    WHERE flows.legal_entity IS NULL AND orders.legal_entity IS NOT NULL
    ORDER BY flows.flow_id LIMIT 5000 FOR UPDATE OF flows
)
UPDATE quoteway.flows SET account_id = untold.account_id, legal_entity = untold.legal_entity
FROM untold WHERE untold.flow_id = flows.flow_id
"""
_PARKED_SINCE = """
UPDATE quoteway.flows SET parked_at = (
    SELECT max(events.occurred_at) FROM quoteway.events
    WHERE events.tenant = flows.tenant AND events.subject = flows.subject AND events.type = 'order.parked'
) WHERE status = 'parked' AND finished_at IS NULL AND parked_at IS NULL
"""


def upgrade() -> None:
    """Make the change. What is done by the time it breaks off may be done again."""
    op.execute(
        "ALTER TABLE quoteway.flows ADD COLUMN IF NOT EXISTS account_id text,"
        " ADD COLUMN IF NOT EXISTS legal_entity text,"
        " ADD COLUMN IF NOT EXISTS step_table integer,"
        " ADD COLUMN IF NOT EXISTS parked_at timestamp with time zone"
    )
    op.execute("ALTER TABLE quoteway.intents ADD COLUMN IF NOT EXISTS entity text")
    op.execute(_FOLLOW_THE_ORDER)
    with op.get_context().autocommit_block():
        while op.get_bind().execute(sa.text(_BACKFILL)).rowcount:
            pass
        op.execute(_PARKED_SINCE)
    create_index_online("ix_intents_flow_id", "intents", ["flow_id"])


def downgrade() -> None:
    """Take the change back. Flows of the release before find account and legal entity with their orders."""
    op.drop_index("ix_intents_flow_id", table_name="intents", schema="quoteway")
    op.execute("DROP TRIGGER tell_flow_of_its_account ON quoteway.orders")
    op.execute("DROP FUNCTION quoteway.tell_flow_of_its_account()")
    op.drop_column("intents", "entity", schema="quoteway")
    for column in ("parked_at", "step_table", "legal_entity", "account_id"):
        op.drop_column("flows", column, schema="quoteway")
