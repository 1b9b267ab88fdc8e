"""Alembic's environment: our schema only; the workflow engine migrates its own."""

from typing import Any

from alembic import context
from sqlalchemy import create_engine, text

from process_api.database.row_security import EVERY_TENANT
from process_api.database.tables import SCHEMA, metadata
from process_api.migrations import online
from process_api.migrations.online import lock_timeout


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Return whether a comparison of the database with the tables includes this name."""
    return name == SCHEMA if kind == "schema" else True


# A role named like our schema would have it on its search path, and comparisons would not see it.
engine = create_engine(
    context.config.get_main_option("sqlalchemy.url") or "", connect_args={"options": "-csearch_path=public"}
)
try:
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        connection.commit()
        connection.execute(lock_timeout(online.LOCK_TIMEOUT_S))
        # A migration changes every tenant's rows, even if it does not connect as a superuser.
        connection.execute(text(f"SELECT set_config('quoteway.tenant', '{EVERY_TENANT}', false)"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=metadata,
            include_schemas=True,
            include_name=include_name,
            version_table_schema=SCHEMA,
            # One migration's changes and locks must not wait for the next one.
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
finally:
    # Also if one fails: it is repeated from the beginning.
    engine.dispose()
