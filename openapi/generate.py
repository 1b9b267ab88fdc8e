"""The published contracts: one OpenAPI document per tier and version, generated from code and committed.

    python -m openapi.generate --write    write them
    python -m openapi.generate --check    fail where the code and the committed documents differ

It imports all tiers, which no tier may do: that is why it lives here and not in `shared`.
"""

import argparse
import difflib
import sys
import tempfile
from collections.abc import Iterator
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
from shared.contract import build_document, versions_of
from shared.signing_keys import rotate_keys

FOLDER = Path(__file__).parent
OPERATIONS = FOLDER / "operations.txt"
_NOWHERE = "http://127.0.0.1:1"
_REDIS_NOWHERE = "redis://127.0.0.1:1/0"
# The system tier needs one connection to start; which one makes no difference to what it publishes.
_CONNECTIONS = """
[[connection]]
tenant = "none"
capability = "billing"
legal_entity = "*"
adapter = "stripe"
key = "file:secret"
"""


def tier_apps(secret_file: str, connections_file: str, keys_file: str) -> Iterator[tuple[str, Litestar]]:
    """Each tier's name and application. No server is started, nothing is connected."""
    metadata_url = f"{_NOWHERE}/.well-known/openid-configuration"
    yield (
        "experience",
        experience_api.app.create_app(
            experience_api.settings.ExperienceSettings(
                issuer_metadata_url=metadata_url,
                redis_url=_REDIS_NOWHERE,
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
            )
        ),
    )


def generate() -> dict[Path, str]:
    """Every generated file's text, by path."""
    files: dict[Path, str] = {}
    operations: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        secret, connections, keys = (Path(folder, name) for name in ("secret", "connections.toml", "keys.json"))
        secret.write_text("unused")
        connections.write_text(_CONNECTIONS)
        rotate_keys(keys)
        for tier, app in tier_apps(str(secret), str(connections), str(keys)):
            for version in versions_of(app):
                document = build_document(app, version)
                files[FOLDER / f"{tier}-{version}.json"] = formatted(document)
                operations += _operation_lines(f"{tier}-{version}", document)
    files[OPERATIONS] = "\n".join(operations) + "\n"
    return files


def formatted(document: Any) -> str:
    """A document as it is committed: keys sorted, indented, so that a difference can be read."""
    return msgspec.json.format(msgspec.json.encode(document, order="deterministic"), indent=2).decode() + "\n"


def _operation_lines(name: str, document: dict[str, dict[str, dict[str, dict[str, object]]]]) -> list[str]:
    lines = []
    for path, methods in sorted(document["paths"].items()):
        for method, described in sorted(methods.items()):
            scopes = described.get("x-quoteway-scopes", [])
            joined = " ".join(str(scope) for scope in scopes) if isinstance(scopes, list) else ""
            lines.append(f"{name}  {method.upper():6} {path}  {described['operationId']}  [{joined}]")
    return lines


def main() -> int:
    """Write or check. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m openapi.generate", description="The published OpenAPI documents.")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the documents")
    action.add_argument("--check", action="store_true", help="fail where they differ from the code")
    writing = parser.parse_args().write
    differing = 0
    for path, text in generate().items():
        published = path.read_text() if path.exists() else ""
        if published == text:
            continue
        differing += 1
        if writing:
            path.write_text(text)
            print(f"written: openapi/{path.name}")
        else:
            print(f"openapi/{path.name} does not say what the code does:")
            difference = difflib.unified_diff(published.splitlines(), text.splitlines(), "published", "code", n=1)
            print("\n".join(list(difference)[:40]))
    if differing and not writing:
        print("Run `python -m openapi.generate --write`, read the difference, and commit it.")
        return 1
    print("The contracts are up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
