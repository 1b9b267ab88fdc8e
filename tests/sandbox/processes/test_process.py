"""Starting a process either gives a ready one, or a reason and the place of its log, and nothing left running."""

import os
import re
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from sandbox.processes.process import ProcessError, RunningProcess, start_on_port, start_process
from sandbox.processes.process_guardian import process_start

SAYS_READY = """
import json, time
print("warming up")
print("{not json")
print(json.dumps({"ready": True, "url": "http://127.0.0.1:1", "extra": 3}))
time.sleep(60)
"""
IGNORES_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('{"ready": true}')
time.sleep(60)
"""


def test_the_ready_line_gives_the_address(tmp_path: Path) -> None:
    log = tmp_path / "program.log"
    with start_process("Program", [sys.executable, "-c", SAYS_READY], log_path=log, ready="json line") as process:
        assert process.url == "http://127.0.0.1:1"
        assert process.ready["extra"] == 3
        assert process.is_running
        assert os.getsid(process.pid) == process.pid, "a terminal's Ctrl-C would reach it before its parent ends it"
    assert process.exit_code == -signal.SIGTERM
    assert "warming up" in process.log_tail()


def test_an_earlier_run_in_the_same_log_does_not_count_as_ready(tmp_path: Path) -> None:
    log = tmp_path / "program.log"
    log.write_text('{"ready": true}\n')
    with pytest.raises(ProcessError, match=r"was not ready within 0\.3 s"):
        start_process(
            "Program",
            [sys.executable, "-c", "import time; time.sleep(60)"],
            log_path=log,
            ready="json line",
            timeout_s=0.3,
        )


def test_a_process_that_ends_early_is_explained_by_its_own_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "program.log"
    with pytest.raises(
        ProcessError,
        match=rf"(?s)Program ended with exit code 3 before it was ready.*no such tenant.*{re.escape(str(log))}",
    ):
        start_process(
            "Program",
            [sys.executable, "-c", "import sys; print('no such tenant', file=sys.stderr); sys.exit(3)"],
            log_path=log,
            ready="json line",
        )


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match=r"Program could not be started: .*no-such-program"):
        start_process("Program", [tmp_path / "no-such-program"], log_path=tmp_path / "log", ready="json line")


def test_a_process_that_is_not_ready_in_time_is_not_left_running(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    program = f"import os, pathlib, time; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid())); time.sleep(60)"
    with pytest.raises(ProcessError, match="was not ready"):
        start_process(
            "Program", [sys.executable, "-c", program], log_path=tmp_path / "log", ready=lambda: False, timeout_s=1.0
        )
    assert not process_start(int(pid_file.read_text()))


def test_a_process_that_ignores_the_request_to_end_is_killed_after_its_grace(tmp_path: Path) -> None:
    process = start_process(
        "Program",
        [sys.executable, "-c", IGNORES_SIGTERM],
        log_path=tmp_path / "log",
        ready="json line",
        grace_s=0.3,
    )
    began = time.monotonic()
    process.stop()
    assert process.exit_code == -signal.SIGKILL
    assert time.monotonic() - began >= 0.3
    process.stop()


def test_a_fresh_environment_is_passed_on_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKED", "yes")
    program = "import json, os; print(json.dumps({'ready': True, 'names': sorted(os.environ)}), flush=True); input()"
    with start_process(
        "Program", [sys.executable, "-c", program], env={"GIVEN": "1"}, log_path=tmp_path / "log", ready="json line"
    ) as process:
        names = process.ready["names"]
    assert isinstance(names, list)
    assert "GIVEN" in names
    assert "LEAKED" not in names


def test_a_port_that_was_taken_meanwhile_is_exchanged_for_another(tmp_path: Path) -> None:
    tried: list[int] = []

    def start(port: int) -> RunningProcess:
        tried.append(port)
        if len(tried) < 3:
            raise ProcessError("Program ended early: Address already in use")
        return start_process(
            "Program", [sys.executable, "-c", SAYS_READY], log_path=tmp_path / "log", ready="json line"
        )

    with start_on_port("Program", 0, start) as process:
        assert process.is_running
    assert len(tried) == 3
    assert all(tried)


@pytest.mark.parametrize(("reason", "attempts"), [("no such tenant", 1), ("Address already in use", 5)])
def test_what_no_other_port_mends_is_said(reason: str, attempts: int) -> None:
    tried: list[int] = []

    def start(port: int) -> RunningProcess:
        tried.append(port)
        raise ProcessError(reason)

    with pytest.raises(ProcessError, match=reason):
        start_on_port("Program", 0, start)
    assert len(tried) == attempts


def test_a_port_that_was_asked_for_is_not_exchanged() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ProcessError, match=rf"Port {port} on 127.0.0.1 cannot be used for Program"):
            start_on_port("Program", port, lambda _port: pytest.fail("it was started all the same"))
