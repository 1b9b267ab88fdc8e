"""A landscape's own database: migrated, with the logins that its processes serve with.

These are the restricted logins of an installation, made by the statements that an administrator runs
(docs/operations/database_logins.sql): what a process does in the sandbox, it can do with these rights.
"""

import re
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from sandbox.engines.postgres import ExternalPostgres, PostgresEngine
from sandbox.processes.process import ProcessError, start_process

_ROOT = Path(__file__).resolve().parents[2]
_STATEMENTS = _ROOT / "docs" / "operations" / "database_logins.sql"
_LOGIN = re.compile(r"quoteway_(experience|process|system|signer)\b")
LOGINS = ("experience", "process", "system", "signer")


@dataclass(frozen=True)
class DatabaseLogins:
    """The logins to a database. `url` is its owner's, `database` its name, which theirs begin with."""

    url: str = field(repr=False)
    database: str
    _password: str = field(init=False, repr=False, default_factory=lambda: secrets.token_urlsafe(24))

    def url_of(self, who: str) -> str:
        """Return the address with the login of `experience`, `process`, `system` or `signer` in it."""
        parts = urlsplit(self.url)
        place = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{self._name(who)}:{quote(self._password)}@{place}"))

    def make(self) -> None:
        """Make them, in a migrated database; those that are there get a new password."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in _statements():
                # Roles belong to the whole server: an earlier run on the same data has made them.
                try:
                    connection.execute(_LOGIN.sub(lambda found: self._name(found[1]), statement).encode())
                except psycopg.errors.DuplicateObject:
                    continue
            for who in LOGINS:
                command = sql.SQL("ALTER ROLE {} PASSWORD {}")
                connection.execute(command.format(sql.Identifier(self._name(who)), sql.Literal(self._password)))

    def drop(self, admin_url: str) -> None:
        """Remove them, once their database is gone."""
        with psycopg.connect(admin_url, autocommit=True) as connection:
            for who in LOGINS:
                connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(self._name(who))))

    def _name(self, who: str) -> str:
        """Return a login's name: on a server that others use too it is this run's own, as the database's name is."""
        return f"{self.database}_{who}"


def prepare_database(
    postgres: PostgresEngine | ExternalPostgres,
    database: str,
    environment: Callable[[Mapping[str, str]], dict[str, str]],
    run_dir: Path,
) -> DatabaseLogins:
    """Bring a landscape's database to its newest version, and make the logins. Raises ProcessError with the reason."""
    if not postgres.has_database(database):
        postgres.create_database(database)
    owner = postgres.url(database)
    migration = start_process(
        "The migration",
        [sys.executable, "-m", "process_api.migrate"],
        env=environment({"QUOTEWAY_DATABASE_URL": owner}),
        log_path=run_dir / "logs" / "migration.log",
        ready=lambda: True,
        cwd=_ROOT,
    )
    if migration.wait(60) != 0:
        raise ProcessError(f"The migration failed:\n{migration.log_tail()}\n(log: {migration.log_path})")
    logins = DatabaseLogins(owner, database)
    logins.make()
    return logins


def _statements() -> list[str]:
    """Return the file's statements, without its comments."""
    lines = (line for line in _STATEMENTS.read_text().splitlines() if not line.startswith("--"))
    return [statement for each in "\n".join(lines).split(";") if (statement := each.strip())]
