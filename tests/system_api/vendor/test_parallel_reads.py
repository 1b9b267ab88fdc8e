"""Parallel reads, none of which is left behind."""

import asyncio

import pytest

from shared.problem import Unavailable
from system_api.vendor.parallel_reads import parallel_reads


async def test_failure_cancels_the_others_and_is_raised_unchanged() -> None:
    ended = []

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("slow")
            raise

    async def failing() -> None:
        raise Unavailable("away")

    async def read_both() -> None:
        async with parallel_reads() as reads:
            reads.create_task(slow())
            reads.create_task(failing())

    with pytest.raises(Unavailable, match="away"):
        await read_both()

    assert ended == ["slow"]


async def test_all_answers_are_there_after_the_block() -> None:
    async with parallel_reads() as reads:
        answers = [reads.create_task(asyncio.sleep(0, number)) for number in range(3)]

    assert [answer.result() for answer in answers] == [0, 1, 2]
