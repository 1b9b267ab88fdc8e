"""One run of a scenario: its landscape, the acknowledged orders, and the result."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import psycopg

from sandbox.faults.customers import Customers
from sandbox.faults.ledger import Acknowledged, Findings, compare, read_holdings
from sandbox.faults.quotes import make_accounts, make_quotes
from sandbox.faults.scale import Scale
from sandbox.landscape.landscape import Landscape

WRITES = ["POST", "PUT", "PATCH", "DELETE"]
VENDORS = ("erp", "stripe", "salesforce")
# Orders of one account take turns, so many accounts are needed for many orders at once.
_ACCOUNTS_MAX = 100


@dataclass
class Bar:
    """A scenario's progress bar."""

    expect: Callable[[int], None] = lambda _total: None
    advance: Callable[[], None] = lambda: None


@dataclass
class Run:
    """One run of the harness: the landscape, the random generator, and everything acknowledged so far."""

    landscape: Landscape
    random: random.Random
    scale: Scale
    end_within_s: float
    bar: Bar = field(default_factory=Bar)
    acknowledged: list[Acknowledged] = field(default_factory=list)
    scenarios_run: int = 0
    orders_ended: int = 0

    async def order_all(self, quotes: list[str], *, gate: asyncio.Semaphore | None = None) -> list[Acknowledged]:
        """Submit these quotes, each once the gate lets it pass, and wait for every end."""
        places = asyncio.Semaphore(self.scale.orders_at_once)

        async def one(quote_id: str) -> Acknowledged:
            if gate is not None:
                await gate.acquire()
            async with places:
                ended = await customers.order(quote_id)
            self.orders_ended += 1
            self.bar.advance()
            return ended

        async with Customers(self.landscape, self.end_within_s) as customers:
            return await asyncio.gather(*(one(quote_id) for quote_id in quotes))

    async def quotes(self, count: int) -> list[str]:
        """Return new accepted quotes of new accounts."""
        name = f"Faults {self.scenarios_run} {self.random.randrange(1_000_000)}"
        accounts = await asyncio.to_thread(make_accounts, self.landscape, min(count, _ACCOUNTS_MAX), name)
        return await asyncio.to_thread(make_quotes, self.landscape, accounts, count)

    def clear_faults(self) -> None:
        """Remove all faults."""
        for name in sorted(self.landscape.proxied):
            self.landscape.faults(name).clear()

    def injected(self) -> int:
        """Return the faults that happened so far."""
        names = sorted(self.landscape.proxied)
        return sum(sum(self.landscape.faults(name).statistics().faults.values()) for name in names)

    def restart(self, name: str) -> None:
        """Kill a tier or worker, unless it is dead already, and restart it."""
        self.landscape.processes[name].kill()
        if name.startswith("worker"):
            self.landscape.start_worker(name)
        else:
            self.landscape.start_tier(name)

    def settle_on(self, **settings: str | None) -> None:
        """Change settings of the tiers (None: the default), and restart the workers with them."""
        kept = {name: value for name, value in self.landscape.tier_settings.items() if name not in settings}
        changed = {name: value for name, value in settings.items() if value is not None}
        self.landscape.tier_settings = {**kept, **changed}
        for name in [each for each in self.landscape.processes if each.startswith("worker")]:
            self.restart(name)

    def query(self, statement: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Query Quoteway's own database, for what only it can show."""
        with psycopg.connect(self.landscape.postgres.url(self.landscape.database)) as connection:
            return connection.execute(statement.encode(), values).fetchall()


@dataclass(frozen=True)
class Result:
    """The result of a scenario: `done` pieces of work, its orders, and what is wrong beyond the orders."""

    orders: list[Acknowledged]
    faults: int
    note: str = ""
    done: int = 0
    findings: Findings = field(default_factory=Findings)


Scenario = Callable[[Run], Coroutine[Any, Any, Result]]


def judge(run: Run, result: Result) -> Findings:
    """Compare everything acknowledged so far, by this scenario and earlier ones, with the vendors' records."""
    run.acknowledged += result.orders
    run.scenarios_run += 1
    findings = compare(run.acknowledged, read_holdings(run.landscape), complete=True)
    # Every quote can be booked, and no vendor has a reason to refuse it.
    refused = [order for order in result.orders if order.status in {"rejected", "compensated"}]
    findings.lost += [f"{order.order_id} is {order.status}, though nothing was wrong with it" for order in refused]
    findings.lost += mostly_parked(result.orders)
    for name in ("duplicates", "lost", "leftovers"):
        getattr(findings, name).extend(getattr(result.findings, name))
    return findings


def mostly_parked(orders: list[Acknowledged]) -> list[str]:
    """Return a sentence if most orders are parked: then nothing is duplicated, but nothing is shown either."""
    parked = sum(order.status == "parked" for order in orders)
    if 2 * parked <= len(orders):
        return []
    return [f"{parked} of {len(orders)} orders are parked: the scenario shows nothing"]
