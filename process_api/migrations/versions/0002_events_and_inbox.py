"""Events in the order of their publication, the webhook inbox, flows that operators begin again

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column(
        "events", sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False), schema="quoteway"
    )
    op.drop_index("ix_events_unpublished", table_name="events", schema="quoteway")
    op.create_index(
        "ix_events_unpublished",
        "events",
        ["tenant", "position"],
        unique=False,
        schema="quoteway",
        postgresql_where=sa.text("published_at IS NULL"),
    )
    op.add_column("flows", sa.Column("generation", sa.Integer(), server_default="1", nullable=False), schema="quoteway")
    op.add_column(
        "flows", sa.Column("undoing_to", postgresql.JSONB(astext_type=sa.Text()), nullable=True), schema="quoteway"
    )
    op.add_column(
        "flow_attempts", sa.Column("generation", sa.Integer(), server_default="1", nullable=False), schema="quoteway"
    )
    op.drop_constraint(op.f("pk_flow_attempts"), "flow_attempts", schema="quoteway", type_="primary")
    op.create_primary_key(
        op.f("pk_flow_attempts"),
        "flow_attempts",
        ["flow_id", "step", "direction", "generation", "attempt"],
        schema="quoteway",
    )
    op.create_table(
        "webhook_inbox",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("legal_entity", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "source", "event_id", name=op.f("pk_webhook_inbox")),
        schema="quoteway",
    )
    op.create_index(
        "ix_webhook_inbox_unfinished",
        "webhook_inbox",
        ["tenant", "source", "subject", "position"],
        unique=False,
        schema="quoteway",
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "subscription_states",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("legal_entity", sa.Text(), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=True),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "external_id", name=op.f("pk_subscription_states")),
        schema="quoteway",
    )
    op.create_table(
        "dead_letter_decisions",
        sa.Column("decision_id", sa.UUID(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("dead_letter_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("from_step", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_dead_letter_decisions")),
        schema="quoteway",
    )
    op.create_index(
        op.f("ix_dead_letter_decisions_tenant_dead_letter_id"),
        "dead_letter_decisions",
        ["tenant", "dead_letter_id"],
        unique=False,
        schema="quoteway",
    )
    op.execute(
        """
        CREATE FUNCTION quoteway.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON quoteway.dead_letter_decisions
        FOR EACH STATEMENT EXECUTE FUNCTION quoteway.refuse_change()
        """
    )


def downgrade() -> None:
    """Take the change back. Flows that were begun again lose the attempts of all but their first generation."""
    op.drop_table("dead_letter_decisions", schema="quoteway")
    op.execute("DROP FUNCTION quoteway.refuse_change()")
    op.drop_table("subscription_states", schema="quoteway")
    op.drop_table("webhook_inbox", schema="quoteway")
    op.execute("DELETE FROM quoteway.flow_attempts WHERE generation > 1")
    op.drop_constraint(op.f("pk_flow_attempts"), "flow_attempts", schema="quoteway", type_="primary")
    op.drop_column("flow_attempts", "generation", schema="quoteway")
    op.create_primary_key(
        op.f("pk_flow_attempts"), "flow_attempts", ["flow_id", "step", "direction", "attempt"], schema="quoteway"
    )
    op.drop_column("flows", "undoing_to", schema="quoteway")
    op.drop_column("flows", "generation", schema="quoteway")
    op.drop_index("ix_events_unpublished", table_name="events", schema="quoteway")
    op.drop_column("events", "position", schema="quoteway")
    op.create_index(
        "ix_events_unpublished",
        "events",
        ["occurred_at"],
        unique=False,
        schema="quoteway",
        postgresql_where=sa.text("published_at IS NULL"),
    )
