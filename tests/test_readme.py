"""The documents say what is there: every setting with its default and meaning, and only files that exist.

`python -m tests.test_readme` writes the table of settings in docs/settings.md anew.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import msgspec
import pytest

from experience_api.settings import ExperienceSettings
from process_api.migrate import MigrationSettings
from process_api.settings import ProcessSettings
from shared.audit.__main__ import AuditSigningSettings
from shared.settings import describe, variable
from system_api.settings import SystemSettings

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SETTINGS = ROOT / "docs" / "settings.md"
README_LINES_MAX = 120
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
BEGIN, END = "tests/test_readme.py -->\n", "\n<!-- end of settings -->"
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
_TICKED = re.compile(r"`([^`\s]+)`")
_FILE_NAME = re.compile(r"[\w.-]+\.(?:py|md|toml)")
# An address begins with a slash or a scheme, a home folder with a tilde; what is built is not in the repository.
_NO_PATH = re.compile(r"/|~|build/|[a-z]+://|(?:application|text)/")
PROCESSES: list[tuple[str, type[msgspec.Struct]]] = [
    ("experience API", ExperienceSettings),
    ("process API, worker", ProcessSettings),
    ("migration", MigrationSettings),
    ("audit signer", AuditSigningSettings),
    ("system API", SystemSettings),
]


def settings_table() -> str:
    """The table, from the settings' own types."""
    rows: dict[str, tuple[list[str], str, str]] = {}
    for process, kind in PROCESSES:
        hints = get_type_hints(kind, include_extras=True)
        for field in msgspec.structs.fields(kind):
            default = "required" if field.required else f"`{field.default}`" if field.default != "" else "none"
            entry = rows.setdefault(variable(field.name), ([], default, describe(hints[field.name])))
            entry[0].append(process)
    lines = ["| variable | of | default | meaning |", "|---|---|---|---|"]
    for name, (processes, default, meaning) in sorted(rows.items()):
        lines.append(f"| `{name}` | {'; '.join(processes)} | {default} | {meaning} |")
    return "\n".join(lines)


def with_settings(text: str) -> str:
    """The settings page's text with the table as it has to be."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, f"docs/settings.md has lost the line that ends in {BEGIN!r}"
    assert end, f"docs/settings.md has lost the line {END!r}"
    return before + begin + settings_table() + end + after


def missing(text: str, folder: Path) -> list[str]:
    """The files and folders that a document in `folder` names and that are not there.

    A link's target is meant from the document's folder, what stands in backticks from the root; a file's bare name is
    that of any file. A word in angle brackets stands for any name.
    """
    prose = _FENCED.sub("", text)
    links = [target for target in _LINK.findall(prose) if not (folder / target).exists()]
    return links + [path for path in _ticked_paths(prose) if not _is_there(path)]


def _ticked_paths(prose: str) -> Iterator[str]:
    for word in _TICKED.findall(prose):
        if not _NO_PATH.match(word) and ("/" in word or _FILE_NAME.fullmatch(word)):
            yield word


def _is_there(path: str) -> bool:
    pattern = re.sub(r"<[^>]+>", "*", path.removesuffix("/"))
    if "/" in path:
        return any(True for _ in ROOT.glob(pattern))
    return (ROOT / path).exists() or any(
        True for package in ROOT.iterdir() if (package / "__init__.py").exists() for _ in package.rglob(pattern)
    )


def test_the_settings_page_lists_every_setting() -> None:
    text = SETTINGS.read_text()
    assert text == with_settings(text), "run `python -m tests.test_readme`, which writes the table anew"


def test_the_readme_is_short_and_leads_to_the_settings() -> None:
    text = README.read_text()
    assert len(text.splitlines()) < README_LINES_MAX
    assert "docs/settings.md" in text


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_the_files_that_a_document_names_exist(document: Path) -> None:
    assert missing(document.read_text(), document.parent) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[the store](process_api/database/store.py), [gone](process_api/gone.py)", ["process_api/gone.py"]),
        ("`process_api/database/store.py`, `process_api/gone.py`, `gone/`", ["process_api/gone.py", "gone/"]),
        ("`system_api/<capability>/contract.py` and `requirements/*.txt`", []),
        ("`system_api/<capability>/gone.py`", ["system_api/<capability>/gone.py"]),
        ("`store.py`, `pyproject.toml`, `gone.py`, `gone.md`", ["gone.py", "gone.md"]),
        ("`GET /v1/orders/{orderId}`, `/docs`, `~/.cache/quoteway`, `application/json`, `build/demo.json`", []),
        ("[outside](https://example.com/gone.py)\n\n```\n`gone/gone.py`\n```", []),
    ],
)
def test_a_name_of_nothing_is_found(text: str, found: list[str]) -> None:
    assert missing(text, ROOT) == found


if __name__ == "__main__":
    SETTINGS.write_text(with_settings(SETTINGS.read_text()))
