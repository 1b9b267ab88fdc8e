"""`python -m sandbox.faults`: break everything on purpose, and count what the vendors hold twice or not at all."""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from sandbox.faults.ledger import Findings
from sandbox.faults.scenarios import SCENARIOS, VENDORS, Result, Run, judge
from sandbox.landscape import Landscape
from sandbox.process import ProcessError
from sandbox.progress import Progress

# A vendor's pause is waited out with patience, so that little is parked; a dead worker is noticed soon.
_SETTINGS = {
    "QUOTEWAY_STEP_ATTEMPTS_MAX": "8",
    "QUOTEWAY_STEP_BACKOFF_S": "0.2",
    "QUOTEWAY_STEP_BACKOFF_MAX_S": "2",
    "QUOTEWAY_SETTLE_S": "0.3",
    "QUOTEWAY_LEASE_S": "3",
    "QUOTEWAY_LOG_LEVEL": "WARNING",
}
_SHORT = ("lost-answers-20", "random-kills")
_END_WITHIN_S = 120.0


@dataclass(frozen=True)
class _Row:
    name: str
    result: Result
    findings: Findings
    parked: int
    took_s: float

    @property
    def verdict(self) -> str:
        return "[red]VIOLATED[/]" if self.findings.violations else "[green]held[/]"


def main() -> int:
    """Run the scenarios; 1 on any violation, 2 where the landscape does not start or a name is unknown."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeats a run's chances; a new one is chosen and printed otherwise")
    parser.add_argument("--orders", type=int, default=30, help="orders of each scenario (30)")
    parser.add_argument("--only", action="append", choices=list(SCENARIOS), help="only this scenario; may be repeated")
    parser.add_argument("--short", action="store_true", help="two scenarios with few orders: what CI runs")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1_000_000)
    names = list(_SHORT if arguments.short else arguments.only or SCENARIOS)
    orders = min(arguments.orders, 6) if arguments.short else arguments.orders
    console = Console(width=None if sys.stdout.isatty() else 120)  # a log is wide enough for the table
    console.print(
        f"Seed {seed}: repeat with `python -m sandbox.faults --seed {seed} --orders {orders}`", highlight=False
    )
    try:
        rows = run_scenarios(names, seed, orders, console)
    except ProcessError as error:
        console.print(f"[red]{error}[/]")
        return 2
    console.print(_table(rows))
    violations = list(dict.fromkeys(sentence for row in rows for sentence in row.findings.violations))
    for sentence in violations:
        console.print(f"[red]✗[/] {sentence}", highlight=False)
    return 1 if violations else 0


def run_scenarios(names: list[str], seed: int, orders: int, console: Console) -> list[_Row]:
    """Run the scenarios one after the other in one landscape. Raises ProcessError where it does not start."""
    with tempfile.TemporaryDirectory(prefix="quoteway-faults-") as folder:
        Path(folder).chmod(0o711)
        landscape = Landscape(
            Path(folder),
            progress=Progress(),
            tier_settings=_SETTINGS,
            proxied=frozenset({*VENDORS, "system"}),
            fault_seed=seed,
        )
        run = Run(landscape, random.Random(seed), orders, _END_WITHIN_S, advance=lambda: None)  # noqa: S311 repeatable
        with landscape:
            return [_run_one(run, name, console) for name in names]


def _run_one(run: Run, name: str, console: Console) -> _Row:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    began, known = time.monotonic(), len(run.acknowledged)
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task(name, total=None)
        run.advance = lambda: bars.advance(task)
        result = asyncio.run(SCENARIOS[name](run))
    findings = judge(run, result)
    parked = sum(order.status == "parked" for order in run.acknowledged[known:])
    took_s = time.monotonic() - began
    mark = "✗" if findings.violations else "✓"
    console.print(f"{mark} {name}: {len(result.orders)} orders, {result.faults} faults, {result.note} ({took_s:.0f} s)")
    return _Row(name, result, findings, parked, took_s)


def _table(rows: list[_Row]) -> Table:
    table = Table(title="What the vendors hold, against what was acknowledged", title_justify="left")
    for heading in ("scenario", "orders", "faults", "duplicates", "lost", "left over", "parked", "seconds", "verdict"):
        table.add_column(heading, justify="left" if heading in {"scenario", "verdict"} else "right")
    for row in rows:
        counts = (row.findings.duplicates, row.findings.lost, row.findings.leftovers)
        numbers = (len(row.result.orders), row.result.faults, *map(len, counts), row.parked)
        table.add_row(row.name, *map(str, numbers), f"{row.took_s:.0f}", row.verdict)
    return table


if __name__ == "__main__":
    sys.exit(main())
