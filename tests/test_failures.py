"""docs/failures.md says what is there: its guards and tests exist, and no test of a row is left out."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "failures.md").read_text()
ROWS = {*map(str, range(1, 8)), *map(str, range(9, 12)), *map(str, range(15, 22)), "24", *map(str, range(26, 31)), "32"}
ROWS |= {"33", "34", "35"}
_GUARD = re.compile(r"\[`([\w.]+)`\]\(\.\./([\w/]+\.py)\)")
_TEST = re.compile(r"`(test_\w+)`")


def definitions(path: Path) -> Iterator[str]:
    """The names of what a file defines, those of methods after their class's."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{inner.name}"


def all_tests() -> set[str]:
    """The names of all tests."""
    return {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in definitions(path) if name.startswith("test_")
    }


def table() -> dict[str, list[str]]:
    """The table's rows by their number: failure, guard, tests, mutations."""
    cells = [
        [cell.strip() for cell in line.strip("|\n").split(" | ")] for line in DOCUMENT.splitlines() if "| " in line
    ]
    return {number: rest for number, *rest in cells if number.isdecimal()}


def test_every_row_of_the_failure_model_has_a_guard_a_test_and_a_mutation() -> None:
    rows = table()

    assert set(rows) >= ROWS
    for number, (_, guard, shown, mutations) in rows.items():
        assert _GUARD.search(guard), number
        assert _TEST.search(shown), number
        assert _TEST.search(mutations), number


def test_the_guards_that_the_table_names_exist() -> None:
    missing = [name for name, path in _GUARD.findall(DOCUMENT) if name not in definitions(ROOT / path)]

    assert missing == []


def test_the_tests_that_the_table_names_exist_and_none_is_left_out() -> None:
    named, there = set(_TEST.findall(DOCUMENT)), all_tests()

    assert named - there == set()
    assert {name for name in there if re.match(r"test_row_\d\d_", name)} - named == set()
