"""What a tier answers where its own code fails: no question to a running tier brings that about."""

import asyncio
import logging
from typing import Any, cast

import httpx
from litestar import get

from sandbox.contract_examples.recorder import CORRELATION_ID
from shared.identity.auth import Authenticator
from shared.inbound.service import create_service
from shared.inbound.tier import Published, Tier
from shared.operations.operation import public


@get("/failing", operation_id="failing", opt=public(), sync_to_thread=False)
def failing() -> None:
    """Fail."""
    raise RuntimeError("a defect, for the contract's example")


def defect_answer(tier: str) -> httpx.Response:
    """The answer of a tier's policies to it."""
    # It is logged as every defect is; whoever records need not read that.
    logging.getLogger("shared.inbound.problem_answer").addHandler(logging.NullHandler())
    nobody = Authenticator("http://127.0.0.1:9/", "nobody")
    service = create_service(
        Tier(
            name=tier,
            published=Published(title=tier, version="1", description=tier),
            authenticator=nobody,
        ),
        [failing],
        state={},
    )

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(cast("Any", service))  # the two libraries type the same protocol differently
        async with httpx.AsyncClient(transport=transport, base_url="http://tier") as client:
            return await client.get("/failing", headers={"X-Correlation-Id": CORRELATION_ID})

    return asyncio.run(ask())
