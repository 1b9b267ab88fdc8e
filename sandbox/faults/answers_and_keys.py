"""Scenarios 2 and 4: answers lost after the vendor did the work, and one key or one quote submitted many times."""

import asyncio
import time
import uuid

from sandbox.fault_proxy.rules import Fault, Rule
from sandbox.faults.customers import Customers
from sandbox.faults.ledger import Findings
from sandbox.faults.run import VENDORS, WRITES, Result, Run

_TOKENS_APART = r"^(?!.*/oauth2/token$)"


async def lost_answers(run: Run, share: float) -> Result:
    """Lose a share of the vendors' answers to writes, after the work is done."""
    before, count = run.injected(), run.scale.orders_under_lost_answers
    quotes = await run.quotes(count)
    run.bar.expect(count)
    for name in VENDORS:
        rule = Rule(fault=Fault.lose_answer, methods=WRITES, path=_TOKENS_APART, probability=share)
        run.landscape.faults(name).put(rule)
    orders = await run.order_all(quotes)
    run.clear_faults()
    lost = run.injected() - before
    return Result(orders, lost, note=f"{share:.0%} of all vendor writes: {lost} answers lost", done=count)


async def lost_answers_5(run: Run) -> Result:
    """Run `lost_answers` with 5 %."""
    return await lost_answers(run, 0.05)


async def lost_answers_20(run: Run) -> Result:
    """Run `lost_answers` with 20 %."""
    return await lost_answers(run, 0.20)


async def one_key(run: Run) -> Result:
    """Post one key many times at once, for each of K quotes; then the last quote under as many keys. Expect K
    orders.
    """
    keys, posts = run.scale.keys, run.scale.posts_of_each_key
    quotes, findings = await run.quotes(keys), Findings()
    run.bar.expect(keys)
    async with Customers(run.landscape, run.end_within_s) as customers:
        taken: list[tuple[str, str]] = []
        for quote_id in quotes:
            taken += await _post(customers, quote_id, [uuid.uuid4().hex] * posts, findings)
            run.bar.advance()
        taken += await _post(customers, quotes[-1], [uuid.uuid4().hex for _ in range(posts)], findings)
        deadline = time.monotonic() + run.end_within_s
        following = (customers.follow(quote_id, order_id, deadline) for quote_id, order_id in sorted(set(taken)))
        orders = list(await asyncio.gather(*following))
    made = len(orders)
    if made != keys:
        findings.duplicates.append(f"{keys} quotes became {made} orders")
    note = f"{keys} keys x {posts} posts, 1 quote x {posts} keys: {made} orders"
    return Result(orders, 0, note, (keys + 1) * posts, findings)


async def _post(customers: Customers, quote_id: str, keys: list[str], findings: Findings) -> list[tuple[str, str]]:
    """Post a quote under these keys at once. Returns the quote with all its orders."""
    answers = set(await asyncio.gather(*(customers.submit(quote_id, key) for key in keys)))
    if len(answers) != 1:
        findings.duplicates.append(f"{len(keys)} posts for quote {quote_id} became {len(answers)} orders")
    return [(quote_id, order_id) for order_id in answers]
