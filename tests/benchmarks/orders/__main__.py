"""`make bench ARGS="--only orders"`: an order beside bare DBOS in one run. What counts are the ratios, not the figures.

Bare DBOS is a workflow of thirteen steps that do nothing, as many as an order once had. Both take turns on the same
PostgreSQL. Vendors answer at once, and the ERP is its stand-in.
"""

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sandbox.landscape.landscape import Landscape
from sandbox.processes.process import ProcessError
from sandbox.processes.progress import Progress
from tests.benchmarks.orders.measured import SETTINGS, Bench, Idle, prepare
from tests.benchmarks.peer_programs import ROOT

OUTPUT = ROOT / "build" / "bench"
_KB = 1000


def main(arguments: list[str] | None = None) -> int:
    """Measure; 1 where a promise is missed, 2 where it cannot be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.orders", description=__doc__)
    parser.add_argument("--orders", type=int, default=40, help="in each round (40)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds that are counted (3)")
    parser.add_argument("--accounts", type=int, default=1000, help="accounts that the orders are dealt out to (1000)")
    parser.add_argument("--idle-s", type=float, default=20.0, help="seconds for which an idle worker is watched (20)")
    parser.add_argument("--rows", action="store_true", help="say which tables an order leaves rows in")
    chosen = parser.parse_args(arguments)
    progress = Progress()
    try:
        with tempfile.TemporaryDirectory(prefix="quoteway-bench-") as name, ExitStack() as stack:
            Path(name).chmod(0o755)
            landscape = Landscape(
                Path(name), progress=progress, tier_settings=SETTINGS, light_erp=True, unthrottled=True
            )
            bench = prepare(stack.enter_context(landscape), stack, Path(name), chosen.accounts)
            bench.run(chosen.orders, chosen.rounds, progress)
            with progress.step("Watching a worker with nothing to do"):
                idle = bench.idle(chosen.idle_s)
            return _report(bench, idle, rows=chosen.rows)
    except ProcessError as error:
        progress.note(str(error))
        return 2


def _report(bench: Bench, idle: Idle, *, rows: bool) -> int:
    ours, bare = bench.ours, bench.bare
    counted = sum(number for number, _ in bench.rows.values())
    size_kb = sum(size for _, size in bench.rows.values()) / _KB
    console = Console(width=None if sys.stdout.isatty() else 140)
    sides = Table(title="A flow (medians of the rounds)", title_justify="left")
    for heading in ("", "worker, ms CPU", "PostgreSQL, ms CPU", "transactions", "flows a second"):
        sides.add_column(heading, justify="right" if heading else "left")
    for side in (ours, bare):
        figures = (side.median(name) for name in ("worker_ms", "postgres_ms", "transactions", "per_s"))
        sides.add_row(side.name, *(f"{figure:,.1f}" for figure in figures))
    promises = [
        ("CPU of an order, over bare", ours.median("cpu_ms") / bare.median("cpu_ms"), "≤", 1.5),
        ("orders a second, over bare", ours.median("per_s") / bare.median("per_s"), "≥", 0.55),
        ("an idle worker, % of a core", idle.worker_percent, "≤", 1.0),
        ("PostgreSQL for it, % of a core", idle.postgres_percent, "≤", 1.0),
        ("its transactions a second", idle.transactions_per_s, "≤", 5.0),
        ("rows that an order leaves", counted, "≤", 45.0),
        ("their size, kB", size_kb, "≤", 25.0),
    ]
    told = Table(title="Promises", title_justify="left")
    for heading in ("measured", "value", "promised", ""):
        told.add_column(heading, justify="right" if heading in {"value", "promised"} else "left")
    missed = False
    for name, value, sign, bound in promises:
        kept = value <= bound if sign == "≤" else value >= bound
        missed = missed or not kept
        told.add_row(name, f"{value:.2f}", f"{sign} {bound:g}", "[green]kept[/]" if kept else "[red]missed[/]")
    console.print(sides)
    console.print(told)
    if rows:
        for table, (number, size) in sorted(bench.rows.items(), key=lambda each: -each[1][0]):
            console.print(f"  {table}: {number:.1f} rows, {size:,.0f} bytes", highlight=False)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    values = [{"name": name, "value": value, "promised": f"{sign} {bound:g}"} for name, value, sign, bound in promises]
    (OUTPUT / "orders.json").write_text(json.dumps({"promises": values, "rows": bench.rows}, indent=2))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
