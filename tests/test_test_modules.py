"""Test modules are no libraries: what several of them use lies in a plain module beside them."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def imported_tests(source: str) -> list[str]:
    """The test modules that a module imports, or imports from."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found += [name for name in names if name.startswith("tests.") and ".test_" in name]
    return found


def test_no_module_imports_a_test_module() -> None:
    files = list(TESTS.rglob("*.py"))
    assert len(files) > 100
    importers = {str(file.relative_to(TESTS)): found for file in files if (found := imported_tests(file.read_text()))}
    # A function's own name may begin like a test's: it is one only where a module of that name is there.
    importers = {
        file: kept for file, found in importers.items() if (kept := [name for name in found if _names_a_module(name)])
    }
    assert importers == {}


def _names_a_module(name: str) -> bool:
    parts = name.split(".")
    return any(
        part.startswith("test_") and TESTS.parent.joinpath(*parts[: place + 1]).with_suffix(".py").exists()
        for place, part in enumerate(parts)
    )


@pytest.mark.parametrize(
    "planted",
    [
        "from tests.test_test_modules import imported_tests",
        "from tests import test_test_modules",
        "import tests.test_test_modules",
        "def late():\n    from tests.test_test_modules import TESTS",
    ],
)
def test_an_import_of_a_test_module_is_seen(planted: str) -> None:
    assert [_names_a_module(name) for name in imported_tests(planted)] == [True]
