"""How migrations behave while the processes of the version before are at work (docs/decisions/0052)."""

import sqlalchemy as sa
from alembic import op

from process_api.database.tables import SCHEMA

# Whoever waits for a table makes all wait who come after it: no longer than this, and less than a caller waits.
LOCK_TIMEOUT_S = 3.0


def lock_timeout(seconds: float) -> sa.TextClause:
    """Return the statement after which this session waits so long for a lock; 0 is for ever."""
    return sa.text(f"SET lock_timeout = '{round(seconds * 1000)}ms'")


def create_index_online(
    name: str, table: str, columns: list[str], *, where: str | None = None, using: str = "btree"
) -> None:
    """Build an index while others write to its table. What is left of an attempt that broke off is removed first.

    It is built outside of transactions, after what the migration has done so far is committed: that must be such that
    it can run again. It waits for those who write, for as long as they take, and makes nobody wait.
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
