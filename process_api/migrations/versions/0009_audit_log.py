"""The audit log: append-only, hash-chained for each tenant, written through one function

Revision ID: 0009
Revises: 0008
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Roles belong to the whole cluster: another database's migration may have made them, or be making them now.
_ROLES = """
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['quoteway_audit_writer', 'quoteway_audit_reader'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
        IF NOT pg_has_role(
            current_user,
            wanted,
            CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END
        ) THEN
            BEGIN
                EXECUTE format('GRANT %I TO %I', wanted, current_user);
            -- Made by another database's migration, and not handed on: the tiers' own logins are granted it anyway.
            EXCEPTION WHEN insufficient_privilege THEN NULL;
            END;
        END IF;
    END LOOP;
END $$
"""

# chain_hash = SHA-256(chain_hash before, leaf_hash); leaf_hash is RFC 6962's over all that the row says. What is hashed
# is made in shared/audit/entry.py too, where it is verified.
_TABLES = """
CREATE SCHEMA quoteway_audit;
CREATE TABLE quoteway_audit.entries (
    tenant text NOT NULL CHECK (tenant ~ '^[a-z0-9_-]{1,40}$'),
    sequence bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    entry text NOT NULL,
    leaf_hash bytea NOT NULL,
    chain_hash bytea NOT NULL,
    PRIMARY KEY (tenant, sequence)
);
CREATE TABLE quoteway_audit.heads (
    tenant text PRIMARY KEY,
    size bigint NOT NULL,
    chain_hash bytea NOT NULL
);
"""

_APPEND = """
CREATE FUNCTION quoteway_audit.append(for_tenant text, texts text[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    at_size bigint;
    chained bytea;
    leaf bytea;
    moment timestamptz;
    written text;
    one text;
BEGIN
    INSERT INTO quoteway_audit.heads AS head (tenant, size, chain_hash)
    VALUES (for_tenant, 0, decode(repeat('00', 32), 'hex')) ON CONFLICT (tenant) DO NOTHING;
    -- One transaction at a time has a tenant's head: what it reads here nobody else goes on from.
    SELECT head.size, head.chain_hash INTO at_size, chained FROM quoteway_audit.heads AS head
    WHERE head.tenant = for_tenant FOR UPDATE;
    moment := clock_timestamp();
    written := to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
    FOREACH one IN ARRAY texts LOOP
        at_size := at_size + 1;
        leaf := sha256(
            '\\x00'::bytea
            || convert_to(for_tenant || E'\\n' || at_size || E'\\n' || written || E'\\n' || one, 'UTF8')
        );
        chained := sha256(chained || leaf);
        INSERT INTO quoteway_audit.entries (tenant, sequence, recorded_at, entry, leaf_hash, chain_hash)
        VALUES (for_tenant, at_size, moment, one, leaf, chained);
    END LOOP;
    UPDATE quoteway_audit.heads AS head SET size = at_size, chain_hash = chained WHERE head.tenant = for_tenant;
    RETURN at_size;
END $$;
"""

# ALWAYS: also in a session that replays replication, which passes over ordinary triggers.
_TRIGGERS = """
CREATE FUNCTION quoteway_audit.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log only grows: % of % is refused', lower(TG_OP), TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE FUNCTION quoteway_audit.refuse_shrinking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.tenant <> OLD.tenant OR NEW.size < OLD.size THEN
        RAISE EXCEPTION 'the audit log only grows: a head never goes back'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER entries_stay BEFORE UPDATE OR DELETE ON quoteway_audit.entries
    FOR EACH ROW EXECUTE FUNCTION quoteway_audit.refuse_change();
CREATE TRIGGER entries_are_not_emptied BEFORE TRUNCATE ON quoteway_audit.entries
    FOR EACH STATEMENT EXECUTE FUNCTION quoteway_audit.refuse_change();
CREATE TRIGGER heads_stay BEFORE DELETE ON quoteway_audit.heads
    FOR EACH ROW EXECUTE FUNCTION quoteway_audit.refuse_change();
CREATE TRIGGER heads_are_not_emptied BEFORE TRUNCATE ON quoteway_audit.heads
    FOR EACH STATEMENT EXECUTE FUNCTION quoteway_audit.refuse_change();
CREATE TRIGGER heads_grow BEFORE UPDATE ON quoteway_audit.heads
    FOR EACH ROW EXECUTE FUNCTION quoteway_audit.refuse_shrinking();
ALTER TABLE quoteway_audit.entries ENABLE ALWAYS TRIGGER entries_stay;
ALTER TABLE quoteway_audit.entries ENABLE ALWAYS TRIGGER entries_are_not_emptied;
ALTER TABLE quoteway_audit.heads ENABLE ALWAYS TRIGGER heads_stay;
ALTER TABLE quoteway_audit.heads ENABLE ALWAYS TRIGGER heads_are_not_emptied;
ALTER TABLE quoteway_audit.heads ENABLE ALWAYS TRIGGER heads_grow;
"""

_RIGHTS = """
REVOKE ALL ON SCHEMA quoteway_audit FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA quoteway_audit FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA quoteway_audit FROM PUBLIC;
GRANT USAGE ON SCHEMA quoteway_audit TO quoteway_audit_writer, quoteway_audit_reader;
GRANT EXECUTE ON FUNCTION quoteway_audit.append(text, text[]) TO quoteway_audit_writer;
GRANT SELECT ON quoteway_audit.entries, quoteway_audit.heads TO quoteway_audit_reader;
"""


def upgrade() -> None:
    """Make the change."""
    for statements in (_ROLES, _TABLES, _APPEND, _TRIGGERS, _RIGHTS):
        op.execute(statements)


def downgrade() -> None:
    """Take the change back, and with it the log. The roles stay: they are the cluster's."""
    op.execute("DROP SCHEMA quoteway_audit CASCADE")
