"""The naive peer: what one writes in an afternoon with FastAPI, slowapi, Authlib and httpx. One hop to an upstream.

NAIVE_UPSTREAM, NAIVE_JWKS_URL, NAIVE_ISSUER, NAIVE_AUDIENCE and NAIVE_REDIS_URL say where everything is.
"""

import os

import httpx
from authlib.jose import JsonWebToken
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel
from slowapi import Limiter
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address

UPSTREAM = os.environ["NAIVE_UPSTREAM"]
limiter = Limiter(key_func=get_remote_address, storage_uri=os.environ["NAIVE_REDIS_URL"])
client = httpx.AsyncClient(timeout=15)
keys = httpx.get(os.environ["NAIVE_JWKS_URL"]).json()
tokens = JsonWebToken(["RS256"])
app = FastAPI()
app.state.limiter = limiter


class Order(BaseModel):
    """What comes back, validated as FastAPI does."""

    orderId: str
    quoteId: str
    quoteRevision: int
    status: str
    version: int
    flowId: str
    createdAt: str
    updatedAt: str
    timeline: list[dict[str, str]]


@app.exception_handler(RateLimitExceeded)
async def refuse(request: Request, error: Exception) -> Response:
    """Too many requests."""
    return Response(status_code=429)


async def caller(authorization: str = Header()) -> dict:
    """The claims of the bearer token."""
    try:
        claims = tokens.decode(
            authorization.removeprefix("Bearer "),
            keys,
            claims_options={
                "iss": {"essential": True, "value": os.environ["NAIVE_ISSUER"]},
                "aud": {"essential": True, "value": os.environ["NAIVE_AUDIENCE"]},
            },
        )
        claims.validate()
    except Exception as error:
        raise HTTPException(401) from error
    return claims


@app.get("/v1/orders/{order_id}")
@limiter.limit("100000000/minute")
async def get_order(request: Request, order_id: str, claims: dict = Depends(caller)) -> Order:
    """One order, from upstream."""
    answer = await client.get(f"{UPSTREAM}/v1/orders/{order_id}", headers={"Authorization": f"Bearer {claims['sub']}"})
    if answer.status_code != 200:
        raise HTTPException(502)
    return Order(**answer.json())
