"""Counts modules, the imports between them, and the circles between folders: `python -m tests.import_figures [FOLDER]`.

A circle is between the parts of one folder, each with all that lies in it: of `a.b.c` and `a.d.e`, `b` and `d` import
each other. tests/test_import_rules.py lets none come back.
"""

import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import grimp

PACKAGES = ("experience_api", "process_api", "system_api", "shared", "openapi", "sandbox")


@dataclass
class Figures:
    """What there is. `circles`: by folder, its parts that import each other."""

    modules: int = 0
    imports: int = 0
    between_folders: int = 0
    circles: dict[str, list[list[str]]] = field(default_factory=dict)
    in_the_way: int = 0
    """The fewest imports without which no circle is left."""


def figures() -> Figures:
    """Count what can be imported from here."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imports = [
        (importer, imported)
        for importer in sorted(graph.modules)
        for imported in sorted(graph.find_modules_directly_imported_by(importer))
    ]
    found = Figures(len(graph.modules), len(imports))
    between: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for importer, imported in imports:
        found.between_folders += importer.rpartition(".")[0] != imported.rpartition(".")[0]
        folder, part, other = _parting(importer, imported)
        if part and other:
            between[folder][part].add(other)
    for folder, edges in sorted(between.items()):
        circles = _circles(edges)
        if folder and circles:
            found.circles[folder] = circles
            found.in_the_way += len(graph.nominate_cycle_breakers(folder))
    return found


def _parting(importer: str, imported: str) -> tuple[str, str, str]:
    """The folder that two modules have in common, and the part of it that each lies in; empty for the folder itself."""
    ours, theirs = importer.split("."), imported.split(".")
    depth = 0
    while depth < min(len(ours), len(theirs)) and ours[depth] == theirs[depth]:
        depth += 1
    part = ours[depth] if depth < len(ours) else ""
    other = theirs[depth] if depth < len(theirs) else ""
    return ".".join(ours[:depth]), part, other


def _circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """The parts that reach each other."""
    reached = {part: _reached(edges, part) for part in edges}
    circles: list[list[str]] = []
    for part in sorted(edges):
        if part in reached[part] and not any(part in circle for circle in circles):
            circles.append(sorted(other for other in reached[part] if part in reached.get(other, set())))
    return circles


def _reached(edges: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for other in edges.get(waiting.pop(), set()) - seen:
            seen.add(other)
            waiting.append(other)
    return seen


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parents[1]))
    counted = figures()
    sys.stdout.write(
        f"{counted.modules} modules, {counted.imports} imports, {counted.between_folders} between folders, "
        f"{len(counted.circles)} folders with circles, {counted.in_the_way} imports in the way\n"
    )
    for folder, circles in counted.circles.items():
        for circle in circles:
            sys.stdout.write(f"  {folder}: {', '.join(circle)}\n")
