"""The engines of the sandbox: PostgreSQL 18 and Valkey 9 from wheels, or servers that already run.

They are the real ones: the demo, the tests and production run the same code on the same engines. An engine listens on
the loopback interface only, needs a generated password, and ends with the program that started it.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Protocol, Self
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from sandbox.engines.postgres_install import data_location, postgres_account, program_folder
from sandbox.engines.valkey import ExternalRedis, RedisEngine, start_redis
from sandbox.processes.ports import LOOPBACK
from sandbox.processes.process import ProcessError, RunningProcess, remove_when_done, start_on_port, start_process

__all__ = [
    "POSTGRES_URL_VARIABLE",
    "ExternalPostgres",
    "ExternalRedis",
    "Postgres",
    "PostgresEngine",
    "RedisEngine",
    "copy_tree",
    "run_database",
    "start_postgres",
    "start_redis",
]

POSTGRES_URL_VARIABLE = "QUOTEWAY_SANDBOX_POSTGRES_URL"
SUPERUSER = "quoteway"
_PASSWORD_FILE = "quoteway.password"  # noqa: S105 (a file's name)
_REFLINK = ["--reflink=auto"] if os.uname().sysname == "Linux" else []
# The second: a killed server's last backends exit late.
_WORTH_ANOTHER_ATTEMPT = ("could not bind", "Address already in use", "pre-existing shared memory block")


class Postgres(Protocol):
    """The sandbox's interface to a PostgreSQL server, whoever runs it."""

    def url(self, database: str) -> str:
        """Return a libpq connection URL for one of its databases."""

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database, empty or as a copy of `template`, which must have no connections."""

    def drop_database(self, name: str) -> None:
        """Remove a database, ending its connections. Does nothing when there is none."""

    def rename_database(self, name: str, new_name: str) -> None:
        """Rename a database, which must have no connections."""

    def has_database(self, name: str) -> bool:
        """Return whether a database of that name exists."""

    def stop(self) -> None:
        """Stop the server if we started it."""


class _DatabaseCommands:
    """SQL commands for databases, the same for an embedded and an external server."""

    def url(self, database: str) -> str:
        raise NotImplementedError

    def create_database(self, name: str, template: str | None = None) -> None:
        command = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            # Copying files instead of writing every page to the log takes a third of the time on a 60 MB template.
            command += sql.SQL(" TEMPLATE {} STRATEGY FILE_COPY").format(sql.Identifier(template))
        self._run(command)

    def drop_database(self, name: str) -> None:
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def rename_database(self, name: str, new_name: str) -> None:
        self._run(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(new_name)))

    def has_database(self, name: str) -> bool:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            row = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        return row is not None

    def _run(self, command: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(command)


class PostgresEngine(_DatabaseCommands):
    """An embedded PostgreSQL 18 on a loopback port.

    Args:
        data_dir: its cluster; made by `initdb` when it does not exist. For root it may lie elsewhere: see the
            attribute `data_dir`.
        port: the port to listen on; 0 takes a free one at the first start and keeps it across restarts.
        durable: False switches `fsync` off: what is committed survives a crash of the server, not of the machine. For
            root, a cluster that had to be put elsewhere is then removed when the program ends.
        golden: a cleanly stopped cluster to begin with instead of an empty one, copied when `data_dir` is not there.
        log_path: its log; beside the data by default.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        durable: bool = True,
        golden: Path | None = None,
        log_path: Path | None = None,
    ) -> None:
        self._account = postgres_account()
        self.data_dir = data_location(data_dir, self._account)
        """The cluster's real folder. Root's cluster must be accessible to the user `nobody`."""
        self._is_elsewhere = self.data_dir != data_dir.resolve()
        self.port = port
        self.log_path = log_path or data_dir.parent / f"{data_dir.name}.log"
        self._durable = durable
        self._golden = golden
        self._process: RunningProcess | None = None

    @property
    def pid(self) -> int:
        """The process id of the server. Raises `ProcessError` when it does not run."""
        if self._process is None:
            raise ProcessError("PostgreSQL has not been started.")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the server process exists."""
        return self._process is not None and self._process.is_running

    @property
    def has_cluster(self) -> bool:
        """Whether there is a cluster; if not, the first start creates one."""
        return (self.data_dir / "PG_VERSION").exists()

    def url(self, database: str) -> str:
        """Return a libpq connection URL that includes the password."""
        password = (self.data_dir / _PASSWORD_FILE).read_text()
        return f"postgresql://{SUPERUSER}:{password}@{LOOPBACK}:{self.port}/{quote(database)}"

    def start(self) -> Self:
        """Start it and wait until it answers. Raises `ProcessError` with the reason if it cannot."""
        if self.is_running:
            return self
        self._make_cluster()
        self._process = start_on_port(
            "PostgreSQL", self.port, self._start_server, worth_another_attempt=_WORTH_ANOTHER_ATTEMPT
        )
        return self

    def stop(self) -> None:
        """Stop it in order: open transactions are rolled back, connections closed."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """Kill it with SIGKILL, as a crash would; the next start recovers from the log."""
        if self._process is not None:
            self._process.kill()

    def restart(self) -> None:
        """Stop and start on the same port and data."""
        self.stop()
        self.start()

    def destroy(self) -> None:
        """Stop it and remove its data."""
        self.stop()
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def _make_cluster(self) -> None:
        if self.has_cluster:
            return
        if self._is_elsewhere and not self._durable:
            remove_when_done(self.data_dir)
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        # Created under another name and renamed: an interrupted start leaves nothing that looks like a cluster.
        unfinished = Path(tempfile.mkdtemp(prefix=f"{self.data_dir.name}.", dir=self.data_dir.parent))
        try:
            if self._golden is None:
                self._account.own(unfinished)
                self._initdb(unfinished)
            else:
                copy_tree(self._golden, unfinished)
                self._account.own(unfinished)
            with contextlib.suppress(FileNotFoundError):
                self.data_dir.rmdir()  # an empty folder in its place is fine, one with files in it is an error
            unfinished.rename(self.data_dir)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise

    def _initdb(self, folder: Path) -> None:
        password_file = folder.with_name(folder.name + ".password")
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_urlsafe(24))
        if self._account.as_user is not None:
            os.chown(password_file, self._account.uid, self._account.gid)
        command = [
            str(program_folder(self._account) / "initdb"),
            f"--pgdata={folder}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--wal-segsize=4",  # MB: a fresh cluster is copied often, and starts with whole segments
            *([] if self._durable else ["--no-sync"]),
        ]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                cwd=folder,
                user=self._account.uid if self._account.as_user else None,
                group=self._account.gid if self._account.as_user else None,
                extra_groups=[] if self._account.as_user else None,
            )
            if done.returncode != 0:
                raise ProcessError(f"The database cluster could not be made: {done.stderr.strip()}")
            password_file.rename(folder / _PASSWORD_FILE)
        finally:
            password_file.unlink(missing_ok=True)

    def _start_server(self, port: int) -> RunningProcess:
        self.port = port
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(port),
            "unix_socket_directories": "",  # TCP only: no socket file that needs a short path or is left behind
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "min_wal_size": "8MB",
        }
        if not self._durable:
            # Only fsync: without synchronous_commit even a killed server, not just a dead machine, loses commits.
            settings["fsync"] = "off"
            settings["wal_recycle"] = "off"  # keeps clusters small, which are built once and copied often
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        left_behind = self._pid_file()
        return start_process(
            "PostgreSQL",
            [program_folder(self._account) / "postgres", "-D", self.data_dir, *options],
            log_path=self.log_path,
            ready=lambda: self._pid_file() != left_behind and self._pid_file()[7:8] == ["ready"],
            cwd=self.data_dir,
            user=self._account.as_user,
            stop_signal=signal.SIGINT,  # "fast": do not wait for clients to leave
        )

    def _pid_file(self) -> list[str]:
        """Return the lines of the server's own pid file: its process id, ..., its state.

        Used instead of the port, which by now could be another program's.
        """
        try:
            return [line.strip() for line in (self.data_dir / "postmaster.pid").read_text().splitlines()]
        except OSError:
            return []


class ExternalPostgres(_DatabaseCommands):
    """A PostgreSQL server that somebody else runs; its user must be allowed to create databases."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=5):
                pass
        except psycopg.Error as error:
            raise ProcessError(
                f"The PostgreSQL server named in {POSTGRES_URL_VARIABLE} cannot be used: {str(error).strip()}"
            ) from error

    def url(self, database: str) -> str:
        """Return the given URL with the database in it."""
        return urlunsplit(self._parts._replace(path="/" + quote(database)))

    def stop(self) -> None:
        """Do nothing: it is not ours to stop."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()


def run_database(name: str) -> str:
    """Return the name of a run's own database: `name` on an embedded server, which nobody else uses.

    On a server named in `QUOTEWAY_SANDBOX_POSTGRES_URL` it is a new name each time, since `name` may be somebody's real
    database there; the program that creates it drops it at the end.
    """
    return f"{name}_sandbox_{secrets.token_hex(6)}" if os.environ.get(POSTGRES_URL_VARIABLE) else name


def start_postgres(
    data_dir: Path, *, port: int = 0, durable: bool = True, golden: Path | None = None
) -> PostgresEngine | ExternalPostgres:
    """Return the server named in `QUOTEWAY_SANDBOX_POSTGRES_URL`, or else an embedded one."""
    url = os.environ.get(POSTGRES_URL_VARIABLE)
    return ExternalPostgres(url) if url else PostgresEngine(data_dir, port=port, durable=durable, golden=golden).start()


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder's content into an existing folder, sharing blocks where the file system can."""
    done = subprocess.run(
        ["cp", "-a", *_REFLINK, f"{source}/.", str(target)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ProcessError(f"{source} could not be copied to {target}: {done.stderr.strip()}")
