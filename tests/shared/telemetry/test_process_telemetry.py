"""Correlation ids and log lines."""

import json
import logging
import sys

import pytest

from shared.telemetry.process_telemetry import JsonLines, current_correlation_id, log_to_stderr, set_correlation_id


@pytest.mark.parametrize("proposed", ["abcd1234", "a.b_c-d.", "x" * 64])
def test_a_harmless_id_is_taken_over(proposed: str) -> None:
    assert set_correlation_id(proposed) == proposed == current_correlation_id()


@pytest.mark.parametrize(
    "proposed", [None, "", "1234567", "x" * 65, "with space", "abcd1234\n", "ümlauts-", "a" * 8 + ";"]
)
def test_any_other_is_replaced_by_a_new_one(proposed: str | None) -> None:
    first, second = set_correlation_id(proposed), set_correlation_id(proposed)

    assert first != second
    assert proposed not in {first, second}
    assert current_correlation_id() == second


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("a.logger", logging.WARNING, __file__, 1, message, arguments, None)


def test_a_log_line_is_one_json_object_with_the_correlation_id() -> None:
    set_correlation_id("flow-0001")

    line = JsonLines().format(record('he said "%s"\nand left', "no"))

    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("at").endswith("+00:00")
    assert found == {
        "level": "warning",
        "logger": "a.logger",
        "message": 'he said "no"\nand left',
        "correlationId": "flow-0001",
    }


def test_an_error_keeps_its_traceback_in_the_same_line() -> None:
    failed = record("it failed")
    try:
        int("because")
    except ValueError:
        failed.exc_info = sys.exc_info()

    line = JsonLines().format(failed)

    assert "\n" not in line
    assert json.loads(line)["error"].endswith("'because'")


def test_logging_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers, root.level
    try:
        log_to_stderr("INFO")
        logging.getLogger("a.logger").info("hello")
        logging.getLogger("a.logger").debug("not this")
        logging.getLogger("httpx").info("nor this")
    finally:
        root.handlers, root.level = before[0], before[1]

    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "hello"
