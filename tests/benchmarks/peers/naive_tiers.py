"""The account overview through three tiers, built naively: FastAPI, slowapi, Authlib and httpx in each, one call after
the other. NAIVE_TIER says which tier this process is; each checks the caller's token again.
"""

import os

import httpx
from authlib.jose import JsonWebToken
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from slowapi import Limiter
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address

TIER = os.environ["NAIVE_TIER"]
INNER = os.environ.get("NAIVE_UPSTREAM", "")
SALESFORCE, ERP, BILLING = (os.environ.get(f"NAIVE_{name}", "") for name in ("SALESFORCE", "ERP", "BILLING"))
limiter = Limiter(key_func=get_remote_address, storage_uri=os.environ["NAIVE_REDIS_URL"])
client = httpx.AsyncClient(timeout=15)
keys = httpx.get(os.environ["NAIVE_JWKS_URL"]).json()
tokens = JsonWebToken(["RS256"])
app = FastAPI()
app.state.limiter = limiter
LIMIT = "100000000/minute"


@app.exception_handler(RateLimitExceeded)
async def refuse(request: Request, error: Exception) -> Response:
    """Too many requests."""
    return Response(status_code=429)


async def caller(authorization: str = Header()) -> str:
    """The bearer token, once it is checked."""
    try:
        claims = tokens.decode(authorization.removeprefix("Bearer "), keys)
        claims.validate()
    except Exception as error:
        raise HTTPException(401) from error
    return authorization


async def ask(url: str, authorization: str, **params: str) -> dict:
    """What another server answers."""
    answer = await client.get(url, params=params, headers={"Authorization": authorization})
    if answer.status_code >= 500:
        raise HTTPException(502)
    return answer.json() if answer.content else {}


if TIER == "experience":

    @app.get("/v1/accounts/{account_id}/overview")
    @limiter.limit(LIMIT)
    async def overview(request: Request, account_id: str, authorization: str = Depends(caller)) -> dict:
        """The overview as Salesforce sees it."""
        inner = await ask(f"{INNER}/v1/accounts/{account_id}/overview", authorization)
        return {"accountId": account_id, **inner, "warnings": []}


if TIER == "process":

    @app.get("/v1/accounts/{account_id}/overview")
    @limiter.limit(LIMIT)
    async def overview(request: Request, account_id: str, authorization: str = Depends(caller)) -> dict:
        """One part after the other."""
        parts = {}
        for part in ("account", "credit", "erp-invoices", "billing-invoices", "subscriptions"):
            parts[part] = await ask(f"{INNER}/v1/accounts/{account_id}/{part}", authorization)
        return parts


if TIER == "system":
    # The vendors' calls that Quoteway's own adapters make for one overview: one, three and four of them.
    CALLS = {
        "account": [(SALESFORCE, "/services/data/v67.0/query")],
        "credit": [(ERP, "/tryton/rest/model/party.party")],
        "erp-invoices": [(ERP, "/tryton/rest/model/party.party"), (ERP, "/tryton/rest/model/account.invoice")],
        "billing-invoices": [(BILLING, "/v1/customers/search"), (BILLING, "/v1/customers")],
        "subscriptions": [(BILLING, "/v1/customers/search"), (BILLING, "/v1/customers")],
    }

    @app.get("/v1/accounts/{account_id}/{part}")
    @limiter.limit(LIMIT)
    async def read(request: Request, account_id: str, part: str, authorization: str = Depends(caller)) -> dict:
        """One part, from its vendor."""
        answers = [await ask(base + path, "Bearer vendor", q=account_id) for base, path in CALLS[part]]
        return {"answers": len(answers), "last": answers[-1]}
