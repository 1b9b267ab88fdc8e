"""`python -m system_api` for an operator."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from sandbox.processes.ports import LOOPBACK
from sandbox.processes.process import start_process
from shared.settings import SettingsError, load_settings
from system_api.settings import SystemSettings
from tests.patience import HANG_S

CONNECTIONS = """
[[connection]]
tenant = "nordwind"
capability = "billing"
legal_entity = "NW-DE"
adapter = "stripe"
key = "env:STRIPE_KEY"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "connections.toml"
    path.write_text(CONNECTIONS)
    return {
        "PATH": os.environ["PATH"],
        "QUOTEWAY_ISSUER_METADATA_URL": "http://127.0.0.1:1/.well-known/oauth-authorization-server",
        "QUOTEWAY_SYSTEM_CONNECTIONS": str(path),
        "QUOTEWAY_SYSTEM_PORT": "0",
        "QUOTEWAY_REDIS_URL": "redis://127.0.0.1:1",
        "QUOTEWAY_AUDIT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "QUOTEWAY_REVOCATIONS_URL": "http://127.0.0.1:1",
        "STRIPE_KEY": "sk_test_1",
    }


def run(environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "system_api"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)


def test_every_missing_or_wrong_setting_is_named_in_one_go(environment: dict[str, str]) -> None:
    ended = run({"PATH": environment["PATH"], "QUOTEWAY_SYSTEM_PORT": "70000", "QUOTEWAY_LOG_LEVEL": "loud"})

    assert ended.returncode == 2
    assert ended.stdout == ""
    for start in (
        "The system API cannot start, 7 setting(s) to mend:",
        "  - QUOTEWAY_ISSUER_METADATA_URL is missing: the address of the OAuth issuer's metadata",
        "  - QUOTEWAY_SYSTEM_CONNECTIONS is missing: the path of the TOML file",
        "  - QUOTEWAY_REDIS_URL is missing: Redis 7 / Valkey",
        "  - QUOTEWAY_AUDIT_DATABASE_URL is missing: PostgreSQL with the audit log",
        "  - QUOTEWAY_REVOCATIONS_URL is missing: the process API's address",
        "  - QUOTEWAY_SYSTEM_PORT is wrong: Expected `int` <= 65535",
        "  - QUOTEWAY_LOG_LEVEL is wrong",
    ):
        assert start in ended.stderr


def test_every_fault_of_the_connections_is_named_in_one_go(environment: dict[str, str]) -> None:
    path = Path(environment["QUOTEWAY_SYSTEM_CONNECTIONS"])
    path.write_text(CONNECTIONS.replace("nordwind", "Nordwind") + "colour = 1\n")
    ended = run({**environment, "STRIPE_KEY": ""})

    assert ended.returncode == 2
    assert "The system API cannot start, 3 fault(s) in its connections to mend:" in ended.stderr
    for fault in ("colour is not a setting", "tenant: Expected", "the environment variable STRIPE_KEY is not set"):
        assert fault in ended.stderr


def test_a_taken_port_is_one_clear_sentence(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]

        ended = run({**environment, "QUOTEWAY_SYSTEM_PORT": str(port)})

    assert ended.returncode == 2
    assert ended.stderr.strip().splitlines()[-1] == (
        f"The system API cannot start: 127.0.0.1 port {port} is not available (Address already in use). "
        "Stop the program that holds it, or set another host or port."
    )


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_serves_and_ends_in_order(
    environment: dict[str, str], tmp_path: Path, stop_signal: signal.Signals
) -> None:
    command = [sys.executable, "-m", "system_api"]
    process = start_process("system", command, env=environment, log_path=tmp_path / "log", ready="json line")
    with process:
        assert httpx.get(f"{process.url}/health/live").json()["status"] == "live"
        deadline = time.monotonic() + HANG_S
        while "yet" in (ready := httpx.get(f"{process.url}/health/ready", timeout=HANG_S)).json()["missing"]["issuer"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert ready.status_code == 503
        assert "issuer does not answer" in ready.json()["missing"]["issuer"]
        assert (
            ready.json()["missing"]["revocations"] == "the list of revoked tokens is not loaded yet; nobody is let in"
        )

        os.kill(process.pid, stop_signal)
        assert process.wait(HANG_S) == 0


def test_settings_have_defaults_for_what_is_usual() -> None:
    settings = load_settings(
        SystemSettings,
        {
            "QUOTEWAY_ISSUER_METADATA_URL": "https://issuer.test/",
            "QUOTEWAY_SYSTEM_CONNECTIONS": "connections.toml",
            "QUOTEWAY_REDIS_URL": "redis://127.0.0.1:6379",
            "QUOTEWAY_AUDIT_DATABASE_URL": "postgresql://audit.test/quoteway",
            "QUOTEWAY_REVOCATIONS_URL": "http://process.test",
        },
    )

    assert (settings.system_host, settings.system_port) == ("127.0.0.1", 8003)
    assert (settings.system_audience, settings.log_level) == ("quoteway-system", "INFO")


def test_an_issuer_that_is_no_address_is_refused() -> None:
    with pytest.raises(SettingsError, match="QUOTEWAY_ISSUER_METADATA_URL is wrong"):
        load_settings(SystemSettings, {"QUOTEWAY_ISSUER_METADATA_URL": "issuer", "QUOTEWAY_SYSTEM_CONNECTIONS": "x"})
