"""Row-level security: PostgreSQL itself shows each transaction only its tenant's rows.

The application's transactions use a role without ownership or bypass rights, and set their tenant (see
`process_api.database.store`). A query that forgets the tenant neither finds nor writes another tenant's rows.

A migration that creates a table must set its row security, or nobody can use the table:

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

# Roles belong to the whole cluster: another database's migration may have created it, or be creating it now. The
# creator of a role may grant it to others, but from PostgreSQL 16 on must grant it to itself as well.
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

# The rights to enqueue a flow in a transaction of ours, to see whether it still runs, and to delete it some days after
# its end (process_api.database.retention).
GRANT_WORKFLOW_QUEUE = f"""
GRANT USAGE ON SCHEMA dbos TO {APPLICATION_ROLE};
GRANT SELECT, INSERT, UPDATE, DELETE ON dbos.workflow_status TO {APPLICATION_ROLE};
GRANT SELECT, INSERT, DELETE ON dbos.workflow_input TO {APPLICATION_ROLE};
GRANT SELECT, DELETE ON dbos.workflow_output, dbos.operation_outputs TO {APPLICATION_ROLE}
"""


def isolate(table: str, *, through: tuple[str, str] | None = None, privileges: str = _ALL) -> str:
    """Return the statements that show a table's rows to their tenant only.

    `through`: the isolated parent table, and the column that refers to it. `privileges` are the application's: leave
    out UPDATE and DELETE for rows that must never change.
    """
    if through is None:
        visible = f"tenant = {_TENANT_NOW} OR {_TENANT_NOW} = '{EVERY_TENANT}'"
    else:
        parent, column = through
        # The parent's own policy applies in the subquery.
        visible = f"EXISTS (SELECT FROM {SCHEMA}.{parent} WHERE {parent}.{column} = {table}.{column})"
    return f"""
ALTER TABLE {SCHEMA}.{table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {SCHEMA}.{table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON {SCHEMA}.{table} USING ({visible}) WITH CHECK ({visible});
{open_to_all_tenants(table, privileges=privileges)}"""


def open_to_all_tenants(table: str, *, privileges: str = _ALL) -> str:
    """Return the statement that lets the application use a table without tenants' data."""
    return f"GRANT {privileges} ON {SCHEMA}.{table} TO {APPLICATION_ROLE}"


def lift_isolation(table: str) -> str:
    """Return the statements that undo `isolate`."""
    return f"""
DROP POLICY tenant_isolation ON {SCHEMA}.{table};
ALTER TABLE {SCHEMA}.{table} NO FORCE ROW LEVEL SECURITY;
ALTER TABLE {SCHEMA}.{table} DISABLE ROW LEVEL SECURITY"""
