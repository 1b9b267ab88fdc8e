"""Starts every process of the sandbox and the tests, with `start_process`.

A process gets a session of its own (so that Ctrl-C at the terminal only reaches the program that started it, which then
stops its children in order), a log file, a readiness check with a time limit, and a guardian that ends it when the
program that started it is gone, even by SIGKILL.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Literal, Self

from sandbox.processes import process_guardian
from sandbox.processes.ports import LOOPBACK, free_port

_ATTEMPTS_MAX = 5
_POLL_S = 0.02
_LOG_LINES_SHOWN = 15

Ready = Literal["json line"] | Callable[[], bool]


class ProcessError(RuntimeError):
    """A process did not start, or ended, and a person must know why. The message names the log file."""


def require_free_port(port: int, purpose: str) -> None:
    """Raise `ProcessError`, for the person who chose the port, if something already listens on it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise ProcessError(
                f"Port {port} on {LOOPBACK} cannot be used for {purpose}: {error.strerror}. "
                "Stop the program that holds it, or choose another port."
            ) from error


def start_on_port(
    name: str,
    port: int,
    start: Callable[[int], "RunningProcess"],
    *,
    worth_another_attempt: Sequence[str] = ("Address already in use",),
) -> "RunningProcess":
    """Start a server that has to be told its port: `start(port)`, again where what fails it should pass.

    Args:
        name: what a person calls it.
        port: the port that it must have; 0 tries free ones, which another program may take before it is bound.
        start: starts it on a port; raises `ProcessError` when it cannot.
        worth_another_attempt: what such an error says when another attempt may end otherwise.

    Raises:
        ProcessError: the port is taken, or the last attempt failed too.
    """
    if port:
        require_free_port(port, name)
    for attempt in range(1, _ATTEMPTS_MAX):
        try:
            return start(port or free_port())
        except ProcessError as error:
            if not any(sign in str(error) for sign in worth_another_attempt):
                raise
            time.sleep(0.2 * attempt)
    return start(port or free_port())


class _Guardian:
    """This program's connection to its one guardian process, which is started with the first child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._watched: dict[int, process_guardian.Watched] = {}
        self._scrapped: list[str] = []

    def watch(self, pid: int, stop_signal: signal.Signals, grace_s: float) -> None:
        entry: process_guardian.Watched = {
            "pid": pid,
            "started": process_guardian.process_start(pid),
            "signal": int(stop_signal),
            "grace_s": grace_s,
        }
        with self._lock:
            self._watched[pid] = entry
            self._tell({"watch": entry})

    def forget(self, pid: int) -> None:
        with self._lock:
            if self._watched.pop(pid, None) is not None:
                self._tell({"forget": pid})

    def scrap(self, folder: Path) -> None:
        with self._lock:
            self._scrapped.append(str(folder))
            self._tell({"scrap": str(folder)})

    def _tell(self, instruction: Mapping[str, object]) -> None:
        if self._process is None or self._process.poll() is not None:
            self._start()  # a guardian that was killed is replaced, and told of everything that still runs
            return
        self._write(instruction)

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", process_guardian.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        for entry in self._watched.values():
            self._write({"watch": entry})
        for folder in self._scrapped:
            self._write({"scrap": folder})

    def _write(self, instruction: Mapping[str, object]) -> None:
        pipe = self._process.stdin if self._process is not None else None
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.write(json.dumps(instruction) + "\n")
                pipe.flush()

    def abandon_in_forked_child(self) -> None:
        """Close the pipe in a forked child: while it stayed open, the guardian would not notice the real parent's
        end.
        """
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                os.close(self._process.stdin.fileno())
        self.__init__()  # type: ignore[misc]  # the child starts over, as if nothing had been started yet


_guardian = _Guardian()
os.register_at_fork(after_in_child=_guardian.abandon_in_forked_child)


def remove_when_done(folder: Path) -> None:
    """Have the folder removed after this program and its children have ended, however they end."""
    _guardian.scrap(folder)


class RunningProcess:
    """A started process. Leave its `with` block, or call `stop`, to end it."""

    def __init__(
        self,
        name: str,
        popen: "subprocess.Popen[bytes]",
        log_path: Path,
        *,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace_s: float = 10.0,
    ) -> None:
        self.name = name
        self.log_path = log_path
        self.ready: dict[str, object] = {}
        """The process's ready line; empty if readiness was polled."""
        self._popen = popen
        self._stop_signal = stop_signal
        self._grace_s = grace_s
        self._group_ended = False

    @property
    def pid(self) -> int:
        """The process id; also that of its process group."""
        return self._popen.pid

    @property
    def url(self) -> str:
        """The address in the process's ready line. Raises `ProcessError` if it has none."""
        url = self.ready.get("url")
        if not isinstance(url, str):
            raise ProcessError(f"{self.name} did not say under which address it can be reached ({self.log_path}).")
        return url

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it runs, negative for the signal that ended it, as in `subprocess`."""
        return self._popen.poll()

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended yet."""
        return self.exit_code is None

    def wait(self, timeout_s: float) -> int:
        """Return the exit code, once it has ended by itself.

        Raises `ProcessError` if it still runs after `timeout_s`.
        """
        try:
            code = self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise ProcessError(f"{self.name} (process {self.pid}) still runs after {timeout_s:g} s.") from error
        _guardian.forget(self.pid)
        return code

    def kill(self) -> None:
        """Kill it and its process group with SIGKILL, as a crash or an out-of-memory kill would."""
        if self.is_running:
            self._end_group()
        self._popen.wait()
        _guardian.forget(self.pid)

    def stop(self) -> None:
        """Stop it with its signal, wait for its grace period, then kill it. Children that it left behind end too."""
        if self.is_running:
            self._popen.send_signal(self._stop_signal)
            try:
                self._popen.wait(self._grace_s)
            except subprocess.TimeoutExpired:
                self.kill()
        if not self._group_ended:
            self._end_group()
        _guardian.forget(self.pid)

    def _end_group(self) -> None:
        # Once only: after its last member has gone, the group's number may be reused.
        self._group_ended = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def log_tail(self, lines: int = _LOG_LINES_SHOWN) -> str:
        """Return the last lines of its log."""
        try:
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()


def start_process(
    name: str,
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str] | None = None,
    log_path: Path,
    ready: Ready,
    timeout_s: float = 30.0,
    cwd: Path | None = None,
    user: tuple[int, int] | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    grace_s: float = 10.0,
) -> RunningProcess:
    """Start a program, wait until it is ready, and return it.

    Args:
        name: what a person calls it; it begins every error message.
        argv: the program and its arguments.
        env: its whole environment; None passes on this process's own.
        log_path: its standard output and error are appended here.
        ready: "json line" waits for a line `{"ready": true, ...}` on its standard output (its other members end up in
            `RunningProcess.ready`, `url` among them); a function is asked again and again until it says True.
        timeout_s: how long it may take to become ready.
        cwd: the folder it runs in.
        user: user and group id to run it as; only root may say so.
        stop_signal: what asks it to end in order.
        grace_s: how long it may take to do so before it is killed.

    Raises:
        ProcessError: it could not be started, ended early, or was not ready in time. Nothing is left running.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        position = log.tell()
        try:
            popen = subprocess.Popen(
                [os.fspath(part) for part in argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**(os.environ if env is None else env), "PYTHONUNBUFFERED": "1"},
                cwd=cwd,
                start_new_session=True,
                user=None if user is None else user[0],
                group=None if user is None else user[1],
                extra_groups=None if user is None else [],
            )
        except OSError as error:
            raise ProcessError(f"{name} could not be started: {error}.") from error
    process = RunningProcess(name, popen, log_path, stop_signal=stop_signal, grace_s=grace_s)
    _guardian.watch(process.pid, stop_signal, grace_s)
    try:
        _await_ready(process, ready, position, timeout_s)
    except BaseException:
        process.kill()
        raise
    return process


def _await_ready(process: RunningProcess, ready: Ready, position: int, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    with process.log_path.open("rb") as output:
        output.seek(position)
        while True:
            ended = not process.is_running  # checked before its output is read, so that the last line is not missed
            if callable(ready):
                if not ended and ready():
                    return
            elif (said := _ready_line(output)) is not None:
                process.ready = said
                return
            if ended:
                raise ProcessError(_explain(process, f"ended with exit code {process.exit_code} before it was ready"))
            if time.monotonic() > deadline:
                raise ProcessError(_explain(process, f"was not ready within {timeout_s:g} s"))
            time.sleep(_POLL_S)


def _ready_line(output: IO[bytes]) -> dict[str, object] | None:
    """Return the ready line if it is among the new complete lines."""
    while True:
        before = output.tell()
        line = output.readline()
        if not line.endswith(b"\n"):
            output.seek(before)
            return None
        if line.startswith(b"{"):
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict) and said.get("ready") is True:
                    return said


def _explain(process: RunningProcess, reason: str) -> str:
    last_lines = process.log_tail()
    shown = f"Its last lines:\n{last_lines}\n" if last_lines else "It wrote nothing. "
    return f"{process.name} {reason}. {shown}(log: {process.log_path})"
