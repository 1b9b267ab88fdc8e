"""Produces the answer to a defect in a tier's own code, which no request to a running tier can provoke."""

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
    """Raise an error."""
    raise RuntimeError("a defect, for the contract's example")


def defect_answer(tier: str) -> httpx.Response:
    """Return the answer of a tier's policies to an error in a handler."""
    # It is logged like every defect, which would only disturb here.
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
        transport = httpx.ASGITransport(cast("Any", service))  # the two libraries' types for one protocol differ
        async with httpx.AsyncClient(transport=transport, base_url="http://tier") as client:
            return await client.get("/failing", headers={"X-Correlation-Id": CORRELATION_ID})

    return asyncio.run(ask())
