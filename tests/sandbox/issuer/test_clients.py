"""The list of clients is refused with a sentence that names the fault."""

from pathlib import Path

import pytest

from sandbox.issuer.clients import load_clients

GOOD = '[[client]]\nclient_id = "a"\ntenant = "t"\ngrants = ["client_credentials"]\naudience."x" = ["r"]\n'


def test_a_client_added_later_gets_a_secret_and_the_others_keep_theirs(tmp_path: Path) -> None:
    registration, state = tmp_path / "clients.toml", tmp_path / "clients.json"
    registration.write_text(GOOD)
    first = load_clients(registration, state)["a"].secret
    registration.write_text(GOOD + GOOD.replace('"a"', '"b"'))
    clients = load_clients(registration, state)
    assert clients["a"].secret == first != clients["b"].secret


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no \\[\\[client\\]\\]"),
        (GOOD + GOOD, "used twice"),
        (GOOD.replace('client_id = "a"\n', ""), "missing"),
        (GOOD.replace('tenant = "t"\n', ""), "client a: name its tenant"),
        (GOOD.replace("client_credentials", "password"), "client a: grants"),
        (GOOD.replace('audience."x" = ["r"]\n', ""), "client a: name at least one audience"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path: Path, content: str, says: str) -> None:
    registration = tmp_path / "clients.toml"
    registration.write_text(content)
    with pytest.raises(ValueError, match=says):
        load_clients(registration, tmp_path / "clients.json")


def test_a_damaged_state_file_says_what_to_do(tmp_path: Path) -> None:
    registration, state = tmp_path / "clients.toml", tmp_path / "clients.json"
    registration.write_text(GOOD)
    state.write_text("{")
    with pytest.raises(ValueError, match="delete it and start again"):
        load_clients(registration, state)
