"""What the controls of the sandbox read, and how they refuse."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse


async def read_json(request: Request) -> dict[str, Any]:
    """Return the object in a request's body. Raises ValueError, which says what is wrong with it."""
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 -- told to the caller, like any wrong body
    return body


def refused(message: str) -> JSONResponse:
    """400, with what is wrong."""
    return JSONResponse({"error": message}, status_code=400)
