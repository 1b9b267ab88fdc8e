"""Scenario 5: of two workers, one is paused far beyond its lease and woken, then one is killed for good."""

import asyncio
import os
import signal
import time

from sandbox.faults.ledger import Acknowledged, Findings
from sandbox.faults.run import Result, Run

RECOVERED_WITHIN_S = 30.0
_POLL_S = 0.1
_FLOWS_WITHIN_S = 120.0
# An executor's id contains its process id. PENDING: a flow that has started and not ended.
_FLOWS_OF = "SELECT workflow_uuid FROM dbos.workflow_status WHERE status = 'PENDING' AND executor_id LIKE %s"


async def two_workers(run: Run) -> Result:
    """Pause or kill one worker: the other takes over its flows each time, and nothing is done twice after the pause."""
    count, findings = run.scale.orders_of_two_workers, Findings()
    quotes = await run.quotes(count)
    run.bar.expect(count)
    await asyncio.to_thread(run.landscape.start_worker, "worker-2")
    first = asyncio.create_task(run.order_all(quotes[: count // 2]))
    paused_s = await _pause(run, "worker", first, findings)
    orders = await first
    second = asyncio.create_task(run.order_all(quotes[count // 2 :]))
    orphans, recovered_s = await _kill_for_good(run, "worker-2", second, findings)
    orders += await second
    del run.landscape.processes["worker-2"]
    paused = f"paused {run.scale.pause_s:g} s, its flows taken over after {paused_s:.1f} s"
    note = f"{paused}; killed, its {orphans} orphans after {recovered_s:.1f} s"
    return Result(orders, 2, note, len(orders), findings)


async def _pause(run: Run, name: str, ordering: asyncio.Task[list[Acknowledged]], findings: Findings) -> float:
    """Pause a worker in the middle of flows and wake it. Returns the time until the last of them was taken over."""
    worker = run.landscape.processes[name]
    flows = await _flows_at_work(run, worker.pid, ordering, findings)
    os.kill(worker.pid, signal.SIGSTOP)
    paused = time.monotonic()
    # It stays paused until they are taken over: on a busy machine that may take longer than a short run's pause.
    taken_s = await _taken_over(run, worker.pid, flows, max(run.scale.pause_s, RECOVERED_WITHIN_S), findings)
    await asyncio.sleep(max(0.0, run.scale.pause_s - (time.monotonic() - paused)))
    os.kill(worker.pid, signal.SIGCONT)
    return taken_s


async def _kill_for_good(
    run: Run, name: str, ordering: asyncio.Task[list[Acknowledged]], findings: Findings
) -> tuple[int, float]:
    worker = run.landscape.processes[name]
    flows = await _flows_at_work(run, worker.pid, ordering, findings)
    await asyncio.to_thread(worker.kill)
    return len(flows), await _taken_over(run, worker.pid, flows, 2 * RECOVERED_WITHIN_S, findings)


async def _flows_at_work(
    run: Run, pid: int, ordering: asyncio.Task[list[Acknowledged]], findings: Findings
) -> set[str]:
    """Return a worker's flows in progress, once it has any."""
    until = time.monotonic() + _FLOWS_WITHIN_S
    while time.monotonic() < until and not ordering.done():
        if flows := await _flows_of(run, pid):
            return flows
        await asyncio.sleep(_POLL_S)
    findings.lost.append(f"worker {pid} had no flow that could be orphaned: the scenario shows nothing")
    return set()


async def _taken_over(run: Run, pid: int, flows: set[str], within_s: float, findings: Findings) -> float:
    """Return the time until that worker had none of these flows any more."""
    began = time.monotonic()
    while (left := flows & await _flows_of(run, pid)) and time.monotonic() - began < within_s:  # noqa: ASYNC110 no news from it
        await asyncio.sleep(_POLL_S)
    took_s = time.monotonic() - began
    if left or took_s > RECOVERED_WITHIN_S:
        findings.lost.append(
            f"{len(left)} of {len(flows)} flows of worker {pid} were still with it after {took_s:.0f} s"
        )
    return took_s


async def _flows_of(run: Run, pid: int) -> set[str]:
    rows = await asyncio.to_thread(run.query, _FLOWS_OF, [f"%-{pid}-%"])
    return {flow for (flow,) in rows}
