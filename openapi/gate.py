"""The gate before a release: no published contract may break.

    python -m openapi.gate                 today's documents against openapi/published/
    python -m openapi.gate --with-oasdiff  by oasdiff too, if Node and its package are available

What it cannot compare fails: an unknown kind of file, an unknown word, a document that was removed. A document that was
never published has nothing to be compared with, and is listed.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from openapi.breaking import breaking_changes, incompatible_event
from openapi.documents import FOLDER, Document
from openapi.oasdiff import Unavailable, oasdiff_breaking
from openapi.salesforce_rules import RULES, rule_10_nothing_registered_is_taken_away

PUBLISHED = FOLDER / "published"
WAY_OUT = (
    "Published clients would break. Make the change in a new version beside the old one (docs/decisions/"
    "0045-a-version-holds-only-what-changed.md), or take it back. Until Quoteway 1.0 a document may also be published"
    " anew: delete it in openapi/published/, run `make publish`, and tell its readers in CHANGELOG.md."
)
Compare = Callable[[Document, Document, date], list[str]]


@dataclass
class Verdict:
    """The result of the comparison: breaking changes, and documents that were never published."""

    breaks: dict[str, list[str]] = field(default_factory=dict)
    new: list[str] = field(default_factory=list)
    compared: list[str] = field(default_factory=list)


def compare_folders(published: Path, today: Path, *, on: date) -> Verdict:
    """Compare every document of one folder with the one of that name in the other."""
    verdict = Verdict()
    before, after = contract_files(published), contract_files(today)
    for name in sorted({*before, *after}):
        compare = comparison_of(name)
        if compare is None:
            verdict.breaks[name] = ["Nobody knows how to compare such a file."]
        elif name not in after:
            verdict.breaks[name] = ["The document is gone."]
        elif name not in before:
            verdict.new.append(name)
        else:
            verdict.compared.append(name)
            found = _compare_files(compare, before[name], after[name], on)
            if found:
                verdict.breaks[name] = found
    return verdict


def contract_files(folder: Path) -> dict[str, Path]:
    """Return every file that is a contract, by its name in the folder, without code and pages."""
    found = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and inside.parts[0] not in _NO_CONTRACTS and inside.suffix not in _NO_CONTRACT_SUFFIXES:
            found[inside.as_posix()] = path
    return found


_NO_CONTRACTS = frozenset({"published", "node", "__pycache__"})
# Code, the golden list of operations, the changelog, the catalogue page, and the settings of a linter.
_NO_CONTRACT_SUFFIXES = frozenset({".py", ".pyc", ".txt", ".md", ".html", ".yaml"})


def _compare_files(compare: Compare, before: Path, after: Path, on: date) -> list[str]:
    documents = []
    for path in (before, after):
        try:
            documents.append(json.loads(path.read_bytes()))
        except ValueError as error:
            return [f"{path.name} cannot be read as JSON: {error}"]
    try:
        return compare(documents[0], documents[1], on)
    except (KeyError, TypeError, AttributeError) as error:
        return [f"It cannot be compared: {type(error).__name__}: {error}"]


def comparison_of(name: str) -> Compare | None:
    """Return the function that compares documents of that name; None if there is none."""
    if name.endswith(".salesforce.json"):
        return _compare_profiles
    if name.startswith("events/") and name.endswith(".json"):
        return lambda before, after, _: incompatible_event(before, after)
    if name == "asyncapi.json":
        return _compare_asyncapi
    if name.endswith(".json") and "-v" in name and "/" not in name:
        return lambda before, after, on: breaking_changes(before, after, on=on)
    return None


def _compare_profiles(before: Document, after: Document, on: date) -> list[str]:
    rule = RULES.index(rule_10_nothing_registered_is_taken_away) + 1
    found = [f"Rule {rule}: {finding}" for finding in rule_10_nothing_registered_is_taken_away(after, before)]
    return found + breaking_changes(before, after, on=on)


def _compare_asyncapi(before: Document, after: Document, _: date) -> list[str]:
    if before["asyncapi"] != after["asyncapi"]:
        return [f"AsyncAPI {before['asyncapi']} and {after['asyncapi']} cannot be compared."]
    found = []
    for name, channel in before["channels"].items():
        here = after["channels"].get(name)
        if here is None or here["address"] != channel["address"]:
            found.append(f"The channel {name} ({channel['address']}) is gone.")
            continue
        found += [
            f"{name} carries no {message} any more."
            for message in channel["messages"]
            if message not in here["messages"]
        ]
    for name, message in before["components"]["messages"].items():
        if name in after["components"]["messages"]:
            now = after["components"]["messages"][name]["payload"]
            if message["payload"]["schemaFormat"] != now["schemaFormat"]:
                found.append(f"The message {name} is described in another language; the two cannot be compared.")
            else:
                found += incompatible_event(message["payload"]["schema"], now["schema"])
    return found


def main() -> int:
    """Compare, and print what breaks. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m openapi.gate", description="Nothing that is published may break.")
    parser.add_argument("--with-oasdiff", action="store_true", help="ask oasdiff too; skipped where Node is absent")
    with_oasdiff = parser.parse_args().with_oasdiff
    verdict = compare_folders(PUBLISHED, FOLDER, on=datetime.now(UTC).date())
    if with_oasdiff:
        ask_oasdiff(verdict)
    for name in verdict.new:
        print(f"{name}: never published, so there is nothing to compare with.")
    for name, found in verdict.breaks.items():
        print(f"{name} breaks what is published:")
        print("\n".join(f"  - {finding}" for finding in found[:40]))
    if verdict.breaks:
        print(WAY_OUT)
        return 1
    print(f"{len(verdict.compared)} published documents compared: nothing breaks.")
    return 0


def ask_oasdiff(verdict: Verdict) -> None:
    """Add oasdiff's findings to the verdict; if it is not available, say why."""
    pairs = [name for name in verdict.compared if "-v" in name]
    for name in pairs:
        try:
            found = oasdiff_breaking(PUBLISHED / name, FOLDER / name)
        except Unavailable as error:
            print(f"oasdiff: skipped, {error}")
            return
        except ValueError as error:
            found = [str(error)]
        if found:
            verdict.breaks.setdefault(name, []).extend(f"oasdiff: {each}" for each in found)
    print(f"oasdiff: {len(pairs)} documents compared.")


if __name__ == "__main__":
    sys.exit(main())
