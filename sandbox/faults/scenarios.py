"""The scenarios of the harness. Each starts from a running landscape, breaks it, and returns what the vendors show."""

import asyncio
import itertools
import os
import random
import signal
import time
import uuid
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sandbox.faults.customers import Customers, make_quotes
from sandbox.faults.ledger import Acknowledged, Findings, compare, read_holdings
from sandbox.faults.rules import Fault, Rule
from sandbox.landscape import Landscape

WRITES = ["POST", "PUT", "PATCH", "DELETE"]
VENDORS = ("tryton", "stripe", "salesforce")
ORPHANS_RECOVERED_WITHIN_S = 30.0
_KILL_EVERY_S = (2.0, 5.0)
Advance = Callable[[], None]


@dataclass
class Run:
    """One run of the harness: the landscape, the chance, and everything acknowledged so far."""

    landscape: Landscape
    random: random.Random
    orders: int
    end_within_s: float
    advance: Advance
    acknowledged: list[Acknowledged] = field(default_factory=list)

    async def order_all(self, quotes: list[str], *, at_once: int = 8) -> list[Acknowledged]:
        """Submit these quotes and wait for every end."""
        customers, places = Customers(self.landscape, self.end_within_s), asyncio.Semaphore(at_once)

        async def one(quote_id: str) -> Acknowledged:
            async with places:
                ended = await customers.order(quote_id)
            self.advance()
            return ended

        try:
            return await asyncio.gather(*(one(quote_id) for quote_id in quotes))
        finally:
            await customers.close()

    def quotes(self, count: int | None = None) -> list[str]:
        """New accepted quotes."""
        return make_quotes(self.landscape, count or self.orders)

    def clear_faults(self) -> None:
        """Let everything pass."""
        for name in sorted(self.landscape.proxied):
            self.landscape.faults(name).clear()

    def injected(self) -> int:
        """The faults that happened so far."""
        names = sorted(self.landscape.proxied)
        return sum(sum(self.landscape.faults(name).statistics().faults.values()) for name in names)

    def restart(self, name: str) -> None:
        """Start a tier or worker again that was killed."""
        self.landscape.processes[name].kill()
        if name.startswith("worker"):
            self.landscape.start_worker(name)
        else:
            self.landscape.start_tier(name)


@dataclass(frozen=True)
class Result:
    """What a scenario showed. `wrong` are violations beyond what the vendors hold."""

    orders: list[Acknowledged]
    faults: int
    note: str = ""
    wrong: list[str] = field(default_factory=list)


Scenario = Callable[[Run], Coroutine[Any, Any, Result]]


async def random_kills(run: Run) -> Result:
    """SIGKILL to the worker, the process API or the system API at random times, started again each time."""
    quotes, stop, kills = await asyncio.to_thread(run.quotes), asyncio.Event(), 0

    async def keep_killing() -> None:
        nonlocal kills
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), run.random.uniform(*_KILL_EVERY_S))
                return
            victim = run.random.choice(["worker", "process", "system"])
            await asyncio.to_thread(run.restart, victim)
            kills += 1

    killing = asyncio.create_task(keep_killing())
    orders = await run.order_all(quotes)
    stop.set()
    await killing
    return Result(orders, kills, note=f"{kills} SIGKILLs")


async def lost_answers(run: Run, share: float) -> Result:
    """The vendors do the work, and a share of their answers to writes is lost."""
    before = run.injected()
    for name in VENDORS:
        rule = Rule(fault=Fault.lose_answer, methods=WRITES, probability=share)
        run.landscape.faults(name).put(rule)
    orders = await run.order_all(await asyncio.to_thread(run.quotes))
    run.clear_faults()
    return Result(orders, run.injected() - before, note=f"{share:.0%} of all vendor writes")


async def lost_answers_5(run: Run) -> Result:
    """As `lost_answers`, 5 %."""
    return await lost_answers(run, 0.05)


async def lost_answers_20(run: Run) -> Result:
    """As `lost_answers`, 20 %."""
    return await lost_answers(run, 0.20)


async def one_key_many_posts(run: Run) -> Result:
    """One key posted 100 times at once, for each of K keys; then one quote under many keys: K + 1 orders in all."""
    keys, posts = max(2, run.orders // 10), 100
    quotes = await asyncio.to_thread(run.quotes, keys + 1)
    customers = Customers(run.landscape, run.end_within_s)
    wrong = []
    for quote_id in quotes:
        one, deadline = uuid.uuid4().hex, time.monotonic() + run.end_within_s
        chosen = [one if quote_id != quotes[-1] else uuid.uuid4().hex for _ in range(posts)]
        answers = await asyncio.gather(*(customers.submit(quote_id, key, deadline) for key in chosen))
        if len(set(answers)) != 1:
            wrong.append(f"{posts} posts for quote {quote_id} became {len(set(answers))} orders")
    await customers.close()
    orders = await run.order_all(quotes)
    return Result(orders, 0, note=f"{keys} keys x {posts} posts, 1 quote x {posts} keys", wrong=wrong)


async def two_workers(run: Run) -> Result:
    """Two workers: one paused beyond its lease and woken, then one killed for good. The other takes its flows over."""
    quotes = await asyncio.to_thread(run.quotes)
    await asyncio.to_thread(run.landscape.start_worker, "worker-2")
    paused, half = run.landscape.processes["worker"], len(quotes) // 2
    first = asyncio.create_task(run.order_all(quotes[:half]))
    await asyncio.sleep(run.random.uniform(0.3, 1.0))
    os.kill(paused.pid, signal.SIGSTOP)
    await asyncio.sleep(float(run.landscape.tier_settings["QUOTEWAY_LEASE_S"]) * 2)
    os.kill(paused.pid, signal.SIGCONT)
    orders = await first
    second = asyncio.create_task(run.order_all(quotes[half:]))
    await asyncio.sleep(run.random.uniform(0.3, 1.0))
    await asyncio.to_thread(run.landscape.processes["worker-2"].kill)
    killed = time.monotonic()
    orders += await second
    recovered_s = time.monotonic() - killed
    # Only now gone for good: nothing is left that would need it.
    del run.landscape.processes["worker-2"]
    late = recovered_s > ORPHANS_RECOVERED_WITHIN_S
    wrong = [f"a dead worker's flows ended only {recovered_s:.0f} s after its end"] if late else []
    return Result(orders, 2, note=f"orphans ended within {recovered_s:.1f} s", wrong=wrong)


async def crash_points(run: Run) -> Result:
    """A kill right before and right after each side effect: of the worker and of the system API, one order each.

    With fewer orders than there are points, that many of them are chosen by chance.
    """
    before, orders = run.injected(), []
    points = list(itertools.product(_SIDE_EFFECTS, ("worker", "system"), (Fault.kill_before, Fault.kill_after)))
    chosen = points if run.orders >= len(points) else run.random.sample(points, run.orders)
    for (name, path), victim, fault in chosen:
        orders += await _crash_at(run, name, path, victim, fault)
    faults = run.injected() - before
    return Result(orders, faults, note=f"{faults} kills at {len(chosen)} of {len(points)} points")


async def _crash_at(run: Run, name: str, path: str, victim: str, fault: Fault) -> list[Acknowledged]:
    pid = run.landscape.processes[victim].pid
    rule = Rule(fault=fault, methods=WRITES, path=path, times=1, pid=pid)
    run.landscape.faults(name).put(rule)
    quotes = await asyncio.to_thread(run.quotes, 1)
    ordering = asyncio.create_task(run.order_all(quotes))
    while not ordering.done():
        if not run.landscape.processes[victim].is_running:
            await asyncio.to_thread(run.restart, victim)
        await asyncio.sleep(0.1)
    run.landscape.faults(name).clear()
    if not run.landscape.processes[victim].is_running:
        await asyncio.to_thread(run.restart, victim)
    return await ordering


# Every write on an order's way: where it passes, and its path there.
_SIDE_EFFECTS = (
    ("tryton", r"/sale\.sale$"),
    ("tryton", r"/sale\.sale/\d+/quote$"),
    ("tryton", r"/sale\.sale/\d+/confirm$"),
    ("stripe", r"^/v1/subscriptions$"),
    ("salesforce", r"/sobjects/Quoteway_Order__c/"),
    ("system", r"^/v1/erp/[^/]+/customers/"),
    ("system", r"^/v1/erp/[^/]+/orders/[^/]+$"),
    ("system", r"^/v1/erp/[^/]+/orders/[^/]+/confirm$"),
    ("system", r"^/v1/billing/[^/]+/customers/"),
    ("system", r"^/v1/billing/[^/]+/subscriptions/"),
    ("system", r"^/v1/crm/order-status/"),
)

SCENARIOS: dict[str, Scenario] = {
    "random-kills": random_kills,
    "lost-answers-5": lost_answers_5,
    "lost-answers-20": lost_answers_20,
    "one-key": one_key_many_posts,
    "two-workers": two_workers,
    "crash-points": crash_points,
}


def judge(run: Run, result: Result) -> Findings:
    """Compare everything acknowledged so far, by this scenario and those before, with what the vendors hold."""
    run.acknowledged += result.orders
    findings = compare(run.acknowledged, read_holdings(run.landscape), complete=True)
    findings.duplicates += result.wrong
    return findings
