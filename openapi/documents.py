"""Builds every tier's documents from its code, for the generator and all other tools."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar

import experience_api.app
import experience_api.settings
import process_api.app
import process_api.settings
import system_api.app
import system_api.settings
from shared.contract.document import build_document, versions_of
from shared.identity.signing_keys import rotate_keys

FOLDER = Path(__file__).parent
_NOWHERE = "http://127.0.0.1:1"
_AUDIT_NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
_REDIS_NOWHERE = "redis://127.0.0.1:1/0"
# The system tier needs one connection to start; any will do, since the contract does not depend on it.
_CONNECTIONS = """
[[connection]]
tenant = "none"
capability = "billing"
legal_entity = "*"
adapter = "stripe"
key = "file:secret"
"""

Document = dict[str, Any]


@dataclass(frozen=True)
class TierDocuments:
    """A tier, its application, and its documents by name (`experience-v1`)."""

    tier: str
    app: Litestar
    documents: dict[str, Document] = field(default_factory=dict)


def tier_documents() -> list[TierDocuments]:
    """Return every tier's documents. No server is started, nothing is connected."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        secret, connections, keys = (Path(folder, name) for name in ("secret", "connections.toml", "keys.json"))
        secret.write_text("unused")
        connections.write_text(_CONNECTIONS)
        rotate_keys(keys)
        for tier, app in tier_apps(str(secret), str(connections), str(keys)):
            documents = {f"{tier}-{version}": build_document(app, version) for version in versions_of(app)}
            found.append(TierDocuments(tier, app, documents))
    return found


def tier_apps(secret_file: str, connections_file: str, keys_file: str) -> Iterator[tuple[str, Litestar]]:
    """Yield each tier's name and application."""
    metadata_url = f"{_NOWHERE}/.well-known/openid-configuration"
    yield (
        "experience",
        experience_api.app.create_app(
            experience_api.settings.ExperienceSettings(
                issuer_metadata_url=metadata_url,
                redis_url=_REDIS_NOWHERE,
                audit_database_url=_AUDIT_NOWHERE,
                process_url=_NOWHERE,
                experience_client_secret_file=secret_file,
                experience_signing_keys_file=keys_file,
            )
        ),
    )
    yield (
        "process",
        process_api.app.create_app(
            process_api.settings.ProcessSettings(
                issuer_metadata_url=metadata_url,
                database_url="postgresql://nobody@127.0.0.1:1/nothing",
                redis_url=_REDIS_NOWHERE,
                audit_database_url=_AUDIT_NOWHERE,
                system_url=_NOWHERE,
                process_client_secret_file=secret_file,
            )
        ),
    )
    yield (
        "system",
        system_api.app.create_app(
            system_api.settings.SystemSettings(
                issuer_metadata_url=metadata_url,
                system_connections=connections_file,
                redis_url=_REDIS_NOWHERE,
                audit_database_url=_AUDIT_NOWHERE,
                revocations_url=_NOWHERE,
            )
        ),
    )


def formatted(document: Any) -> str:
    """Return a document in its committed form: sorted keys, indented, so that diffs are readable."""
    return msgspec.json.format(msgspec.json.encode(document, order="deterministic"), indent=2).decode() + "\n"


def operations_of(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield path, method and description of every operation."""
    for path, methods in sorted(document["paths"].items()):
        for method, operation in sorted(methods.items()):
            yield path, method, operation
