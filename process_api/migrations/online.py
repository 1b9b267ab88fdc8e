"""Migrations while the previous version's processes run (docs/decisions/0052)."""

import sqlalchemy as sa
from alembic import op

from process_api.database.tables import SCHEMA

# A statement that waits for a table blocks all that come after it: at most this long, which is less than a caller
# waits.
LOCK_TIMEOUT_S = 3.0


def lock_timeout(seconds: float) -> sa.TextClause:
    """Return the statement that sets this session's lock timeout; 0 means forever."""
    return sa.text(f"SET lock_timeout = '{round(seconds * 1000)}ms'")


def create_index_online(
    name: str, table: str, columns: list[str], *, where: str | None = None, using: str = "btree"
) -> None:
    """Build an index while its table is written to. Leftovers of an interrupted attempt are removed first.

    It is built outside of transactions, after the migration's earlier changes are committed: those must be repeatable.
    It waits for current writers as long as they take, and blocks nobody.
    """
    with op.get_context().autocommit_block():
        op.execute(lock_timeout(0))
        op.execute(sa.text(f'DROP INDEX CONCURRENTLY IF EXISTS {SCHEMA}."{name}"'))
        op.create_index(
            name,
            table,
            columns,
            schema=SCHEMA,
            postgresql_where=sa.text(where) if where is not None else None,
            postgresql_using=using,
            postgresql_concurrently=True,
        )
        op.execute(lock_timeout(LOCK_TIMEOUT_S))
