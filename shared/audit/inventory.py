"""The list of all logs that were ever signed, as a signed note beside their checkpoints.

A log whose whole folder was removed has no checkpoint left to miss. The list shows that it existed.
"""

from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.audit.note import NoteError, Verifier, open_note, sign_note

FILE = "logs.note"


def _name_of(prefix: str) -> str:
    """Return the name of the list, which no log can have: no tenant's name has a slash."""
    return f"{prefix}//logs"


def signed_inventory(prefix: str, tenants: Iterable[str], key: Ed25519PrivateKey) -> str:
    """Return the signed list of these tenants' logs."""
    listed = sorted(set(tenants))
    return sign_note("\n".join([_name_of(prefix), str(len(listed)), *listed, ""]), _name_of(prefix), key)


def read_inventory(path: Path, prefix: str, key: Ed25519PublicKey) -> set[str]:
    """Return the tenants in the list; none if there is no list.

    Raises NoteError if the list cannot be verified.
    """
    try:
        note = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return set()
    except (OSError, UnicodeDecodeError) as error:
        raise NoteError(f"it cannot be read: {error}") from error
    name, size, *tenants = open_note(note, Verifier(_name_of(prefix), key)).removesuffix("\n").split("\n")
    if name != _name_of(prefix) or size != str(len(tenants)):
        raise NoteError("it is no list of logs")
    return set(tenants)
