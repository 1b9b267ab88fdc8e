"""Settings from the environment: every fault at once, in words a person can act on."""

from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from shared.settings import SettingsError, load_settings, load_settings_or_exit


def check_colour(text: str) -> None:
    if text == "loud":
        raise ValueError("'loud' is no colour")


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """Some settings."""

    peer_url: Annotated[str, Meta(pattern="^https?://", description="the peer's address")]
    secret_file: Annotated[str, Meta(description="the file with the secret")]
    port: Annotated[int, Meta(ge=0, le=65535, description="the port to listen on")] = 8000
    patience_s: Annotated[float, Meta(gt=0, description="how long to wait, in seconds")] = 1.5
    verbose: bool = False
    region: str | None = None
    colour: Annotated[str, Meta(description="a colour", extra={"check": check_colour})] = ""


RIGHT = {"QUOTEWAY_PEER_URL": "http://peer.test", "QUOTEWAY_SECRET_FILE": "secret"}


def faults(environment: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as refusal:
        load_settings(Example, environment)
    assert str(refusal.value) == "; ".join(refusal.value.faults)
    return refusal.value.faults


def test_defaults() -> None:
    assert load_settings(Example, RIGHT) == Example(peer_url="http://peer.test", secret_file="secret")


def test_every_kind_of_value() -> None:
    more = {"QUOTEWAY_PORT": "0", "QUOTEWAY_PATIENCE_S": "0.25", "QUOTEWAY_VERBOSE": "true", "QUOTEWAY_REGION": "eu"}
    found = load_settings(Example, {**RIGHT, **more})

    assert (found.port, found.patience_s, found.verbose, found.region) == (0, 0.25, True, "eu")


def test_other_variables_are_ignored() -> None:
    assert load_settings(Example, {**RIGHT, "PORT": "many", "QUOTEWAY_OTHER": "x"}).port == 8000


def test_every_fault_is_named_at_once() -> None:
    wrong = {"QUOTEWAY_PEER_URL": "ftp://peer.test", "QUOTEWAY_PORT": "65536", "QUOTEWAY_PATIENCE_S": "long"}

    found = faults(wrong)

    assert [fault.partition(" is ")[0] for fault in found] == [
        "QUOTEWAY_PEER_URL",
        "QUOTEWAY_SECRET_FILE",
        "QUOTEWAY_PORT",
        "QUOTEWAY_PATIENCE_S",
    ]
    assert found[1] == "QUOTEWAY_SECRET_FILE is missing: the file with the secret"
    assert "the port to listen on" in found[2]


def test_an_empty_variable_counts_as_missing() -> None:
    assert faults({**RIGHT, "QUOTEWAY_SECRET_FILE": ""}) == [
        "QUOTEWAY_SECRET_FILE is missing: the file with the secret"
    ]
    assert load_settings(Example, {**RIGHT, "QUOTEWAY_PORT": ""}).port == 8000


@pytest.mark.parametrize("value", ["-1", "1.5", "0x10", "many", " "])
def test_a_wrong_number_is_refused(value: str) -> None:
    [fault] = faults({**RIGHT, "QUOTEWAY_PORT": value})

    assert fault.startswith("QUOTEWAY_PORT is wrong")


def test_a_setting_may_have_a_check_of_its_own() -> None:
    assert faults({**RIGHT, "QUOTEWAY_COLOUR": "loud"}) == [
        "QUOTEWAY_COLOUR is wrong: 'loud' is no colour. It is a colour"
    ]


def test_a_process_ends_with_status_2_and_a_line_for_each_fault(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load_settings_or_exit(Example, {}, "The example")

    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "The example cannot start, 2 setting(s) to mend:",
        "  - QUOTEWAY_PEER_URL is missing: the peer's address",
        "  - QUOTEWAY_SECRET_FILE is missing: the file with the secret",
    ]


def test_right_settings_do_not_end_the_process() -> None:
    assert load_settings_or_exit(Example, RIGHT, "The example").port == 8000
