"""The private keys that a tier signs with: a file of JWKs (RFC 7517), Ed25519 or P-256, of which the first one signs.

All of them are published. `python -m shared.identity.signing_keys FILE` makes the file with two keys, or rotates the
keys in it: the second, which everyone has fetched by now, signs from then on; a new second one is added; the old first
one stays published for the tokens it signed, until the next rotation. A process notices a changed file by itself.
"""

import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from shared.identity.token_keys import fingerprint
from shared.settings import SettingsError, variable

ALGORITHM_OF_CURVE = {"Ed25519": "Ed25519", "P-256": "ES256"}
KEPT = 3
LOOK_EVERY_S = 2.0
SigningKey = ECKey | OKPKey


@dataclass
class SigningKeys:
    """The keys in the file at `path`, which the setting `setting` names. Raises SettingsError if it has no usable
    keys.
    """

    path: str
    setting: str
    _keys: list[SigningKey] = field(default_factory=list, init=False)
    _changed_at: float = field(default=0.0, init=False)
    _looked_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._read()

    def sign(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """Return the claims, signed with the current key."""
        key = self._present()[0]
        algorithm = _algorithm(key)
        complete = {**header, "alg": algorithm, "kid": str(key.kid)}
        return jws.serialize_compact(complete, msgspec.json.encode(claims), key, algorithms=[algorithm])

    def published(self) -> dict[str, Any]:
        """Return the public halves of all keys, as a JWK set."""
        return {"keys": [key.as_dict(private=False) for key in self._present()]}

    def _present(self) -> list[SigningKey]:
        """Return the keys, read again if the file has changed. If the new file is unusable, the old keys stay."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            try:
                if Path(self.path).stat().st_mtime != self._changed_at:
                    self._read()
            except (OSError, SettingsError):
                pass  # half written, or being replaced: the next call reads it
        return self._keys

    def _read(self) -> None:
        try:
            self._changed_at = Path(self.path).stat().st_mtime
            self._keys = read_keys(Path(self.path))
        except (OSError, ValueError) as error:
            reason = f"{variable(self.setting)} is wrong, {self.path} has no signing keys: {error}"
            raise SettingsError(
                [f"{reason}. Make it with `python -m shared.identity.signing_keys {self.path}`"]
            ) from error


def read_keys(path: Path) -> list[SigningKey]:
    """Return the keys of a file, the one that signs first.

    Raises ValueError or OSError if no key can sign.
    """
    content = json.loads(path.read_text())
    found = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(found, list) or not found:
        raise ValueError("it is no set of keys")
    keys = [_import(each) for each in found]
    if len({key.kid for key in keys}) != len(keys):
        raise ValueError("two keys have one id")
    return keys


def rotate_keys(path: Path) -> list[SigningKey]:
    """Create the file, or switch to the next key in it. Raises ValueError or OSError."""
    known = read_keys(path) if path.exists() else []
    signing, waiting = (known[1], new_key()) if len(known) > 1 else (known[0] if known else new_key(), new_key())
    retired = [key for key in known if key.kid != signing.kid]
    keys = [signing, waiting, *retired][:KEPT]
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"keys": [key.as_dict(private=True) for key in keys]}, file, indent=2)
    fresh.replace(path)  # atomically: a reader never sees half of it
    return keys


def new_key() -> SigningKey:
    """Return a fresh Ed25519 key."""
    return OKPKey.generate_key("Ed25519", {"use": "sig", "alg": "Ed25519"}, auto_kid=True)


def _import(raw: Any) -> SigningKey:
    if not isinstance(raw, dict) or raw.get("crv") not in ALGORITHM_OF_CURVE or not raw.get("kid"):
        raise ValueError("a key is not on Ed25519 or P-256, or has no kid")
    kind = OKPKey if raw.get("kty") == "OKP" else ECKey
    try:
        key: SigningKey = kind.import_key(raw)
        public = kind.import_key(key.as_dict(private=False))
    except (JoseError, ValueError, TypeError) as error:
        raise ValueError("a key cannot be read") from error
    if not key.is_private:
        raise ValueError("a key is only the public half")
    if fingerprint(key) != fingerprint(public):
        raise ValueError("a key's public half belongs to another private one")
    if key.alg not in (None, _algorithm(key)):
        raise ValueError("a key is for another algorithm than its curve's")
    return key


def _algorithm(key: SigningKey) -> str:
    return ALGORITHM_OF_CURVE[str(key.get("crv"))]


def main(arguments: list[str]) -> int:
    """Run the command. Returns its exit status."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m shared.identity.signing_keys FILE\n")
        return 2
    try:
        keys = rotate_keys(Path(arguments[0]))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{arguments[0]} stays as it is: {error}\n")
        return 1
    sys.stdout.write(f"{keys[0].kid} signs, {keys[1].kid} is next; {len(keys)} keys are published\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
