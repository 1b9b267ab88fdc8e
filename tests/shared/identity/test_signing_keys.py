"""The file of a tier's own signing keys: created, rotated, and refused if it is unusable."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from shared.identity.signed_token import read_token
from shared.identity.signing_keys import SigningKeys, main, rotate_keys
from shared.identity.token_keys import JwkSet, load_keys
from shared.settings import SettingsError


def test_the_command_makes_a_file_that_only_its_owner_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys.json"

    assert main([str(path)]) == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert "2 keys are published" in capsys.readouterr().out
    assert len(load_keys(JwkSet(SigningKeys(str(path), "x").published()["keys"]))) == 2


def test_rotation_signs_with_the_published_key_and_drops_keys_after_two_rounds(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    turns = [[key.kid for key in rotate_keys(path)] for _ in range(4)]

    for before, after in pairwise(turns):
        assert after[0] == before[1]
        assert after[2] == before[0]
    assert [len(turn) for turn in turns] == [2, 3, 3, 3]


@pytest.mark.parametrize("key", [OKPKey.generate_key("Ed25519"), ECKey.generate_key("P-256")], ids=["Ed25519", "ES256"])
def test_both_curves_sign(tmp_path: Path, key: OKPKey | ECKey) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [{**key.as_dict(private=True), "kid": "one"}]}))
    keys = SigningKeys(str(path), "x")
    published = load_keys(JwkSet(keys.published()["keys"]))

    assert read_token(keys.sign({"typ": "t"}, {"a": 1})).verify(published["one"]) == {"a": 1}


PRIVATE = OKPKey.generate_key("Ed25519").as_dict(private=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"keys": []}',
        json.dumps({"keys": [PRIVATE]}),
        json.dumps({"keys": [{**PRIVATE, "kid": "a"}, {**PRIVATE, "kid": "a"}]}),
        json.dumps({"keys": [{**PRIVATE, "kid": "a", "alg": "ES256"}]}),
        json.dumps({"keys": [{**OKPKey.generate_key("Ed25519").as_dict(private=False), "kid": "a"}]}),
        json.dumps({"keys": [{**RSAKey.generate_key(2048).as_dict(private=True), "kid": "a"}]}),
        json.dumps({"keys": [{**PRIVATE, "kid": "a", "x": "!"}]}),
    ],
)
def test_unusable_file_is_refused_with_advice(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)

    with pytest.raises(SettingsError, match=r"python -m shared\.identity\.signing_keys"):
        SigningKeys(str(path), "experience_signing_keys_file")
    assert main([str(path)]) == 1
    assert path.read_text() == text


def test_file_that_breaks_later_keeps_the_old_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    rotate_keys(path)
    keys = SigningKeys(str(path), "x")
    before = keys.published()
    for breakage in (lambda: path.write_text("{"), path.unlink):
        breakage()
        keys._looked_at -= 10
        assert keys.published() == before


def test_the_command_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err
