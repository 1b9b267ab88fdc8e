"""`make bench`: Quoteway and its peers side by side in one run. What counts are the ratios, not the figures.

Each burst of load lasts a few seconds; contenders take turns, round after round, and the median counts. One core
serves, another makes the load. Table and plot are left in build/bench/.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sandbox.landscape.landscape import Landscape
from sandbox.processes.process import ProcessError
from sandbox.processes.progress import Progress
from tests.benchmarks import costs
from tests.benchmarks.contenders import LOAD_CORE, Field
from tests.benchmarks.load import Target, burst, require_tools, try_out
from tests.benchmarks.orders import __main__ as orders
from tests.benchmarks.peer_programs import ENVIRONMENT, PEERS, ROOT, build_environments
from tests.benchmarks.where_it_goes import profile

OUTPUT = ROOT / "build" / "bench"
_SETTINGS = {"QUOTEWAY_LOG_LEVEL": "ERROR"}


@dataclass
class Group:
    """Contenders that are compared, and the ratios that are promised: (this, over that, at least).

    `patience`: how many times longer its bursts last, where one of them needs seconds for an answer.
    """

    title: str
    targets: list[Target]
    promises: list[tuple[str, str, float]]
    patience: int = 1
    rates: dict[str, list[float]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)

    def median(self, name: str) -> float:
        """Requests a second."""
        return statistics.median(self.rates[name])


def main() -> int:
    """Measure; 1 where a promise is missed, 2 where it cannot be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each burst (4)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of interleaved bursts (3)")
    parser.add_argument(
        "--requests", type=int, default=1_000_000, help="for the memory measurement (1,000,000; 0: none)"
    )
    parser.add_argument("--only", choices=["requests", "orders"], help="one half; `orders` has arguments of its own")
    arguments, rest = parser.parse_known_args()
    if arguments.only == "orders":
        return orders.main(rest)
    if rest and arguments.only is not None:
        parser.error(f"unknown: {' '.join(rest)}")
    progress = Progress()
    try:
        require_tools()
        build_environments(progress)
        with tempfile.TemporaryDirectory(prefix="quoteway-bench-") as name, ExitStack() as stack:
            Path(name).chmod(0o755)
            missed = _measure(Path(name), stack, progress, arguments)
    except ProcessError as error:
        progress.note(str(error))
        return 2
    return missed if arguments.only == "requests" else max(missed, orders.main(rest))


def _measure(folder: Path, stack: ExitStack, progress: Progress, arguments: argparse.Namespace) -> int:
    landscape = Landscape(folder, progress=progress, tier_settings=_SETTINGS, light_erp=True)
    stack.enter_context(landscape)
    measured = Field(landscape, stack, folder)
    with progress.step("Starting the contenders"):
        groups = _groups(measured)
    for group in groups:
        _run(group, arguments.rounds, arguments.seconds, progress)
    figures = costs.measure(measured, groups[0].targets[0], arguments.requests, progress)
    _report(groups, figures)
    _explain_misses(measured, groups, progress)
    missed = [row for group in groups for row in _promises(group) if row[3] < row[4]]
    return 1 if missed or any(figure.missed for figure in figures) else 0


def _groups(measured: Field) -> list[Group]:
    upstream, vendors = measured.upstream(), measured.quick_vendors()
    hit, haproxy, nginx = measured.cached_overview(), measured.haproxy(), measured.nginx()
    hop, bare, naive = measured.one_hop(upstream), measured.bare(), measured.naive(upstream)
    tiers, naive_tiers = measured.three_tiers(vendors), measured.naive_tiers(vendors)
    return [
        Group(
            "An answer from the cache, with the whole policy", [hit, haproxy, nginx], [(hit.name, haproxy.name, 1.0)]
        ),
        Group(
            "One hop, uncached, with the whole policy",
            [hop, bare, naive],
            [(hop.name, bare.name, 0.5), (hop.name, naive.name, 15.0)],
        ),
        Group(
            "The account overview through three tiers, uncached, vendors that answer at once",
            [tiers, naive_tiers],
            [(tiers.name, naive_tiers.name, 5.0)],
            patience=5,
        ),
    ]


def _run(group: Group, rounds: int, seconds: float, progress: Progress) -> None:
    for target in group.targets:
        try_out(target)
        burst(target, float(group.patience), core=LOAD_CORE)  # warm: caches, connections, leases
    for number in range(1, rounds + 1):
        with progress.step(f"{group.title}: round {number} of {rounds}"):
            for target in group.targets:
                found = burst(target, seconds * group.patience, core=LOAD_CORE)
                group.rates.setdefault(target.name, []).append(found.requests_per_s)
                group.refused[target.name] = group.refused.get(target.name, 0) + found.refused


def _promises(group: Group) -> list[tuple[str, str, str, float, float]]:
    return [
        (group.title, ours, theirs, group.median(ours) / group.median(theirs), wanted)
        for ours, theirs, wanted in group.promises
    ]


def _report(groups: list[Group], figures: list[costs.Figure]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 140)
    rates = Table(title="Requests a second (median, and each round)", title_justify="left")
    for heading in ("measured", "median", "rounds", "refused"):
        rates.add_column(heading, justify="left" if heading == "measured" else "right")
    ratios = Table(title="Ratios", title_justify="left")
    for heading in ("this", "over", "ratio", "promised", ""):
        ratios.add_column(heading, justify="left" if heading in {"this", "over", ""} else "right")
    for group in groups:
        for target in group.targets:
            each = " ".join(f"{rate:,.0f}" for rate in group.rates[target.name])
            rates.add_row(target.name, f"{group.median(target.name):,.0f}", each, str(group.refused[target.name]))
        for _, ours, theirs, ratio, wanted in _promises(group):
            mark = "[green]kept[/]" if ratio >= wanted else f"[red]missed by {1 - ratio / wanted:.0%}[/]"
            ratios.add_row(ours, theirs, f"{ratio:.2f}", f"≥ {wanted:g}", mark)
    for figure in figures:
        mark = "[red]missed[/]" if figure.missed else "[green]kept[/]"
        ratios.add_row(figure.name, "", figure.shown, f"≤ {figure.at_most:g}", mark)
    console.print(rates)
    console.print(ratios)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    results = {
        "groups": [
            {
                "title": group.title,
                "contenders": [
                    {"name": target.name, "median": group.median(target.name), "rounds": group.rates[target.name]}
                    for target in group.targets
                ],
                "promises": [dict(zip(_KEYS, row, strict=True)) for row in _promises(group)],
            }
            for group in groups
        ],
        "figures": [{"name": each.name, "value": each.value, "atMost": each.at_most} for each in figures],
    }
    (OUTPUT / "results.json").write_text(json.dumps(results, indent=2))
    with (OUTPUT / "results.txt").open("w") as file:
        kept = Console(file=file, width=140)
        kept.print(rates)
        kept.print(ratios)
    draw = [str(ENVIRONMENT / "bin" / "python"), str(PEERS / "plot.py"), *map(str, (_JSON, OUTPUT / "results.svg"))]
    drawn = subprocess.run(draw, capture_output=True, text=True, check=False)
    console.print(f"Table and plot: {OUTPUT}" if drawn.returncode == 0 else f"No plot: {drawn.stderr[-300:]}")


def _explain_misses(measured: Field, groups: list[Group], progress: Progress) -> None:
    """For each ratio that is missed: what the process was doing, beside the table."""
    for group in groups:
        missed = [ours for _, ours, _, ratio, wanted in _promises(group) if ratio < wanted]
        for target in (target for target in group.targets if target.name in missed):
            file = OUTPUT / f"profile-{re.sub('[^a-z]+', '-', target.name.lower()).strip('-')}.txt"
            with progress.step(f"{target.name} is behind: looking where the time goes ({file.name})"):
                file.write_text(profile(target, measured.pid_of(target)))


_KEYS = ("group", "this", "over", "ratio", "promised")
_JSON = OUTPUT / "results.json"

if __name__ == "__main__":
    sys.exit(main())
