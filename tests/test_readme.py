"""The README says what the code does: every setting is in its table, with its default and meaning."""

from pathlib import Path
from typing import get_type_hints

import msgspec

from experience_api.settings import ExperienceSettings
from process_api.migrate import MigrationSettings
from process_api.settings import ProcessSettings
from shared.settings import describe, variable
from system_api.settings import SystemSettings

README = Path(__file__).parents[1] / "README.md"
PROCESSES: list[tuple[str, type[msgspec.Struct]]] = [
    ("experience API", ExperienceSettings),
    ("process API, worker", ProcessSettings),
    ("migration", MigrationSettings),
    ("system API", SystemSettings),
]


def settings_table() -> str:
    """The table, from the settings' own types."""
    rows: dict[str, tuple[list[str], str, str]] = {}
    for process, kind in PROCESSES:
        hints = get_type_hints(kind, include_extras=True)
        for field in msgspec.structs.fields(kind):
            default = "required" if field.required else f"`{field.default}`"
            entry = rows.setdefault(variable(field.name), ([], default, describe(hints[field.name])))
            entry[0].append(process)
    lines = ["| variable | of | default | meaning |", "|---|---|---|---|"]
    for name, (processes, default, meaning) in sorted(rows.items()):
        lines.append(f"| `{name}` | {'; '.join(processes)} | {default} | {meaning} |")
    return "\n".join(lines)


def test_the_readme_lists_every_setting() -> None:
    text = README.read_text()
    listed = text.partition("tests/test_readme.py -->\n")[2].partition("\n<!-- end of settings -->")[0]
    assert listed == settings_table(), "replace the README's table with the output of settings_table()"


def test_the_files_that_the_readme_names_exist() -> None:
    for part in README.read_text().split("](")[1:]:
        target = part.partition(")")[0]
        assert (README.parent / target).exists(), target
