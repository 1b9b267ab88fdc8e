-- The logins that Quoteway's processes serve with: each may do its own work, own nothing, and bypass no row security.
-- Run it after the first migration, as the login that migrates (the owner), in Quoteway's database; then give each login
-- its password (psql: \password quoteway_process). Of a further migration's new tables they have their rights at once.

CREATE ROLE quoteway_experience LOGIN;
CREATE ROLE quoteway_process LOGIN;
CREATE ROLE quoteway_system LOGIN;
CREATE ROLE quoteway_signer LOGIN;

-- QUOTEWAY_AUDIT_DATABASE_URL of the experience and the system API: they append to the audit log, and read nothing.
GRANT quoteway_audit_writer TO quoteway_experience, quoteway_system;

-- QUOTEWAY_DATABASE_URL of the process API and its workers: one tenant's rows at a time, and the workflow engine's tables.
GRANT quoteway_audit_writer, quoteway_app TO quoteway_process;
GRANT SELECT ON quoteway.alembic_version TO quoteway_process;
GRANT USAGE ON SCHEMA dbos TO quoteway_process;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA dbos TO quoteway_process;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA dbos TO quoteway_process;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbos TO quoteway_process;
ALTER DEFAULT PRIVILEGES IN SCHEMA dbos GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO quoteway_process;
ALTER DEFAULT PRIVILEGES IN SCHEMA dbos GRANT USAGE ON SEQUENCES TO quoteway_process;
ALTER DEFAULT PRIVILEGES IN SCHEMA dbos GRANT EXECUTE ON FUNCTIONS TO quoteway_process;

-- QUOTEWAY_AUDIT_DATABASE_URL of `python -m shared.audit sign`: it reads the audit log.
GRANT quoteway_audit_reader TO quoteway_signer;
