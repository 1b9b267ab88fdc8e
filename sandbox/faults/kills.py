"""Scenarios 1 and 3: SIGKILL at random, and at every named crash point before and after its side effect."""

import asyncio
import re
from dataclasses import dataclass
from itertools import product
from typing import Any

import httpx

from sandbox.fault_proxy.rules import Fault, Rule
from sandbox.faults.ledger import Acknowledged, Findings
from sandbox.faults.run import WRITES, Result, Run

_WORKERS = ("worker", "worker-2")
_PAUSE_MAX_S = 0.5
_PACE_S = 0.05


async def random_kills(run: Run) -> Result:
    """Kill a worker, the process API or the system API with SIGKILL, again and again; each is restarted at once.

    Two loops kill at the same time, each its own half of the processes. Orders and kills are interleaved, so that the
    last kill meets as many orders as the first.
    """
    kills, count = run.scale.kills, run.scale.orders_under_kills
    quotes, ended_before, killed = await run.quotes(count), run.orders_ended, 0
    await asyncio.to_thread(run.landscape.start_worker, _WORKERS[1])
    gate = asyncio.Semaphore(run.scale.orders_at_once)
    share = -(-count // kills)
    run.bar.expect(count + kills)

    async def keep_killing(victims: tuple[str, str], times: int) -> None:
        nonlocal killed
        for _ in range(times):
            while killed * share > run.orders_ended - ended_before + run.scale.orders_at_once:  # noqa: ASYNC110 a count
                await asyncio.sleep(_PACE_S)
            killed += 1
            await asyncio.sleep(run.random.uniform(0.0, _PAUSE_MAX_S))
            await asyncio.to_thread(run.restart, run.random.choice(victims))
            run.bar.advance()
            for _ in range(share):
                gate.release()

    half = kills // 2
    killing = asyncio.gather(
        keep_killing((_WORKERS[0], "system"), kills - half), keep_killing((_WORKERS[1], "process"), half)
    )
    orders = await run.order_all(quotes, gate=gate)
    await killing
    await asyncio.to_thread(run.landscape.processes[_WORKERS[1]].stop)
    del run.landscape.processes[_WORKERS[1]]
    return Result(orders, kills, note=f"{kills} SIGKILLs", done=len(orders))


@dataclass(frozen=True)
class SideEffect:
    """A write on an order's way: its proxy, its path there, and the processes that may die around it."""

    name: str
    proxy: str
    path: str
    victims: tuple[str, str] = ("worker", "system")


SIDE_EFFECTS = (
    SideEffect("the order is taken", "process", r"^/v1/orders$", ("process", "experience")),
    SideEffect("ensure_customer, asked", "system", r"^/v1/erp/[^/]+/customers/[^/]+$"),
    SideEffect("ensure_customer, done", "erp", r"/party\.party$"),
    SideEffect("create_order, asked", "system", r"^/v1/erp/[^/]+/orders/[^/]+$"),
    SideEffect("create_order, drafted", "erp", r"/sale\.sale$"),
    SideEffect("create_order, quoted", "erp", r"/sale\.sale/\d+/quote$"),
    SideEffect("confirm_order, asked", "system", r"^/v1/erp/[^/]+/orders/[^/]+/confirm$"),
    SideEffect("confirm_order, done", "erp", r"/sale\.sale/\d+/confirm$"),
    SideEffect("ensure_billing_customer, asked", "system", r"^/v1/billing/[^/]+/customers/[^/]+$"),
    SideEffect("ensure_billing_customer, done", "stripe", r"^/v1/customers$"),
    SideEffect("create_subscription, asked", "system", r"^/v1/billing/[^/]+/subscriptions/[^/]+$"),
    SideEffect("create_subscription, tax rate", "stripe", r"^/v1/tax_rates$"),
    SideEffect("create_subscription, done", "stripe", r"^/v1/subscriptions$"),
    SideEffect("report_order_status, asked", "system", r"^/v1/crm/order-status/[^/]+$"),
    SideEffect("report_order_status, done", "salesforce", r"/sobjects/Quoteway_Order__c/"),
    SideEffect("report_order_status, published", "salesforce", r"/sobjects/Quoteway_Order_Status__e/"),
)
# Sent with POST, but they change nothing.
_NO_SIDE_EFFECT = re.compile(r"/oauth2/token$|/tax/|/pricing/|/prices$|/customer-candidates$|/order-checks$")


async def crash_points(run: Run) -> Result:
    """Kill right before and right after each side effect, either process beside it, with one order for each kill.

    The order before them shows whether all of its writes have a named crash point.
    """
    findings = Findings(lost=[f"the write {each} is no named crash point" for each in await _unnamed_writes(run)])
    points = list(product(SIDE_EFFECTS, (0, 1), (Fault.kill_before, Fault.kill_after)))
    most = run.scale.crash_points_max
    chosen = points if most is None else run.random.sample(points, most)
    run.bar.expect(len(chosen))
    orders: list[Acknowledged] = []
    killed = 0
    for effect, which, fault in chosen:
        before = run.injected()
        orders += await _crash_at(run, effect, effect.victims[which], fault)
        if run.injected() == before:
            findings.lost.append(f"no order came to the crash point {fault} {effect.name}")
        killed += run.injected() - before
    return Result(orders, killed, f"{killed} kills at {len(chosen)} of {len(points)} points", len(orders), findings)


async def _unnamed_writes(run: Run) -> list[str]:
    """Return one order's writes without a named crash point."""
    proxies = sorted({effect.proxy for effect in SIDE_EFFECTS})
    known = {name: len(run.landscape.faults(name).statistics().log) for name in proxies}
    await asyncio.to_thread(_withdraw_tax_rates, run)
    for name in proxies:  # a delay of zero, only to record it
        run.landscape.faults(name).put(Rule(fault=Fault.delay, methods=WRITES))
    run.acknowledged += await run.order_all(await run.quotes(1))
    writes = [
        (name, each.path)
        for name in proxies
        for each in run.landscape.faults(name).statistics().log[known[name] :]
        if not _NO_SIDE_EFFECT.search(each.path)
    ]
    run.clear_faults()
    return [
        f"{name} {path}"
        for name, path in writes
        if not any(effect.proxy == name and re.search(effect.path, path) for effect in SIDE_EFFECTS)
    ]


async def _crash_at(run: Run, effect: SideEffect, victim: str, fault: Fault) -> list[Acknowledged]:
    if effect.path == r"^/v1/tax_rates$":
        await asyncio.to_thread(_withdraw_tax_rates, run)
    quotes = await run.quotes(1)
    pid = run.landscape.processes[victim].pid
    run.landscape.faults(effect.proxy).put(Rule(fault=fault, methods=WRITES, path=effect.path, times=1, pid=pid))
    ordering = asyncio.create_task(run.order_all(quotes))
    while not ordering.done():
        await _raise_again(run, victim)
        await asyncio.sleep(0.1)
    run.landscape.faults(effect.proxy).clear()
    await _raise_again(run, victim)
    return await ordering


async def _raise_again(run: Run, victim: str) -> None:
    if not run.landscape.processes[victim].is_running:
        await asyncio.to_thread(run.restart, victim)


def _withdraw_tax_rates(run: Run) -> None:
    """Archive the tax rates, so that the next order must create one again."""
    key = (run.landscape.run_dir / "stripe.key").read_text().strip()
    bearer = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=run.landscape.url("stripe"), headers=bearer, timeout=20) as client:
        found: list[dict[str, Any]] = (
            client.get("/v1/tax_rates", params={"limit": 100}).raise_for_status().json()["data"]
        )
        for rate in found:
            client.post(f"/v1/tax_rates/{rate['id']}", data={"active": "false"}).raise_for_status()
