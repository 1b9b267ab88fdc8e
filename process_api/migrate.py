"""Migrates the database: `python -m process_api.migrate`. Run it before a new version's processes start."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Annotated

import msgspec
from alembic import command
from alembic.config import Config
from dbos import DBOS
from msgspec import Meta
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from process_api.database.row_security import GRANT_WORKFLOW_QUEUE
from process_api.database.store import sqlalchemy_url
from shared.settings import load_settings_or_exit

# Within a few minutes there is a time when nobody holds the table for long; if not, a person must look.
LOCK_ATTEMPTS_MAX = 30
LOCK_PAUSE_S = 5.0
_LOCK_NOT_AVAILABLE = "55P03"
TURN_PAUSE_S = 1.0
_TELL_EVERY = 10
_TAKE_TURN = text("SELECT pg_try_advisory_lock(hashtext('quoteway.migrate'))")
_WAITING = (
    "Another migration of this database is under way; waiting for its end. (pg_locks says whose it is: locktype "
    "'advisory'.)\n"
)
# The connection with the lock is silent meanwhile: it is kept open, and ends within a minute of its machine's end.
_KEPT_WHILE_ALIVE = (
    "-cidle_session_timeout=0 -ctcp_keepalives_idle=30 -ctcp_keepalives_interval=10 -ctcp_keepalives_count=3"
)


class MigrationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the migration."""

    database_url: Annotated[str, Meta(pattern="^postgresql://", description="PostgreSQL 15+ that is to be migrated")]


def alembic_config(database_url: str) -> Config:
    """Alembic's configuration, with our migrations."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", sqlalchemy_url(database_url).replace("%", "%%"))
    return config


def upgrade(database_url: str, revision: str = "head") -> None:
    """Migrate our tables to that revision. A migration that cannot lock a table at once is retried a few times.

    Raises sqlalchemy.exc.OperationalError if it never gets the lock, or the database does not answer.
    """
    for attempt in range(1, LOCK_ATTEMPTS_MAX + 1):
        try:
            command.upgrade(alembic_config(database_url), revision)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", "") != _LOCK_NOT_AVAILABLE or attempt == LOCK_ATTEMPTS_MAX:
                raise
            sys.stderr.write(f"A table is in use; trying again ({attempt} of {LOCK_ATTEMPTS_MAX - 1}).\n")
            time.sleep(LOCK_PAUSE_S)
        else:
            return


def migrate(database_url: str) -> None:
    """Migrate our tables and the workflow engine's to the newest version. Repeating it changes nothing.

    Waits for a migration of this database that is already running. Raises as `upgrade`.
    """
    with _one_at_a_time(database_url):
        upgrade(database_url)
        prepare_workflows(database_url)


def prepare_workflows(database_url: str) -> None:
    """Migrate the workflow engine's tables, and let the application enqueue flows in them."""
    DBOS.migrate(sqlalchemy_url(database_url))
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.begin() as connection:
        connection.execute(text(GRANT_WORKFLOW_QUEUE))
    engine.dispose()


@contextmanager
def _one_at_a_time(database_url: str) -> Iterator[None]:
    """Hold the migration lock: two migrations at once would create the same things. It ends with its connection."""
    engine = create_engine(
        sqlalchemy_url(database_url), isolation_level="AUTOCOMMIT", connect_args={"options": _KEPT_WHILE_ALIVE}
    )
    try:
        with engine.connect() as connection:
            for asked in count():
                # Polled: a statement that waits for the lock would itself block a concurrent index build.
                if connection.scalar(_TAKE_TURN):
                    break
                if asked % _TELL_EVERY == 0:
                    sys.stderr.write(_WAITING)
                time.sleep(TURN_PAUSE_S)
            yield
    finally:
        engine.dispose()


if __name__ == "__main__":
    try:
        migrate(load_settings_or_exit(MigrationSettings, os.environ, "The migration").database_url)
    except OperationalError as failed:
        sys.stderr.write(
            f"The migration has not ended: {failed.orig} Nothing is half done; run it again. If a table is in use, end "
            "the transaction that holds it (pg_stat_activity says which).\n"
        )
        sys.exit(1)
    sys.stdout.write("The database is up to date.\n")
