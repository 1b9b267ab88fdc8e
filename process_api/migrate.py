"""Bring the database up to date: `python -m process_api.migrate`. Run it before a new version's processes start."""

import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
from alembic import command
from alembic.config import Config
from dbos import DBOS
from msgspec import Meta
from sqlalchemy import create_engine, text

from process_api.row_security import GRANT_WORKFLOW_QUEUE
from process_api.store import sqlalchemy_url
from shared.settings import load_settings_or_exit


class MigrationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the migration needs."""

    database_url: Annotated[str, Meta(pattern="^postgresql://", description="PostgreSQL 15+ that is to be migrated")]


def alembic_config(database_url: str) -> Config:
    """Alembic's configuration, with our migrations."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", sqlalchemy_url(database_url).replace("%", "%%"))
    return config


def migrate(database_url: str) -> None:
    """Bring our tables and the workflow engine's to the newest version. Running it again changes nothing."""
    command.upgrade(alembic_config(database_url), "head")
    DBOS.migrate(sqlalchemy_url(database_url))
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.begin() as connection:
        connection.execute(text(GRANT_WORKFLOW_QUEUE))
    engine.dispose()


if __name__ == "__main__":
    migrate(load_settings_or_exit(MigrationSettings, os.environ, "The migration").database_url)
    sys.stdout.write("The database is up to date.\n")
