"""Checkpoints (C2SP tlog-checkpoint): how many entries a log has and the tree head over them, as a signed note."""

import base64
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.audit.merkle import HASH_BYTES
from shared.audit.note import NoteError, Verifier, open_note, sign_note


def origin_of(prefix: str, tenant: str) -> str:
    """Return the unique name of a tenant's log. Its key has the same name."""
    return f"{prefix}/{tenant}"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a log: `root` is the tree head over the first `size` entries."""

    origin: str
    size: int
    root: bytes

    def signed(self, key: Ed25519PrivateKey) -> str:
        """Return the checkpoint as a signed note."""
        text = f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"
        return sign_note(text, self.origin, key)


def read_checkpoint(note: str, origin: str, key: Ed25519PublicKey) -> Checkpoint:
    """Return the checkpoint in a note about that log, signed with that key. Raises NoteError."""
    lines = open_note(note, Verifier(origin, key)).split("\n")
    if len(lines) < 4 or lines[0] != origin:
        raise NoteError(f"it is no checkpoint of {origin}")
    size = lines[1]
    if not (size.isascii() and size.isdecimal()) or size != str(int(size)):
        raise NoteError("its size is no number")
    try:
        root = base64.b64decode(lines[2], validate=True)
    except ValueError as error:
        raise NoteError("its root is not base64") from error
    if len(root) != HASH_BYTES:
        raise NoteError(f"its root has {len(root)} bytes instead of {HASH_BYTES}")
    return Checkpoint(origin, int(size), root)
