"""`make publish`: move the published contracts forward to what the code says.

It refuses changes that break a published document, and changes without a new number. Then it copies the documents to
openapi/published/, adds to the changelog, and rebuilds the catalogue page.
"""

import json
import re
import shutil
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from openapi.catalogue import catalogue, numbers_of
from openapi.changes import changes_between
from openapi.documents import FOLDER, Document
from openapi.gate import PUBLISHED, WAY_OUT, Verdict, compare_folders, contract_files
from openapi.generate import generate

CHANGELOG = PUBLISHED / "CHANGELOG.md"
CATALOGUE = FOLDER / "catalogue.html"
_TITLE = "# What changed in the published contracts\n\nWritten by `make publish`, newest first.\n"
_NUMBER = re.compile(r"(\d+)\.(\d+)\.(\d+)")


class PublishError(Exception):
    """The document must not be published; the message says why and what to do."""


def publish(today: Path, published: Path, *, on: date) -> list[str]:
    """Publish a folder's documents. Returns a line for each that moved. Raises PublishError."""
    verdict = compare_folders(published, today, on=on)
    if verdict.breaks:
        raise PublishError(_said(verdict))
    before, after = contract_files(published), contract_files(today)
    moved: list[tuple[str, list[str]]] = []
    for name, path in after.items():
        old = json.loads(before[name].read_bytes()) if name in before else None
        new = json.loads(path.read_bytes())
        if old == new:
            continue
        changes = ["First published."] if old is None else changes_between(old, new)
        if old is not None and "info" in new:
            require_newer(name, old, new, changes)
        moved.append((f"{name} {new['info']['version']}" if "info" in new else name, changes))
    for name, path in after.items():
        (published / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, published / name)
    if moved:
        _write_changelog(published / CHANGELOG.name, moved, on)
    return [f"{title}: {'; '.join(changes[:3])}{' …' if len(changes) > 3 else ''}" for title, changes in moved]


def require_newer(name: str, old: Document, new: Document, changes: list[str]) -> None:
    """Raise PublishError unless the number has grown: the middle part for anything new, the last for words only."""
    was, now = (_parts(document["info"]["version"], name) for document in (old, new))
    adds = any(not change.startswith("Words") for change in changes)
    enough = now[:2] > was[:2] if adds else now > was
    if not enough:
        needed = f"{was[0]}.{was[1] + 1}.0" if adds else f"{was[0]}.{was[1]}.{was[2] + 1}"
        raise PublishError(
            f"{name} has changed ({changes[0]}) and is still {new['info']['version']}: raise it to {needed}"
            " (`Version.number` in the tier's app.py; `info.version` in openapi/event_documents.py for the events)."
        )


def _parts(number: str, name: str) -> tuple[int, int, int]:
    match = _NUMBER.fullmatch(number)
    if match is None:
        raise PublishError(f"{name} has the number {number}; it has to be three numbers, such as 1.0.0.")
    return int(match[1]), int(match[2]), int(match[3])


def _said(verdict: Verdict) -> str:
    lines = [f"{name}: {finding}" for name, found in verdict.breaks.items() for finding in found]
    return "\n".join([*lines, WAY_OUT])


def _write_changelog(path: Path, moved: list[tuple[str, list[str]]], on: date) -> None:
    earlier = path.read_text().removeprefix(_TITLE) if path.exists() else ""
    parts = [f"### {title}\n" + "".join(f"- {change}\n" for change in changes) for title, changes in moved]
    path.write_text(f"{_TITLE}\n## {on.isoformat()}\n\n" + "\n".join(parts) + earlier)


def write_catalogue(on: date) -> None:
    """Rebuild the catalogue page from what is published."""
    documents = {
        name.removesuffix(".json"): json.loads(path.read_bytes())
        for name, path in contract_files(PUBLISHED).items()
        if "-v" in name and not name.endswith(".salesforce.json")
    }
    CATALOGUE.write_text(catalogue(documents, numbers_of(documents), on=on))


def main() -> int:
    """Publish. Returns the exit status."""
    on = datetime.now(UTC).date()
    stale = [path.name for path, text in generate().items() if not path.exists() or path.read_text() != text]
    if stale:
        print(
            f"First run `python -m openapi.generate --write`: {', '.join(stale)} lag behind the code.", file=sys.stderr
        )
        return 1
    try:
        moved = publish(FOLDER, PUBLISHED, on=on)
    except PublishError as error:
        print(error, file=sys.stderr)
        return 1
    write_catalogue(on)
    print("\n".join(moved) or "Nothing has changed since the last publication.")
    print("The catalogue: openapi/catalogue.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
