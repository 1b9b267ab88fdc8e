"""`python -m sandbox.faults`: inject faults, and count the records that vendors hold twice or not at all.

With --without-search the gateway does not search by external id: the harness must then find duplicates, and fails if it
finds none. A whole run ends with that part, since a harness that cannot see damage proves nothing.
"""

import argparse
import random
import sys

from rich.console import Console
from rich.table import Table

from sandbox.faults.scale import FULL, REAL_ERP, SHORT, Scale
from sandbox.faults.scenarios import SCENARIOS
from sandbox.faults.session import Row, Session
from sandbox.processes.process import ProcessError

# One kill in a dozen hits between a write and its record: half as many kills as the run has surely include some.
_CONTROLS = ["random-kills", "lost-answers-20"]
_CONTROL_PART = 2


def main() -> int:
    """Run the scenarios. Returns 1 after any violation, 2 if the landscape does not start or a name is unknown."""
    arguments = _arguments()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1_000_000)
    names = list(arguments.only or SCENARIOS)
    scale = SHORT if arguments.short else REAL_ERP if arguments.real_erp else FULL
    scale = scale.with_orders(arguments.orders) if arguments.orders else scale
    console = Console(width=None if sys.stdout.isatty() else 160)  # a log has room for the table
    console.print(f"Seed {seed}: repeat with `{_repeat(arguments, seed)}`", highlight=False)
    try:
        rows = _run(names, seed, scale, arguments, console)
    except ProcessError as error:
        console.print(f"[red]{error}[/]")
        return 2
    console.print(_table(rows))
    violations = list(dict.fromkeys(sentence for row in rows for sentence in row.violations))
    for sentence in violations:
        console.print(f"[red]✗[/] {sentence}", highlight=False)
    return 1 if violations else 0


def _run(names: list[str], seed: int, scale: Scale, arguments: argparse.Namespace, console: Console) -> list[Row]:
    blind = bool(arguments.without_search)
    session = Session(seed, console, light_erp=not arguments.real_erp, shared=arguments.short)
    rows = session.run(names, scale, blind=blind)
    if not (blind or arguments.short or arguments.only):
        part = scale.with_orders(max(1, scale.orders_under_kills // _CONTROL_PART))
        rows += session.run(_CONTROLS, part, blind=True)
    return rows


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeats a run's chances; a new one is chosen and printed otherwise")
    parser.add_argument("--orders", type=int, help="orders of each scenario, and in proportion to them the kills")
    parser.add_argument("--only", action="append", choices=list(SCENARIOS), help="only this scenario; may be repeated")
    parser.add_argument("--short", action="store_true", help="every scenario with few orders: what CI runs")
    parser.add_argument("--real-erp", action="store_true", help="a smaller run on a real Tryton, not on its stand-in")
    parser.add_argument("--without-search", action="store_true", help="search for nothing: duplicates must be found")
    return parser.parse_args()


def _repeat(arguments: argparse.Namespace, seed: int) -> str:
    words = [f"--seed {seed}"]
    words += [f"--orders {arguments.orders}"] if arguments.orders else []
    words += [f"--only {name}" for name in arguments.only or ()]
    words += [
        f"--{name}" for name in ("short", "real-erp", "without-search") if vars(arguments)[name.replace("-", "_")]
    ]
    return f"python -m sandbox.faults {' '.join(words)}"


def _table(rows: list[Row]) -> Table:
    table = Table(title="What the vendors hold, against what was acknowledged", title_justify="left")
    for heading in ("scenario", "done", "faults", "duplicates", "lost", "left over", "parked", "seconds", "verdict"):
        table.add_column(heading, justify="left" if heading in {"scenario", "verdict"} else "right")
    for row in rows:
        counts = (row.findings.duplicates, row.findings.lost, row.findings.leftovers)
        numbers = (row.result.done, row.result.faults, *map(len, counts), row.parked)
        table.add_row(row.name, *map(str, numbers), f"{row.took_s:.0f}", row.verdict)
    return table


if __name__ == "__main__":
    sys.exit(main())
