"""`docs/vendors/<vendor>.md` has a row for every call of the vendor's adapter, and names only tests that exist."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.vendor_calls import ADAPTERS, Adapter

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "vendors"
COLUMNS = ["call", "what", "source", "simulator test", "adapter test", "the caller is told"]
_TICKED = re.compile(r"`([^`]+)`")
_BAR = re.compile(r"(?<!\\)\|")
_TEST = re.compile(r"^ *(?:async )?def (test_\w+)", re.MULTILINE)
PRESENT = [adapter for adapter in ADAPTERS if (PAGES / f"{adapter.vendor}.md").exists()]


@dataclass(frozen=True)
class Row:
    """One row of a vendor's page."""

    calls: tuple[str, ...]
    cells: dict[str, str]


def rows(text: str) -> list[Row]:
    """The rows of all tables of a page; a table with other columns is an error."""
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        header, _, *lines = ([cell.strip() for cell in _BAR.split(line)[1:-1]] for line in table.splitlines())
        assert header == COLUMNS, f"a table has the columns {header}"
        for cells in lines:
            assert len(cells) == len(COLUMNS), f"{cells} are not {len(COLUMNS)} cells"
            calls = tuple(re.sub(r"\{[^}]*\}", "{}", call) for call in _TICKED.findall(cells[0]))
            found.append(Row(calls, dict(zip(COLUMNS, cells, strict=True))))
    return found


def without_row(adapter: Adapter, text: str) -> set[str]:
    """The adapter's calls that a page has no row for."""
    return adapter.calls() - {call for row in rows(text) for call in row.calls}


def names_of_tests(*folders: str) -> set[str]:
    """The names of all tests below some folders, those that adapters inherit among them."""
    patterns = ("test_*.py", "contract.py")
    files = [file for folder in folders for each in patterns for file in (ROOT / folder).rglob(each)]
    return {name for file in files for name in _TEST.findall(file.read_text(encoding="utf-8"))}


def faults(row: Row, simulator_tests: set[str], adapter_tests: set[str]) -> list[str]:
    """What is wrong with a row: an empty cell, a test that does not exist, a missing test without a reason."""
    wrong = [f"{name} is empty" for name, cell in row.cells.items() if not cell]
    for column, known in (("simulator test", simulator_tests), ("adapter test", adapter_tests)):
        cell = row.cells[column]
        if cell.startswith("—"):
            wrong += [] if cell.strip("— ") else [f"{column}: no test and no reason"]
        else:
            named = _TICKED.findall(cell)
            wrong += [f"{column}: there is no {name}" for name in named if name not in known]
            wrong += [] if named else [f"{column}: names no test"]
    return wrong


@pytest.mark.parametrize("adapter", PRESENT, ids=lambda adapter: adapter.vendor)
def test_every_call_of_an_adapter_has_a_row(adapter: Adapter) -> None:
    text = (PAGES / f"{adapter.vendor}.md").read_text(encoding="utf-8")
    assert adapter.calls()
    assert not without_row(adapter, text)


@pytest.mark.parametrize("adapter", PRESENT, ids=lambda adapter: adapter.vendor)
def test_every_row_names_a_source_and_tests_that_exist(adapter: Adapter) -> None:
    simulator_tests = names_of_tests(f"tests/sandbox/vendors/{adapter.vendor}")
    adapter_tests = names_of_tests("tests") - simulator_tests
    text = (PAGES / f"{adapter.vendor}.md").read_text(encoding="utf-8")
    wrong = {row.cells["what"]: faults(row, simulator_tests, adapter_tests) for row in rows(text)}
    assert not {what: found for what, found in wrong.items() if found}


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.vendor)
def test_the_walk_finds_the_calls_of_every_adapter(adapter: Adapter) -> None:
    """The page may be missing; the walk must not be, or the page could never fail."""
    least = {"stripe": 15, "salesforce": 4, "tryton": 8}
    assert len(adapter.calls()) >= least[adapter.vendor]
    written = {"POST /v1/subscriptions", "POST /v1/invoices/{}/void", "GET /v1/prices", "DELETE /v1/subscriptions/{}"}
    assert adapter.vendor != "stripe" or written <= adapter.calls()


def test_a_missing_row_a_missing_test_and_an_empty_source_are_found() -> None:
    (stripe,) = (adapter for adapter in ADAPTERS if adapter.vendor == "stripe")
    head = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"
    page = f"{head}| `POST /v1/customers` | x |  | `test_none` | — | nothing |\n"
    assert "POST /v1/subscriptions" in without_row(stripe, page)
    assert "POST /v1/customers" not in without_row(stripe, page)
    (row,) = rows(page)
    assert faults(row, set(), set()) == [
        "source is empty",
        "simulator test: there is no test_none",
        "adapter test: no test and no reason",
    ]
