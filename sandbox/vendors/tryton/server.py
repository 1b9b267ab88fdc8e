"""The running ERP: Tryton's web application and its queue worker, on one database."""

import contextlib
import os
from functools import partial
from http.client import HTTPException
from pathlib import Path
from threading import Lock
from typing import Self

from sandbox.engines.postgres import Postgres
from sandbox.processes.ports import LOOPBACK
from sandbox.processes.process import ProcessError, RunningProcess, start_on_port, start_process
from sandbox.processes.progress import Progress
from sandbox.vendors.tryton.credentials import FILE_NAME, TrytonCredentials
from sandbox.vendors.tryton.environment import tryton_python
from sandbox.vendors.tryton.http import send
from sandbox.vendors.tryton.rest import RestClient
from sandbox.vendors.tryton.worker import TrytonWorker

DATABASE = "tryton"
_START_TIMEOUT_S = 60.0
_THREADS = 16
_INFO = "20"


class TrytonServer:
    """Tryton on a loopback port.

    Two processes: the web application under a production WSGI server, and the worker that does what Tryton queues
    (sales whose time to be withdrawn is over, sales whose invoices change).

    Args:
        postgres: the server that holds the database.
        database: a copy of the built template.
        run_dir: where the configuration (the database's password in it, so mode 0600) and the logs go.
        port: the port to listen on; 0 takes a free one at the first start and keeps it across restarts.
        credentials: what is valid in the database; written beside the configuration for other programs.
        progress: told when Tryton has to be installed first.
    """

    def __init__(
        self,
        postgres: Postgres,
        database: str = DATABASE,
        *,
        run_dir: Path,
        port: int = 0,
        credentials: TrytonCredentials | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.database = database
        self.port = port
        self._postgres = postgres
        self.run_dir = run_dir
        self._credentials = credentials
        self._progress = progress or Progress(quiet=True)
        self._web: RunningProcess | None = None
        self._worker: TrytonWorker | None = None
        # Tenants that share a server may start it at the same time.
        self._starting = Lock()

    @property
    def url(self) -> str:
        """The server's address, without the database."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def credentials(self) -> TrytonCredentials:
        """The database's credentials. Raises `ProcessError` if the server was started without."""
        if self._credentials is None:
            raise ProcessError("This Tryton was started without the credentials of its database.")
        return self._credentials

    def client(self, tenant: str, legal_entity: str | None) -> RestClient:
        """Return a REST client as the tenant's integration user, in the company of a legal entity (None: in none)."""
        access = self.credentials.tenants[tenant]
        company = None if legal_entity is None else access.companies[legal_entity]
        return RestClient(self.url, self.database, access.rest_key, company)

    @property
    def pid(self) -> int:
        """The web application's process id. Raises `ProcessError` when it was never started."""
        if self._web is None:
            raise ProcessError("Tryton has not been started.")
        return self._web.pid

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id; None while there is none."""
        return None if self._worker is None else self._worker.pid

    @property
    def is_running(self) -> bool:
        """Whether the web application is running."""
        return self._web is not None and self._web.is_running

    def log_tail(self) -> str:
        """Return the last lines of the web application's log."""
        return "" if self._web is None else self._web.log_tail()

    def start(self) -> Self:
        """Start both processes and wait until the application answers. Raises `ProcessError` when it does not."""
        with self._starting:
            return self if self.is_running else self._start()

    def _start(self) -> Self:
        self.stop()
        python = tryton_python(self._progress)
        self.run_dir.mkdir(parents=True, exist_ok=True)
        configuration = self.run_dir / "tryton.conf"
        write_configuration(configuration, self._postgres)
        if self._credentials is not None:
            self._credentials.write(self.run_dir / FILE_NAME)
        log_path = self.run_dir / "tryton-worker.log"
        self._worker = TrytonWorker(python, self._postgres, self.database, tryton_variables(configuration), log_path)
        try:
            self._web = start_on_port("Tryton", self.port, partial(self._start_web, python, configuration))
            self._worker.keep()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop both. The database rolls a request under way back."""
        for process in (self._web, self._worker):
            if process is not None:
                process.stop()

    def kill(self) -> None:
        """Kill both with SIGKILL, as a crash would."""
        for process in (self._web, self._worker):
            if process is not None:
                process.kill()

    def restart(self) -> None:
        """Stop and start on the same port and database."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def _start_web(self, python: Path, configuration: Path, port: int) -> RunningProcess:
        self.port = port
        return start_process(
            "Tryton",
            [
                *(python, "-I", "-m", "waitress"),
                *(f"--listen={LOOPBACK}:{port}", f"--threads={_THREADS}", "trytond.application:app"),
            ],
            env={**tryton_variables(configuration), "TRYTOND_DATABASE_NAMES": self.database},
            log_path=self.run_dir / "tryton.log",
            ready=self._answers,
            timeout_s=_START_TIMEOUT_S,
            grace_s=3.0,
        )

    def _answers(self) -> bool:
        body = {"id": 0, "method": "common.server.version", "params": []}
        with contextlib.suppress(OSError, HTTPException, ValueError):
            return "result" in send("POST", f"{self.url}/rpc/", {}, body, timeout_s=5.0).value
        return False


def write_configuration(path: Path, postgres: Postgres) -> None:
    """Write Tryton's configuration file, readable by its owner only."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(
        "[database]\n"
        f"uri = {postgres.url('')}\n"
        "list = False\n"
        # Confirming a sale locks tables without waiting, and gives up after so many attempts.
        "retry = 20\n"
        "[queue]\n"
        "worker = True\n"
        "[web]\n"
        "root =\n"
    )


def tryton_variables(configuration: Path) -> dict[str, str]:
    """Return the whole environment of a Tryton process, without any of the caller's settings."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(configuration.parent),
        "LANG": "C.UTF-8",
        "TRYTOND_CONFIG": str(configuration),
        "TRYTOND_LOGGING_LEVEL": _INFO,
    }
