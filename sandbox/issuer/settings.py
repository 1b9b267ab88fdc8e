"""What one running issuer needs to know."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class IssuerSettings:
    """`issuer_url` is the `iss` of every token and the address clients reach this process at, without a trailing slash.

    `state_dir` keeps the generated secrets and signing keys between starts; `clients_file` is the TOML list of
    registered clients; `ttl_s` is the life of an access token in seconds.
    """

    issuer_url: str
    state_dir: Path
    clients_file: Path
    ttl_s: int = 600
