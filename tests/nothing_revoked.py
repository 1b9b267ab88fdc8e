"""The process API's list of revoked tokens, where a test is about something else: nothing was ever revoked."""

import httpx

from shared.identity.revocation import FEED_PATH


def nothing_revoked() -> httpx.MockTransport:
    """The way to a process API that says so, and nothing else."""

    async def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == FEED_PATH
        return httpx.Response(200, json={"revoked": [], "position": 0})

    return httpx.MockTransport(answer)
