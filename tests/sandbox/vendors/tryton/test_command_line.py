"""`python -m sandbox.vendors.tryton serve` runs an ERP for a person, and leaves nothing when they stop it."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.engines.postgres import PostgresEngine
from sandbox.processes.ports import free_port
from sandbox.processes.process import RunningProcess, start_process
from sandbox.vendors.tryton.credentials import FILE_NAME, TrytonCredentials
from sandbox.vendors.tryton.http import send
from sandbox.vendors.tryton.rest import RestClient
from tests.patience import HANG_S

SERVE = [sys.executable, "-m", "sandbox.vendors.tryton", "serve", "--port"]


@pytest.fixture
def served(tmp_path: Path, postgres: PostgresEngine) -> Iterator[RunningProcess]:
    assert postgres.is_running
    with start_process(
        "The ERP",
        [*SERVE, str(free_port())],
        log_path=tmp_path / "serve.log",
        ready="json line",
        timeout_s=60.0,
        stop_signal=signal.SIGINT,
    ) as process:
        yield process


def test_serve_says_where_it_is_and_whose_keys_are_valid(served: RunningProcess) -> None:
    run_dir = Path(str(served.ready["run_dir"]))
    credentials = TrytonCredentials.read(run_dir / FILE_NAME)
    access = credentials.tenants["nordwind"]
    client = RestClient(served.url, str(served.ready["database"]), access.rest_key, access.companies["NW-US"])
    assert client.search("party.party", [["code", "=", "C-1002"]], ["name"])[0]["name"] == "Bluefin Cold Storage Inc."


def test_an_interrupted_serve_leaves_nothing(served: RunningProcess) -> None:
    run_dir = Path(str(served.ready["run_dir"]))
    assert run_dir.exists()
    served.stop()
    assert served.exit_code == 0
    with pytest.raises(OSError, match="refused"):
        send("GET", served.url, {})
    deadline = time.monotonic() + HANG_S
    while run_dir.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_taken_port_is_said_in_one_sentence(postgres: PostgresEngine) -> None:
    assert postgres.is_running
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        done = subprocess.run([*SERVE, str(port)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 cannot be used for Tryton" in done.stderr
    assert "Traceback" not in done.stderr
