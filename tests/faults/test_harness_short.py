"""What CI runs of the harness: every scenario with few orders, in processes of their own."""

import subprocess
import sys

import pytest

from sandbox.faults.scenarios import SCENARIOS

pytestmark = pytest.mark.servers


# A whole run of every scenario, on a machine that is busy with others: ends a hang.
HARNESS_HANG_S = 3000.0


def harness(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox.faults", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=HARNESS_HANG_S, check=False)


@pytest.mark.timeout(HARNESS_HANG_S + 60)
def test_nothing_is_doubled_and_nothing_is_lost(seed: int) -> None:
    shown = harness("--short", "--seed", str(seed))

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert [name for name in SCENARIOS if f"✓ {name}:" not in shown.stdout] == []


@pytest.mark.timeout(HARNESS_HANG_S + 60)
def test_nothing_is_doubled_in_the_real_erp(seed: int) -> None:
    shown = harness("--short", "--real-erp", "--only", "lost-answers-20", "--seed", str(seed))

    assert shown.returncode == 0, shown.stdout + shown.stderr


@pytest.mark.timeout(HARNESS_HANG_S + 60)
def test_without_the_search_by_external_id_the_duplicates_are_seen(seed: int) -> None:
    shown = harness(
        *("--short", "--only", "lost-answers-20", "--without-search", "--orders", "16"),
        *("--seed", str(seed)),
    )

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "seen" in shown.stdout


def test_a_name_that_is_no_scenario_is_refused() -> None:
    shown = harness("--only", "nonsense")

    assert shown.returncode == 2
    assert "random-kills" in shown.stderr
