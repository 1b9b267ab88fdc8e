"""Runs scenarios in landscapes, one each or (for few orders) one for all, and shows their progress."""

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from sandbox.faults.ledger import Findings
from sandbox.faults.run import VENDORS, Bar, Result, Run, judge
from sandbox.faults.scale import Scale
from sandbox.faults.scenarios import SCENARIOS
from sandbox.landscape.landscape import Landscape
from sandbox.processes.progress import Progress

# Many attempts, so that a vendor's pause parks few orders; a short lease, so that a dead worker is noticed soon.
_SETTINGS = {
    "QUOTEWAY_STEP_ATTEMPTS_MAX": "12",
    "QUOTEWAY_STEP_BACKOFF_S": "0.2",
    "QUOTEWAY_STEP_BACKOFF_MAX_S": "2",
    "QUOTEWAY_SETTLE_S": "0.3",
    "QUOTEWAY_LOG_LEVEL": "WARNING",
    "QUOTEWAY_RATE_LIMITS": "tenant=off, client=off, user=off, read=off, write=off, expensive=off",
}
# Longer than all attempts at a step while its vendor hangs: such an order is parked, and not lost.
_END_WITHIN_S = 900.0
_PRINT_EVERY_S = 20.0
_BLIND = {"system": "sandbox.faults.without_search"}


@dataclass(frozen=True)
class Row:
    """A scenario's line in the table. `blind`: run without the search, so that duplicates must be found."""

    name: str
    result: Result
    findings: Findings
    parked: int
    took_s: float
    blind: bool

    @property
    def violations(self) -> list[str]:
        """Everything that must not happen."""
        if not self.blind:
            return self.findings.violations
        unseen = f"{self.name}: without the search no duplicate was found, so the harness would see none"
        return [] if self.findings.duplicates else [unseen]

    @property
    def verdict(self) -> str:
        """The result in one word."""
        if self.blind:
            return "[red]BLIND[/]" if self.violations else "[green]seen[/]"
        return "[red]VIOLATED[/]" if self.violations else "[green]held[/]"


@dataclass(frozen=True)
class Session:
    """One call of the harness. `shared`: all scenarios in one landscape."""

    seed: int
    console: Console
    light_erp: bool
    shared: bool

    def run(self, names: list[str], scale: Scale, *, blind: bool) -> list[Row]:
        """Run the scenarios one after the other. Raises ProcessError if a landscape does not start."""
        rows = []
        for some in [names] if self.shared else [[name] for name in names]:
            with self._landscape(scale, blind=blind) as landscape:
                run = Run(landscape, random.Random(self.seed), scale, _END_WITHIN_S)  # noqa: S311 repeatable
                rows += [self._one(run, name, blind=blind) for name in some]
        return rows

    @contextmanager
    def _landscape(self, scale: Scale, *, blind: bool) -> Iterator[Landscape]:
        lease = {} if scale.lease_s is None else {"QUOTEWAY_LEASE_S": f"{scale.lease_s:g}"}
        with tempfile.TemporaryDirectory(prefix="quoteway-faults-") as folder:
            Path(folder).chmod(0o711)
            with Landscape(
                Path(folder),
                progress=Progress(),
                tier_settings={**_SETTINGS, **lease},
                proxied=frozenset({*VENDORS, "system", "process"}),
                fault_seed=self.seed,
                light_erp=self.light_erp,
                unthrottled=True,
                modules=_BLIND if blind else {},
            ) as landscape:
                yield landscape

    def _one(self, run: Run, name: str, *, blind: bool) -> Row:
        began, known = time.monotonic(), len(run.acknowledged)
        shown = f"{name}, search off" if blind else name
        with self._bar(shown) as run.bar:
            result = asyncio.run(SCENARIOS[name](run))
        findings = judge(run, result)
        parked = sum(order.status == "parked" for order in run.acknowledged[known:])
        row = Row(shown, result, findings, parked, time.monotonic() - began, blind)
        mark = "✗" if row.violations else "✓"
        said = f"{mark} {shown}: {result.done} done, {result.faults} faults, {result.note} ({row.took_s:.0f} s)"
        self.console.print(said, highlight=False)
        return row

    @contextmanager
    def _bar(self, name: str) -> Iterator[Bar]:
        """Show a progress bar on a terminal; elsewhere print a line now and then."""
        if not self.console.is_terminal:
            yield _lines(self.console, name)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Bars(*columns, console=self.console, transient=True) as bars:
            task = bars.add_task(name, total=None)
            yield Bar(lambda total: bars.update(task, total=total), lambda: bars.advance(task))


def _lines(console: Console, name: str) -> Bar:
    began = said_at = time.monotonic()
    total = done = 0

    def expect(number: int) -> None:
        nonlocal total
        total = number

    def advance() -> None:
        nonlocal done, said_at
        done += 1
        if time.monotonic() - said_at > _PRINT_EVERY_S:
            said_at = time.monotonic()
            console.print(f"  {name}: {done} of {total} after {said_at - began:.0f} s", highlight=False)

    return Bar(expect, advance)
