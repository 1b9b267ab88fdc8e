"""Row-level security: behind every query, PostgreSQL itself shows a transaction the rows of its tenant and no others.

The application's transactions act as a role that owns nothing and bypasses nothing, and name their tenant (see
`process_api.database.store`). A query that forgot its tenant finds nothing foreign, and writes no other tenant's row.

A migration that makes a table says which rows of it are whose, or nobody can use the table:

    op.execute(isolate("orders"))                                   it has a column `tenant`
    op.execute(isolate("order_timeline", through=("orders", "order_id")))   its rows are their order's tenant's
    op.execute(open_to_all_tenants("executors"))                    it holds nothing of any tenant
"""

SCHEMA = "quoteway"
APPLICATION_ROLE = "quoteway_app"
# No token can name this tenant: names are letters, digits and hyphens.
EVERY_TENANT = "*"
_TENANT_NOW = "current_setting('quoteway.tenant', true)"
_ALL = "SELECT, INSERT, UPDATE, DELETE"

# Roles belong to the whole cluster: another database's migration may have made it, or be making it now. Who makes a
# role may hand it to others, but from PostgreSQL 16 on has to hand it to itself as well.
CREATE_APPLICATION_ROLE = f"""
DO $$
BEGIN
    BEGIN
        CREATE ROLE {APPLICATION_ROLE} NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    IF NOT pg_has_role(
        current_user,
        '{APPLICATION_ROLE}',
        CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END
    ) THEN
        EXECUTE format('GRANT {APPLICATION_ROLE} TO %I', current_user);
    END IF;
END $$
"""

# What the workflow engine needs to queue a flow in a transaction of ours, and we to see whether it still runs and to
# forget it some days after its end (process_api.database.retention).
GRANT_WORKFLOW_QUEUE = f"""
GRANT USAGE ON SCHEMA dbos TO {APPLICATION_ROLE};
GRANT SELECT, INSERT, UPDATE, DELETE ON dbos.workflow_status TO {APPLICATION_ROLE};
GRANT SELECT, INSERT, DELETE ON dbos.workflow_input TO {APPLICATION_ROLE};
GRANT SELECT, DELETE ON dbos.workflow_output, dbos.operation_outputs TO {APPLICATION_ROLE}
"""


def isolate(table: str, *, through: tuple[str, str] | None = None, privileges: str = _ALL) -> str:
    """Return the statements that show a table's rows to their tenant only.

    `through`: the isolated table that these rows belong to, and the column that says to which of its rows. `privileges`
    are the application's: leave out UPDATE and DELETE where rows are for ever.
    """
    if through is None:
        visible = f"tenant = {_TENANT_NOW} OR {_TENANT_NOW} = '{EVERY_TENANT}'"
    else:
        parent, column = through
        # The parent's own policy applies inside.
        visible = f"EXISTS (SELECT FROM {SCHEMA}.{parent} WHERE {parent}.{column} = {table}.{column})"
    return f"""
ALTER TABLE {SCHEMA}.{table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {SCHEMA}.{table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON {SCHEMA}.{table} USING ({visible}) WITH CHECK ({visible});
{open_to_all_tenants(table, privileges=privileges)}"""


def open_to_all_tenants(table: str, *, privileges: str = _ALL) -> str:
    """Return the statement that lets the application use a table in which nothing is any tenant's."""
    return f"GRANT {privileges} ON {SCHEMA}.{table} TO {APPLICATION_ROLE}"


def lift_isolation(table: str) -> str:
    """Return the statements that take `isolate` back."""
    return f"""
DROP POLICY tenant_isolation ON {SCHEMA}.{table};
ALTER TABLE {SCHEMA}.{table} NO FORCE ROW LEVEL SECURITY;
ALTER TABLE {SCHEMA}.{table} DISABLE ROW LEVEL SECURITY"""
