"""A tier's process: its start and stop."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from sandbox.processes.process import start_process
from tests.patience import HANG_S

PROGRAM = """
import sys
from litestar import Litestar, get
from shared.inbound.serve import serve

@get("/", sync_to_thread=False)
def root() -> str:
    return "here"

async def fail() -> None:
    raise RuntimeError("no database")

app = Litestar([root], on_startup=[fail] if "broken" in sys.argv else [], logging_config=None)
serve(app, sys.argv[1], int(sys.argv[2]), "The thing")
"""


def argv(host: str, port: int, *more: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, host, str(port), *more]


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_when_it_is_ready_and_ends_in_order_with_success(tmp_path: Path, asked: signal.Signals) -> None:
    log_path = tmp_path / "log"
    with start_process(
        "thing", argv("127.0.0.1", 0), log_path=log_path, ready="json line", stop_signal=asked
    ) as process:
        async with httpx.AsyncClient() as client:
            assert (await client.get(process.url)).text == "here"
        process.stop()

    assert process.exit_code == 0
    # Nothing but the ready line: the program that starts the process reads its standard output.
    assert json.loads(log_path.read_text()) == {"ready": True, "url": process.url}


def test_a_taken_port_is_one_sentence_and_status_2() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = subprocess.run(argv("127.0.0.1", port), capture_output=True, text=True, check=False, timeout=HANG_S)

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"The thing cannot start: 127.0.0.1 port {port} is not available")
    assert len(ended.stderr.splitlines()) == 1


def test_an_application_that_does_not_start_never_says_that_it_is_ready() -> None:
    ended = subprocess.run(argv("127.0.0.1", 0, "broken"), capture_output=True, text=True, check=False, timeout=HANG_S)

    assert ended.returncode == 3
    assert "ready" not in ended.stdout
