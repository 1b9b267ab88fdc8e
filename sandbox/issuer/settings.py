"""The settings of one running issuer."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class IssuerSettings:
    """The issuer's settings.

    `issuer_url` is the `iss` of every token and the address of this process for clients, without a trailing slash.
    `state_dir` keeps the generated secrets and signing keys between starts; `clients_file` is the TOML list of
    registered clients; `ttl_s` is the life of an access token in seconds.
    """

    issuer_url: str
    state_dir: Path
    clients_file: Path
    ttl_s: int = 600
