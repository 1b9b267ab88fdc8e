"""Registered OAuth clients: their rights come from a TOML file, their secrets are generated at the first start."""

import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc.jwk import RSAKey

from sandbox.issuer.state_file import read_state, write_state

CLIENT_CREDENTIALS = "client_credentials"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GRANT_TYPES = (CLIENT_CREDENTIALS, JWT_BEARER)
ANY_TENANT = "*"


@dataclass(frozen=True, slots=True)
class Client:
    """A client and its credentials.

    `audiences` maps each audience to its scopes; the first is the default. A `tenant` of "*" may act for any tenant,
    and names it in each request. `legal_entities` are those that it is limited to; None for all of its tenant's.
    """

    client_id: str
    tenant: str
    grants: tuple[str, ...]
    audiences: dict[str, tuple[str, ...]]
    secret: str
    assertion_key: RSAKey | None
    legal_entities: tuple[str, ...] | None = None

    def has_secret(self, presented: str) -> bool:
        return secrets.compare_digest(self.secret.encode(), presented.encode())


def load_clients(clients_file: Path, credentials_file: Path) -> dict[str, Client]:
    """Read the registration and give every client its credentials, generating those that are missing.

    Credentials of clients that are no longer registered are kept: a client that is registered again has its old secret.
    Raises ValueError with the client and the fault if the registration is wrong.
    """
    registered = tomllib.loads(clients_file.read_text()).get("client", [])
    if not registered:
        raise ValueError(f"{clients_file} registers no [[client]]")
    credentials: dict[str, Any] = read_state(credentials_file) or {}
    clients: dict[str, Client] = {}
    for entry in registered:
        client_id = entry.get("client_id")
        if not client_id or client_id in clients:
            raise ValueError(f"{clients_file}: client_id {client_id!r} is missing or used twice")
        client_grants = _grants(entry)
        own = _complete(credentials.get(client_id, {}), with_key=JWT_BEARER in client_grants)
        credentials[client_id] = own
        clients[client_id] = Client(
            client_id=client_id,
            tenant=_tenant(entry),
            grants=client_grants,
            audiences=_audiences(entry),
            secret=own["client_secret"],
            assertion_key=RSAKey.import_key(own["private_key_pem"]) if "private_key_pem" in own else None,
            legal_entities=tuple(entry["legal_entities"]) if "legal_entities" in entry else None,
        )
    write_state(credentials_file, credentials)
    return clients


def _tenant(entry: dict[str, Any]) -> str:
    tenant = entry.get("tenant")
    if not isinstance(tenant, str):
        raise ValueError(f'client {entry["client_id"]}: name its tenant, or "{ANY_TENANT}" for any')  # noqa: TRY004 - a file's content
    return tenant


def _grants(entry: dict[str, Any]) -> tuple[str, ...]:
    grants = tuple(entry.get("grants", ()))
    if not grants or not set(grants) <= set(GRANT_TYPES):
        raise ValueError(f"client {entry['client_id']}: grants must be among {', '.join(GRANT_TYPES)}")
    return grants


def _audiences(entry: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    audiences = {audience: tuple(scopes) for audience, scopes in entry.get("audience", {}).items()}
    if not audiences:
        raise ValueError(f"client {entry['client_id']}: name at least one audience with its scopes")
    return audiences


def _complete(saved: dict[str, str], *, with_key: bool) -> dict[str, str]:
    complete = {"client_secret": secrets.token_urlsafe(32), **saved}
    if with_key and "private_key_pem" not in complete:
        complete["private_key_pem"] = RSAKey.generate_key(2048).as_pem(private=True).decode()
    return complete
