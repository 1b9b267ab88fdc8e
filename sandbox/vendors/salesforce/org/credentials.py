"""The integration client's credentials: given by the program that starts the sandbox, or generated at first start."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from joserfc.jwk import RSAKey

_REQUIRED = ("client_id", "client_secret", "username", "password", "security_token")


@dataclass(frozen=True, slots=True)
class Credentials:
    """One connected client and the user it runs as. Without a public key, JWT bearer logins are refused."""

    client_id: str
    client_secret: str
    username: str
    password: str
    security_token: str
    client_public_key_pem: str | None = None

    def is_client(self, client_id: str, client_secret: str) -> bool:
        return _same(self.client_id, client_id) and _same(self.client_secret, client_secret)

    def is_password(self, presented: str) -> bool:
        """Return whether the password is right, with or without a security token: a sandbox is on a trusted network."""
        return _same(self.password, presented) or _same(self.password + self.security_token, presented)


def load_credentials(path: Path, username: str) -> Credentials:
    """Read `path`, or generate it for `username` (mode 0600, with a key pair). Raises ValueError for a wrong file."""
    if not path.exists():
        _write_new(path, username)
    try:
        content = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    missing = [name for name in _REQUIRED if not isinstance(content.get(name), str) or not content[name]]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}; add them, or delete the file to have it generated")
    return Credentials(
        **{name: content[name] for name in _REQUIRED}, client_public_key_pem=content.get("client_public_key_pem")
    )


def _write_new(path: Path, username: str) -> None:
    key = RSAKey.generate_key(2048)
    content = {
        "client_id": f"3MVG9.{secrets.token_urlsafe(24)}",
        "client_secret": secrets.token_hex(32).upper(),
        "username": username,
        "password": secrets.token_urlsafe(18),
        "security_token": secrets.token_urlsafe(18),
        "client_private_key_pem": key.as_pem(private=True).decode(),
        "client_public_key_pem": key.as_pem(private=False).decode(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2)


def _same(ours: str, presented: str) -> bool:
    return secrets.compare_digest(ours.encode(), presented.encode())
