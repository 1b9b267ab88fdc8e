"""What is old can be found and deleted: indexes by time, decisions after a year, audit entries before a signed cut

Revision ID: 0020
Revises: 0017
"""

from alembic import op

from process_api.migrations.online import create_index_online

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# Rows come in the order of time, so an index of a few pages tells where the old ones lie.
_BY_TIME = {"flow_attempts": "begun_at", "flow_steps": "begun_at", "order_timeline": "at", "events": "occurred_at"}
_APPEND_ONLY = {"dead_letter_decisions": "decided_at", "token_revocations": "revoked_at"}

_REFUSE_YOUNG = """
CREATE FUNCTION quoteway.refuse_deletion_within_a_year() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (to_jsonb(OLD) ->> TG_ARGV[0])::timestamptz > now() - interval '365 days' THEN
        RAISE EXCEPTION '% is append-only for a year', TG_TABLE_NAME;
    END IF;
    RETURN OLD;
END $$
"""

# As in 0009: roles belong to the whole cluster.
_ROLE = """
DO $$
BEGIN
    BEGIN
        CREATE ROLE quoteway_audit_cutter NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    IF NOT pg_has_role(
        current_user,
        'quoteway_audit_cutter',
        CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END
    ) THEN
        BEGIN
            EXECUTE format('GRANT quoteway_audit_cutter TO %I', current_user);
        EXCEPTION WHEN insufficient_privilege THEN NULL;
        END;
    END IF;
END $$
"""

# Where a log begins that was cut: the right edge of the Merkle tree over what is gone, its chain hash, and the signed
# checkpoint that stands for both (shared/audit/cut.py). PostgreSQL cannot check the signature: `verify` does.
_CUTS = """
CREATE TABLE quoteway_audit.cuts (
    tenant text NOT NULL,
    size bigint NOT NULL CHECK (size > 0),
    edge bytea[] NOT NULL,
    chain_hash bytea NOT NULL,
    checkpoint text NOT NULL,
    cut_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, size)
);
CREATE TRIGGER cuts_stay BEFORE UPDATE OR DELETE ON quoteway_audit.cuts
    FOR EACH ROW EXECUTE FUNCTION quoteway_audit.refuse_change();
CREATE TRIGGER cuts_are_not_emptied BEFORE TRUNCATE ON quoteway_audit.cuts
    FOR EACH STATEMENT EXECUTE FUNCTION quoteway_audit.refuse_change();
ALTER TABLE quoteway_audit.cuts ENABLE ALWAYS TRIGGER cuts_stay;
ALTER TABLE quoteway_audit.cuts ENABLE ALWAYS TRIGGER cuts_are_not_emptied;

CREATE FUNCTION quoteway_audit.refuse_deletion_behind_the_cut() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM quoteway_audit.cuts WHERE cuts.tenant = OLD.tenant AND cuts.size >= OLD.sequence) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log only grows: deletion of an entry that was not exported and cut is refused'
        USING ERRCODE = 'insufficient_privilege';
END $$;
DROP TRIGGER entries_stay ON quoteway_audit.entries;
CREATE TRIGGER entries_stay BEFORE UPDATE ON quoteway_audit.entries
    FOR EACH ROW EXECUTE FUNCTION quoteway_audit.refuse_change();
CREATE TRIGGER entries_stay_until_cut BEFORE DELETE ON quoteway_audit.entries
    FOR EACH ROW EXECUTE FUNCTION quoteway_audit.refuse_deletion_behind_the_cut();
ALTER TABLE quoteway_audit.entries ENABLE ALWAYS TRIGGER entries_stay;
ALTER TABLE quoteway_audit.entries ENABLE ALWAYS TRIGGER entries_stay_until_cut;
"""

_CUT = """
CREATE FUNCTION quoteway_audit.cut(
    for_tenant text, at_size bigint, with_edge bytea[], with_chain_hash bytea, signed text
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM quoteway_audit.entries
        WHERE entries.tenant = for_tenant AND entries.sequence = at_size AND entries.chain_hash = with_chain_hash
    ) THEN
        RAISE EXCEPTION 'entry % of % is not what was exported', at_size, for_tenant USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO quoteway_audit.cuts (tenant, size, edge, chain_hash, checkpoint)
    VALUES (for_tenant, at_size, with_edge, with_chain_hash, signed);
END $$;
CREATE FUNCTION quoteway_audit.delete_before_cut(for_tenant text, at_most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    deleted bigint;
BEGIN
    DELETE FROM quoteway_audit.entries WHERE entries.tenant = for_tenant AND entries.sequence IN (
        SELECT entry.sequence FROM quoteway_audit.entries AS entry
        WHERE entry.tenant = for_tenant
        AND entry.sequence <= (SELECT max(cuts.size) FROM quoteway_audit.cuts WHERE cuts.tenant = for_tenant)
        ORDER BY entry.sequence LIMIT at_most FOR UPDATE SKIP LOCKED
    );
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END $$;
REVOKE ALL ON quoteway_audit.cuts FROM PUBLIC;
REVOKE ALL ON FUNCTION quoteway_audit.cut(text, bigint, bytea[], bytea, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION quoteway_audit.delete_before_cut(text, integer) FROM PUBLIC;
GRANT SELECT ON quoteway_audit.cuts TO quoteway_audit_reader;
GRANT USAGE ON SCHEMA quoteway_audit TO quoteway_audit_cutter;
GRANT SELECT ON quoteway_audit.cuts TO quoteway_audit_cutter;
GRANT EXECUTE ON FUNCTION quoteway_audit.cut(text, bigint, bytea[], bytea, text) TO quoteway_audit_cutter;
GRANT EXECUTE ON FUNCTION quoteway_audit.delete_before_cut(text, integer) TO quoteway_audit_cutter;
"""

_UNCUT = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM quoteway_audit.cuts) THEN
        RAISE EXCEPTION 'the audit log was cut: the version before cannot verify it';
    END IF;
END $$;
DROP FUNCTION quoteway_audit.cut(text, bigint, bytea[], bytea, text);
DROP FUNCTION quoteway_audit.delete_before_cut(text, integer);
DROP TRIGGER entries_stay_until_cut ON quoteway_audit.entries;
DROP FUNCTION quoteway_audit.refuse_deletion_behind_the_cut();
DROP TABLE quoteway_audit.cuts;
DROP TRIGGER entries_stay ON quoteway_audit.entries;
CREATE TRIGGER entries_stay BEFORE UPDATE OR DELETE ON quoteway_audit.entries
    FOR EACH ROW EXECUTE FUNCTION quoteway_audit.refuse_change();
ALTER TABLE quoteway_audit.entries ENABLE ALWAYS TRIGGER entries_stay;
"""


def upgrade() -> None:
    """Make the change."""
    for table, moment in _BY_TIME.items():
        create_index_online(f"ix_{table}_{moment}", table, [moment], using="brin")
    op.execute(_REFUSE_YOUNG)
    for table, moment in _APPEND_ONLY.items():
        op.execute(
            f"""
            DROP TRIGGER append_only ON quoteway.{table};
            CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON quoteway.{table}
            FOR EACH STATEMENT EXECUTE FUNCTION quoteway.refuse_change();
            CREATE TRIGGER kept_for_a_year BEFORE DELETE ON quoteway.{table}
            FOR EACH ROW EXECUTE FUNCTION quoteway.refuse_deletion_within_a_year('{moment}');
            GRANT DELETE ON quoteway.{table} TO quoteway_app
            """
        )
    for statements in (_ROLE, _CUTS, _CUT):
        op.execute(statements)


def downgrade() -> None:
    """Take the change back. A log that was cut stays cut, so then this is refused."""
    op.execute(_UNCUT)
    for table in _APPEND_ONLY:
        op.execute(
            f"""
            REVOKE DELETE ON quoteway.{table} FROM quoteway_app;
            DROP TRIGGER kept_for_a_year ON quoteway.{table};
            DROP TRIGGER append_only ON quoteway.{table};
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON quoteway.{table}
            FOR EACH STATEMENT EXECUTE FUNCTION quoteway.refuse_change()
            """
        )
    op.execute("DROP FUNCTION quoteway.refuse_deletion_within_a_year()")
    for table, moment in _BY_TIME.items():
        op.drop_index(f"ix_{table}_{moment}", table_name=table, schema="quoteway")
