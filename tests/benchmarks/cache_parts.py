"""Measures what each part of the response cache is worth: `python -m tests.benchmarks.cache_parts`.

First the CPU of an answer from each place it can come from, on a real Valkey; then how many reads each part answers, in
a model of users who open account pages (docs/decisions/0107). The model's assumptions are its constants.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from redis.asyncio import Redis

from sandbox.engines.valkey import RedisEngine
from shared.cache.cached_answer import CachedAnswer, CacheKey, strong_etag
from shared.cache.response_cache import ResponseCache
from shared.cache.shared_answers import SharedAnswers
from shared.operations.cache_policy import CachePolicy
from shared.redis_connection import RedisCache, request_pool

POLICY = CachePolicy(fresh_s=10, stale_s=10, tags=("account:{accountId}",))
BODY = b'{"text":"' + b"x" * 2500 + b'"}'
ANSWERS, AT_ONCE = 3000, 32
# The model: 600 users, each opens a page every 45 s; half of the pages are come back to within 25 s.
USERS, SECONDS, BETWEEN_S, COMES_BACK, BACK_WITHIN_S = 600, 1800, 45.0, 0.5, 25.0
# Two components of a page show the overview, one the credit and one the invoices, all within 150 ms.
PAGE = ("overview", "overview", "credit", "invoices")
PAGE_S, ASKING_S, ACCOUNTS_OF_A_USER = 0.15, 0.35, 40


async def cpu_us(ask: Callable[[int], Awaitable[object]], at_once: int = AT_ONCE) -> float:
    """Microseconds of this process's CPU for each of many calls."""
    numbers = iter(range(ANSWERS))

    async def some() -> None:
        for number in numbers:
            await ask(number)

    begun = time.process_time()
    await asyncio.gather(*(some() for _ in range(at_once)))
    return (time.process_time() - begun) / ANSWERS * 1e6


async def measure_cpu(url: str) -> None:
    """Tell what an answer costs from this process's memory, from Redis, and where it has to be asked for."""
    cache = ResponseCache(SharedAnswers(RedisCache(url), "measured"), entries_max=100_000, bytes_max=1 << 30)
    await cache.start()
    while not cache._linked:  # noqa: ASYNC110 until it is told of purges nothing is kept for long
        await asyncio.sleep(0.01)

    async def made() -> CachedAnswer:
        return CachedAnswer([(b"content-type", b"application/json")], BODY, strong_etag(BODY), (), [])

    def key(number: int) -> CacheKey:
        return ("t", "caller", f"/v1/accounts/{number}/overview", b"", b"application/json")

    async def ask(number: int) -> object:
        return await cache.answer(key(number), POLICY, (f"account:{number}", "caller:x"), made, anew=False)

    async def look(number: int) -> object:
        return cache.local.get(key(number))

    asked, local = await cpu_us(ask), await cpu_us(look)
    await asyncio.gather(*cache._tasks - {task for task in cache._tasks if "_follow" in repr(task)})
    cache.local.clear()
    await asyncio.sleep(0.01)
    from_redis = await cpu_us(ask)
    say(f"an answer: {local:.1f} us from memory, {from_redis:.0f} from Redis, {asked:.0f} and its own if asked for")
    await cache.stop()


async def measure_pipelines(url: str) -> None:
    """Tell what it is worth that requests share a pipeline."""
    together, alone = RedisCache(url), Redis(connection_pool=request_pool(url))

    async def own(_number: int) -> object:
        async with alone.pipeline(transaction=False) as pipeline:
            pipeline.mget("a", "b", "c")
            pipeline.pttl("a")
            return await pipeline.execute()

    async def shared(_number: int) -> object:
        return await together.read("a", ["b", "c"])

    for at_once in (AT_ONCE, 1):
        costs = await cpu_us(shared, at_once), await cpu_us(own, at_once)
        say(f"a read of Redis, {at_once} at once: {costs[0]:.0f} us in a shared pipeline, {costs[1]:.0f} in its own")
    await together.close()
    await alone.aclose()


@dataclass
class Model:
    """Processes that answer reads in turn, each by what it holds."""

    processes: int
    redis: bool = True
    stale: bool = True
    flights: bool = True
    told: Counter[str] = field(default_factory=Counter)

    def run(self) -> str:
        """Play half an hour and return by what the reads were answered, in percent."""
        chance = random.Random(1)  # noqa: S311 the same half hour each time
        local: list[dict[object, float]] = [{} for _ in range(self.processes)]
        kept: dict[object, float] = {}
        for at, key in reads(chance):
            memory = local[chance.randrange(self.processes)]
            self.told[self._answer(at, key, memory, kept)] += 1
        total = self.told.total()
        return ", ".join(f"{by} {count / total:.1%}" for by, count in sorted(self.told.items()))

    def _answer(self, at: float, key: object, memory: dict[object, float], kept: dict[object, float]) -> str:
        made = memory.get(key)
        if made is not None and made > at:
            if self.flights:
                return "another's request"
        elif made is not None and at < made + POLICY.fresh_s:
            return "memory"
        elif made is not None and self.stale and at < made + POLICY.fresh_s + POLICY.stale_s:
            memory[key] = kept[key] = at
            return "the old answer"
        elif self.redis and key in kept and kept[key] <= at < kept[key] + POLICY.fresh_s:
            memory[key] = kept[key]
            return "Redis"
        memory[key] = kept[key] = at + ASKING_S
        return "asking"


def reads(chance: random.Random) -> list[tuple[float, object]]:
    """When which user's page reads what."""
    found: list[tuple[float, object]] = []
    for user in range(USERS):
        at = chance.expovariate(1 / BETWEEN_S)
        while at < SECONDS:
            account = chance.randrange(ACCOUNTS_OF_A_USER)
            again = [at + chance.uniform(2, BACK_WITHIN_S)] if chance.random() < COMES_BACK else []
            for opened in (at, *again):
                found += [(opened + chance.random() * PAGE_S, (user, account, part)) for part in PAGE]
            at += chance.expovariate(1 / BETWEEN_S)
    return sorted(found, key=lambda read: read[0])


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(line + "\n")


async def main() -> None:
    """Measure everything."""
    with tempfile.TemporaryDirectory(prefix="quoteway-cache-") as folder, RedisEngine(Path(folder)) as engine:
        await measure_cpu(engine.url)
        await measure_pipelines(engine.url)
    for processes in (1, 2, 4):
        for left_out in ("nothing", "redis", "stale", "flights"):
            parts = {part: part != left_out for part in ("redis", "stale", "flights")}
            model = Model(processes, redis=parts["redis"], stale=parts["stale"], flights=parts["flights"])
            say(f"{processes} processes without {left_out}: {model.run()}")


if __name__ == "__main__":
    asyncio.run(main())
