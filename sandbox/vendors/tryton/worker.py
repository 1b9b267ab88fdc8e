"""Keeps Tryton's queue worker running.

The worker does what Tryton queues: sales whose withdrawal period is over, sales whose invoices changed. When its
database restarts, it sometimes exits and sometimes hangs; either way it must be replaced.
"""

import contextlib
import threading
from collections.abc import Mapping
from pathlib import Path

import psycopg

from sandbox.engines.postgres import Postgres
from sandbox.processes.process import ProcessError, RunningProcess, start_process

_PAUSE_S = 1.0
_CONNECT_TIMEOUT_S = 2
_GRACE_S = 3.0


class TrytonWorker:
    """One worker process on one database.

    Args:
        python: the Python of Tryton's environment.
        postgres: the server that holds the database.
        database: the database's name.
        variables: the process's whole environment.
        log_path: its log.
    """

    def __init__(
        self, python: Path, postgres: Postgres, database: str, variables: Mapping[str, str], log_path: Path
    ) -> None:
        self._python = python
        self._postgres = postgres
        self._database = database
        self._variables = variables
        self._log_path = log_path
        self._ending = threading.Event()
        self._process = self._start_process()
        self._keeper = threading.Thread(target=self._keep, name="tryton-worker-keeper", daemon=True)

    @property
    def pid(self) -> int | None:
        """The process id; None while there is none."""
        return self._process.pid if self._process.is_running else None

    def keep(self) -> None:
        """Replace the worker from now on whenever it has ended or lost its database.

        Raises:
            ProcessError: it has ended already, so a new one would do no better.
        """
        if not self._process.is_running:
            raise ProcessError(f"Tryton's worker ended at once. Its last lines:\n{self._process.log_tail()}")
        self._keeper.start()

    def stop(self) -> None:
        """Stop it in order."""
        self._release()
        self._process.stop()

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self._release()
        self._process.kill()

    def _release(self) -> None:
        self._ending.set()
        if self._keeper.is_alive():
            self._keeper.join()

    def _keep(self) -> None:
        connection = self._connect()
        try:
            while not self._ending.wait(_PAUSE_S):
                # A connection of our own is lost exactly when the worker's is.
                if connection is not None and self._process.is_running and _is_open(connection):
                    continue
                if connection is not None:
                    connection.close()
                connection = self._connect()
                if connection is not None:
                    self._process.stop()
                    self._process = self._start_process()
        finally:
            if connection is not None:
                connection.close()

    def _connect(self) -> "psycopg.Connection[tuple[object, ...]] | None":
        # Not to the ERP's own database, which could then neither be copied nor dropped.
        with contextlib.suppress(psycopg.Error):
            url = self._postgres.url("postgres")
            return psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S)
        return None

    def _start_process(self) -> RunningProcess:
        return start_process(
            "Tryton's worker",
            [self._python, "-I", "-m", "trytond.cli.worker", "-n", "1", "-d", self._database, "-v"],
            env=self._variables,
            log_path=self._log_path,
            ready=lambda: True,  # it has no ready line; whether it runs is checked when the application answers
            grace_s=_GRACE_S,
        )


def _is_open(connection: "psycopg.Connection[tuple[object, ...]]") -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True
