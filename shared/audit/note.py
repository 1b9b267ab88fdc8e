"""Signed notes (C2SP signed-note): a text with signatures, which a person can read and mail.

Only Ed25519 signatures (type 1). A key is known by its name and its id, a hash of name and public key.
"""

import base64
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_ED25519 = b"\x01"
_ID_BYTES = 4
_DASH = "\N{EM DASH} "


class NoteError(ValueError):
    """The text is no signed note, or bears no signature of a known key."""


@dataclass(frozen=True)
class Verifier:
    """A public key and the name that its signatures carry."""

    name: str
    key: Ed25519PublicKey

    @property
    def key_id(self) -> bytes:
        """Return the key's id: the first bytes of a hash over its name and the key."""
        return _key_id(self.name, self.key)

    @property
    def text(self) -> str:
        """Return the key as other programs read it: name+id+key."""
        public = base64.b64encode(_ED25519 + _raw(self.key)).decode()
        return f"{self.name}+{self.key_id.hex()}+{public}"


def sign_note(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """Return the note of `text`, which ends with a newline, signed under `name`."""
    if not text.endswith("\n") or "\n\n" in text or not name or any(part in name for part in "+ \n"):
        raise NoteError("a note's text is lines without an empty one; its signer's name has no blank and no plus")
    signature = base64.b64encode(_key_id(name, key.public_key()) + key.sign(text.encode())).decode()
    return f"{text}\n{_DASH}{name} {signature}\n"


def open_note(note: str, verifier: Verifier) -> str:
    """Return the note's text if `verifier` has signed it. Other signatures are ignored. Raises NoteError."""
    text, blank, signatures = note.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise NoteError("this is no signed note")
    text += "\n"
    lines = [line.removeprefix(_DASH).partition(" ") for line in signatures[:-1].split("\n") if line.startswith(_DASH)]
    if len(lines) != signatures.count("\n"):
        raise NoteError("a line below the text is no signature")
    if any(name == verifier.name and _signed(text, encoded, verifier) for name, _, encoded in lines):
        return text
    raise NoteError(f"it is not signed by {verifier.name} with that key")


def _signed(text: str, encoded: str, verifier: Verifier) -> bool:
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise NoteError("a signature is not base64") from error
    if base64.b64encode(decoded).decode() != encoded:
        raise NoteError("a signature is not in the one base64 form")
    if decoded[:_ID_BYTES] != verifier.key_id:
        return False  # another key of that name
    try:
        verifier.key.verify(decoded[_ID_BYTES:], text.encode())
    except InvalidSignature as error:
        raise NoteError(f"the signature of {verifier.name} is wrong") from error
    return True


def _key_id(name: str, key: Ed25519PublicKey) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + _raw(key)).digest()[:_ID_BYTES]


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
