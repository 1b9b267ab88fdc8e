"""A simulator's process: what it says when it is ready, when it is asked to end, and when it cannot begin."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.processes.process import start_process
from tests.patience import HANG_S

SIMULATORS = ["issuer", "vendors.salesforce", "vendors.stripe"]


def arguments_of(simulator: str, folder: Path) -> list[str]:
    """The least that each has to be told."""
    own = {
        "issuer": ["--state", str(folder / "state")],
        "salesforce": ["--credentials", str(folder / "salesforce.json")],
        "stripe": ["--secret-key-file", str(folder / "stripe.key")],
    }
    return ["-m", f"sandbox.{simulator}", *own[simulator.rpartition(".")[2]]]


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_it_says_where_it_is_and_ends_when_asked(simulator: str, tmp_path: Path) -> None:
    for asked_to_end in (signal.SIGTERM, signal.SIGINT):
        with start_process(
            simulator,
            [sys.executable, *arguments_of(simulator, tmp_path)],
            log_path=tmp_path / "log",
            ready="json line",
            stop_signal=asked_to_end,
        ) as process:
            host, _, port = process.url.removeprefix("http://").partition(":")
            socket.create_connection((host, int(port)), timeout=HANG_S).close()
        assert process.exit_code == 0, process.log_tail()


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_a_taken_port_is_one_sentence(simulator: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, *arguments_of(simulator, tmp_path), "--port", port],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert ended.returncode == 2
    assert "cannot start: " in ended.stderr
    assert "Address already in use" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
