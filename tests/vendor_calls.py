"""Which calls an adapter makes, read from its source: `POST /v1/customers`, `search party.party`, `query Quote`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
# An object's name in a query in Salesforce's language.
_FROM = re.compile(r"\bFROM\s+(\w+)")


@dataclass(frozen=True)
class Adapter:
    """Where a vendor's adapter is, and what the methods of its client are called in the vendor's page."""

    vendor: str
    files: str
    verbs: dict[str, str]

    def calls(self) -> set[str]:
        """Every call that the adapter's source makes, with `{}` for what it fills in."""
        trees = [ast.parse(file.read_text(encoding="utf-8")) for file in sorted(ROOT.glob(self.files))]
        return {call for tree in trees for call in _Walk(tree, trees, self.verbs).calls()}


ADAPTERS = (
    Adapter(
        "stripe",
        "system_api/billing/stripe/*.py",
        {"get": "GET", "list_all": "GET", "post": "POST", "delete": "DELETE"},
    ),
    Adapter(
        "salesforce",
        "system_api/crm/salesforce/*.py",
        {
            "get": "GET",
            "record": "GET",
            "query": "query",
            "rows": "query",
            "next_page": "next_page",
            "upsert": "PATCH",
            "post": "POST",
        },
    ),
    Adapter(
        "tryton",
        "system_api/erp/tryton/*.py",
        {"search": "search", "create": "create", "press": "press", "update": "update", "delete": "delete"},
    ),
)


@dataclass
class _Walk:
    tree: ast.Module
    all_trees: list[ast.Module]
    verbs: dict[str, str]

    def calls(self) -> Iterator[str]:
        for function in ast.walk(self.tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Call) and self._is_the_clients(node) and node.args:
                        verb = self.verbs[node.func.attr]  # type: ignore[attr-defined] # _is_the_clients says so
                        for text in sorted(self._texts(node.args[0], function)) or [""]:
                            yield f"{verb} {text}".strip()

    def _is_the_clients(self, node: ast.Call) -> bool:
        return (
            isinstance(node.func, ast.Attribute)
            and node.func.attr in self.verbs
            and ast.unparse(node.func.value).rsplit(".", 1)[-1].lstrip("_") in {"api", "rest"}
        )

    def _texts(self, node: ast.expr, function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
        """What an argument can be, as far as the source tells."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return {_named(node.value)}
        if isinstance(node, ast.JoinedStr):
            texts = {""}
            for part in node.values:
                texts = {before + after for before in texts for after in self._parts(part, function)}
            return {_named(text) for text in texts}
        if isinstance(node, ast.Call):
            words = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            return {words[0]} if words else set()
        return self._texts_of_name(node.id, function) if isinstance(node, ast.Name) else set()

    def _parts(self, part: ast.expr, function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
        if isinstance(part, ast.Constant):
            return {str(part.value)}
        if isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Name):
            return self._passed(part.value.id, function) or {"{}"}
        return {"{}"}

    def _texts_of_name(self, name: str, function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
        texts: set[str] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == name for to in node.targets):
                texts |= self._texts(node.value, function)
        return texts or self._passed(name, function)

    def _passed(self, name: str, function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
        """The literals that callers pass for a parameter of `function`."""
        names = [argument.arg for argument in function.args.args if argument.arg != "self"]
        if name not in names:
            return set()
        place, found = names.index(name), set[str]()
        for tree in self.all_trees:
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and ast.unparse(node.func).rsplit(".", 1)[-1] == function.name:
                    given = [each.value for each in node.keywords if each.arg == name] + node.args[place : place + 1]
                    found |= {
                        each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)
                    }
        return found


def _named(text: str) -> str:
    """A query by its object; anything else as it is."""
    found = _FROM.search(text)
    return found[1] if found else text
