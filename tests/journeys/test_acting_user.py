"""On whose behalf: a Salesforce user's order is that user's in the process tier's records, through real tokens."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text

from process_api.database.store import sqlalchemy_url
from sandbox.demo import access_token
from sandbox.issuer.user_token import user_token
from shared.identity.transaction_token import HEADER
from tests.journeys.org import Line
from tests.patience import HANG_S
from tests.running_tiers import Sales

pytestmark = pytest.mark.servers

ADA = "005QW0000000001YAA"
HARDWARE = [Line("SENSOR-TEMP", "2", "89.50")]


async def submitted(sales: Sales, token: str, **headers: str) -> dict[str, Any]:
    """The flow that a submission with this token started, as the database has it."""
    quote_id = sales.org.make_quote("acme", "EUR", HARDWARE)
    answer = await sales.client.post(
        "/v1/orders",
        json={"quoteId": quote_id, "quoteRevision": 1},
        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": uuid.uuid4().hex, **headers},
    )
    assert answer.status_code == 202, answer.text
    order_id = answer.json()["orderId"]
    await sales.ended(order_id)
    engine = create_engine(sqlalchemy_url(sales.landscape.postgres.url(sales.landscape.database)))
    with engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM quoteway.flows WHERE subject = :order"), {"order": order_id}).one()
    engine.dispose()
    return dict(row._mapping)


async def token_of_ada(sales: Sales) -> str:
    return await asyncio.to_thread(
        user_token, sales.landscape.url("issuer"), sales.landscape.run_dir / "issuer", "005QW0000000001"
    )


async def test_a_users_order_is_the_users_all_the_way_in(sales: Sales) -> None:
    flow = await submitted(sales, await token_of_ada(sales))

    assert flow["requested_by"] == ADA
    assert flow["authority"] == {
        "client": "salesforce-lightning",
        "through": "experience-api",
        "scopes": ["accounts:read", "orders:read", "orders:write", "quotes:read"],
        "user": ADA,
        "transaction": flow["authority"]["transaction"],
    }


async def test_a_services_order_is_the_services_whatever_it_says_of_a_user(sales: Sales) -> None:
    service = await asyncio.to_thread(access_token, sales.landscape, "salesforce-lightning", "quoteway-experience")

    flow = await submitted(sales, service, **{"X-User-Id": ADA, HEADER: await token_of_ada(sales)})

    assert flow["requested_by"] == "experience-api"
    assert (flow["authority"]["user"], flow["authority"]["client"]) == (None, "salesforce-lightning")


async def test_what_the_process_tier_is_told_past_the_experience_tier_is_refused(sales: Sales) -> None:
    """With the experience API's own access token in hand, a user still cannot be made up."""
    landscape = sales.landscape
    async with httpx.AsyncClient(timeout=HANG_S) as client:
        answer = await client.post(
            f"{landscape.url('issuer')}/token",
            data={"grant_type": "client_credentials", "audience": "quoteway-process", "tenant": "nordwind"},
            auth=("experience-api", landscape.secret("experience-api")),
        )
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}", HEADER: await token_of_ada(sales)}

    refused = await sales.process_client.get("/v1/orders/ord_none", headers=headers)

    assert refused.status_code == 401
