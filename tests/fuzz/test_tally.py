"""What a run of the fuzzer says of itself: an operation or a phase that got no request is no success."""

from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.__main__ import judge
from tests.fuzz.campaign import Verdict
from tests.fuzz.tally import PHASES, VARIABLE, Tally, count

DOCUMENT: dict[str, Any] = {"paths": {"/v1/orders": {"post": {}}, "/v1/orders/{orderId}": {"get": {}}}}
POST, GET = "POST /v1/orders", "GET /v1/orders/{orderId}"
EVERYTHING = [(operation, phase) for operation in (POST, GET) for phase in PHASES]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "requests.jsonl"
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def verdict(path: Path, requests: list[tuple[str, str]], *, held: bool = True) -> Verdict:
    path.unlink(missing_ok=True)
    for operation, phase in requests:
        count(operation, phase)
    return Verdict("process", held, "", Tally.read(path, DOCUMENT))


def test_a_whole_run_without_a_failure_succeeds_and_says_what_it_tested(written: Path) -> None:
    status, said = judge([verdict(written, [*EVERYTHING, (POST, "fuzzing")])])

    assert status == 0
    lines = {line.split("  ")[0].strip(): line.split()[-4:] for line in said.splitlines()}
    assert lines[POST] == ["1", "1", "2", "1"]
    assert lines[GET] == ["1", "1", "1", "1"]
    assert said.endswith("Nothing that was tested failed.")


def test_an_operation_that_was_never_asked_fails_the_run_and_is_named(written: Path) -> None:
    status, said = judge([verdict(written, [each for each in EVERYTHING if each[0] == POST])])

    assert status == 1
    assert "Only 1 of 2 operations were tested:" in said
    assert f"  not tested: {GET}" in said
    assert "NOT EVERYTHING WAS TESTED" in said.splitlines()[-1]


@pytest.mark.parametrize("phase", PHASES)
def test_a_phase_that_asked_nothing_fails_the_run_and_is_named(written: Path, phase: str) -> None:
    status, said = judge([verdict(written, [each for each in EVERYTHING if each[1] != phase])])

    assert status == 1
    assert f"The phase {phase} asked nothing." in said


def test_a_run_that_asked_nothing_at_all_fails(written: Path) -> None:
    status, said = judge([verdict(written, [])])

    assert status == 1
    assert "Only 0 of 2 operations were tested:" in said


def test_a_failure_fails_the_run_though_everything_was_tested(written: Path) -> None:
    status, said = judge([verdict(written, EVERYTHING, held=False)])

    assert status == 1
    assert "FAILURES: process (run 1)." in said


def test_what_one_round_left_out_another_may_have_tested(written: Path) -> None:
    halves = [verdict(written, [each for each in EVERYTHING if each[0] == operation]) for operation in (POST, GET)]

    assert judge(halves)[0] == 0
