"""Signed notes and checkpoints, against the vectors of the format's first implementation, Go's x/mod/sumdb/note."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from shared.audit.checkpoint import Checkpoint, read_checkpoint
from shared.audit.note import NoteError, Verifier, open_note, sign_note

TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = (
    "\N{EM DASH} PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
VERIFIER_TEXT = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SIGNER_KEY = Ed25519PrivateKey.from_private_bytes(base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:])
VERIFIER = Verifier("PeterNeumann", SIGNER_KEY.public_key())
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
CHECKPOINT = Checkpoint("quoteway-audit/nordwind", 42, bytes(range(32)))


def test_the_known_note_is_signed_and_opened_byte_for_byte() -> None:
    assert VERIFIER.text == VERIFIER_TEXT
    assert sign_note(TEXT, "PeterNeumann", SIGNER_KEY) == f"{TEXT}\n{SIGNATURE}"
    assert open_note(f"{TEXT}\n{SIGNATURE}", VERIFIER) == TEXT


def test_signatures_by_other_keys_are_ignored() -> None:
    other_name = "\N{EM DASH} Somebody AAAAAAAA\n"
    other_key = sign_note(TEXT, "PeterNeumann", KEY).rpartition("\n\n")[2]

    assert open_note(f"{TEXT}\n{other_name}{other_key}{SIGNATURE}", VERIFIER) == TEXT
    with pytest.raises(NoteError, match="not signed by PeterNeumann"):
        open_note(f"{TEXT}\n{other_name}{other_key}", VERIFIER)


@pytest.mark.parametrize(
    "note",
    [
        "",
        TEXT,
        f"{TEXT}\n",
        f"{TEXT}\n{SIGNATURE.rstrip()}",
        f"{TEXT}\n{SIGNATURE}garbage\n",
        f"{TEXT}\n\N{EM DASH} PeterNeumann ???\n",
        f"{TEXT.replace('answer', 'problem')}\n{SIGNATURE}",
        f"{TEXT}\n{SIGNATURE.replace('x08go/ZJ', 'x08go/ZK')}",
    ],
)
def test_unsigned_note_is_refused(note: str) -> None:
    with pytest.raises(NoteError):
        open_note(note, VERIFIER)


@pytest.mark.parametrize(
    ("text", "name"), [("no end", "a"), ("a\n\nb\n", "a"), ("a\n", "a b"), ("a\n", "a+b"), ("a\n", "")]
)
def test_ambiguous_text_is_not_signed(text: str, name: str) -> None:
    with pytest.raises(NoteError):
        sign_note(text, name, KEY)


def test_a_checkpoint_is_three_lines_and_a_signature() -> None:
    note = CHECKPOINT.signed(KEY)

    lines = note.split("\n")
    assert lines[:4] == ["quoteway-audit/nordwind", "42", base64.b64encode(bytes(range(32))).decode(), ""]
    assert lines[4].startswith("\N{EM DASH} quoteway-audit/nordwind ")
    assert read_checkpoint(note, "quoteway-audit/nordwind", KEY.public_key()) == CHECKPOINT


@given(st.data())
def test_a_checkpoint_with_any_one_character_changed_is_refused(data: st.DataObject) -> None:
    note = CHECKPOINT.signed(KEY)
    place = data.draw(st.integers(0, len(note) - 1))
    character = data.draw(st.characters(codec="utf-8").filter(lambda each: each != note[place]))

    with pytest.raises(NoteError):
        read_checkpoint(note[:place] + character + note[place + 1 :], CHECKPOINT.origin, KEY.public_key())


@pytest.mark.parametrize(
    "text",
    [
        "quoteway-audit/nordwind\n42\n",
        "quoteway-audit/nordwind\n042\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "quoteway-audit/nordwind\n-1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "quoteway-audit/nordwind\n٤٢\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "quoteway-audit/nordwind\n42\nAAAA\n",
        "quoteway-audit/nordwind\n42\n!\n",
        "quoteway-audit/other\n42\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
    ],
)
def test_a_signed_note_that_is_no_checkpoint_of_the_log_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        read_checkpoint(sign_note(text, CHECKPOINT.origin, KEY), CHECKPOINT.origin, KEY.public_key())


def test_another_key_is_refused() -> None:
    other: Ed25519PublicKey = SIGNER_KEY.public_key()
    with pytest.raises(NoteError):
        read_checkpoint(CHECKPOINT.signed(KEY), CHECKPOINT.origin, other)
