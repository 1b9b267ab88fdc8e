"""The published contracts, generated from code and committed: OpenAPI for each tier and version, events, operations.

    python -m openapi.generate --write    write them
    python -m openapi.generate --check    fail if the code and the committed documents differ

It imports all tiers, which no tier may do: so it is here and not in `shared`.
"""

import argparse
import difflib
import sys
from pathlib import Path

from experience_api.external_services import salesforce_profile
from openapi.documents import FOLDER, Document, formatted, operations_of, tier_documents
from openapi.event_documents import event_files
from shared.contract.document import ContractError

OPERATIONS = FOLDER / "operations.txt"


def generate() -> dict[Path, str]:
    """Return every generated file's text, by path.

    Raises ContractError if an operation lacks something that its contract needs.
    """
    documents = {name: document for tier in tier_documents() for name, document in tier.documents.items()}
    files = {FOLDER / f"{name}.json": formatted(document) for name, document in documents.items()}
    files |= {path: formatted(document) for path, document in event_files().items()}
    files |= {path: formatted(profile) for path, profile in salesforce_profiles(documents).items()}
    lines = [line for name, document in documents.items() for line in _operation_lines(name, document)]
    files[OPERATIONS] = "\n".join(lines) + "\n"
    return files


def salesforce_profiles(documents: dict[str, Document]) -> dict[Path, Document]:
    """Return the documents for Salesforce by path: a profile of each version of the experience API."""
    return {
        FOLDER / f"{name}.salesforce.json": salesforce_profile(document)
        for name, document in documents.items()
        if name.startswith("experience-")
    }


def _operation_lines(name: str, document: Document) -> list[str]:
    lines = []
    for path, method, operation in operations_of(document):
        scopes = " ".join(operation.get("x-quoteway-scopes", []))
        lines.append(f"{name}  {method.upper():6} {path}  {operation['operationId']}  [{scopes}]")
    return lines


def main() -> int:
    """Write or check the documents. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m openapi.generate", description="The published documents.")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the documents")
    action.add_argument("--check", action="store_true", help="fail where they differ from the code")
    writing = parser.parse_args().write
    try:
        files = generate()
    except ContractError as error:
        print(error, file=sys.stderr)
        return 1
    differing = sum(_settle(path, text, writing=writing) for path, text in files.items())
    if differing and not writing:
        print("Run `python -m openapi.generate --write`, read the difference, and commit it.")
        return 1
    print("The contracts are up to date.")
    return 0


def _settle(path: Path, text: str, *, writing: bool) -> int:
    """Write one file, or show its difference. Returns 1 if there is one."""
    committed = path.read_text() if path.exists() else ""
    if committed == text:
        return 0
    name = path.relative_to(FOLDER.parent)
    if writing:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        print(f"written: {name}")
    else:
        print(f"{name} does not say what the code does:")
        difference = difflib.unified_diff(committed.splitlines(), text.splitlines(), "committed", "code", n=1)
        print("\n".join(list(difference)[:40]))
    return 1


if __name__ == "__main__":
    sys.exit(main())
