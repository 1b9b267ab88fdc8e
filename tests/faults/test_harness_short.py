"""What CI runs of the harness: few orders under lost answers and under SIGKILLs, in processes of their own."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.servers


@pytest.mark.timeout(240)
def test_nothing_is_doubled_and_nothing_is_lost(seed: int) -> None:
    command = [sys.executable, "-m", "sandbox.faults", "--short", "--seed", str(seed)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=220, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
