"""The TTL cache: concurrent questions share one request, later ones make their own."""

import asyncio

from shared.cache.ttl_cache import TtlCache


async def test_concurrent_questions_share_one_request() -> None:
    memory, asked = TtlCache[str, int](), 0

    async def question() -> tuple[int, float]:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        return asked, 0.0

    assert await asyncio.gather(*(memory.ask("key", question) for _ in range(5))) == [1] * 5
    assert await memory.ask("key", question) == 2


async def test_question_between_an_answer_and_its_cleanup_is_asked_again() -> None:
    """A finished request must not answer later questions: a caller that asks in a loop would block the event loop."""
    memory, asked = TtlCache[str, int](), 0
    later: list[asyncio.Task[int]] = []

    async def question() -> tuple[int, float]:
        nonlocal asked
        asked += 1
        if asked == 1:
            await asyncio.sleep(0)
            # Runs right after this one is done, and before its done callbacks.
            later.append(asyncio.create_task(memory.ask("key", question)))
        return asked, 0.0

    assert await memory.ask("key", question) == 1
    assert await later[0] == 2
    assert await memory.ask("key", question) == 3
