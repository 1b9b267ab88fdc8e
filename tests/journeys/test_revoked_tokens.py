"""A token that an operator has revoked: every tier, each with what it knows by itself, refuses it within 5 s."""

import asyncio

import httpx
import pytest

from sandbox.demo import access_token
from sandbox.landscape.landscape import Landscape
from shared.identity.signed_token import read_token
from tests.patience import HANG_S
from tests.revocation_asks import WITHIN_S, counted_asks, longest_until_known_s
from tests.running_tiers import Sales

pytestmark = pytest.mark.servers


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def token_of(landscape: Landscape, client_id: str, audience: str) -> str:
    async with httpx.AsyncClient(timeout=HANG_S) as client:
        answer = await client.post(
            f"{landscape.url('issuer')}/token",
            data={"grant_type": "client_credentials", "audience": audience, "tenant": "nordwind"},
            auth=(client_id, landscape.secret(client_id)),
        )
    return str(answer.json()["access_token"])


async def test_a_revoked_token_is_refused_by_every_tier(sales: Sales) -> None:
    assert longest_until_known_s() < WITHIN_S
    operator = await asyncio.to_thread(access_token, sales.landscape, "integration-operator", "quoteway-process")
    doors = {
        "quoteway-experience": (sales.client, "salesforce-lightning", "/v1/orders/ord_none"),
        "quoteway-process": (sales.process_client, "experience-api", "/v1/orders/ord_none"),
        "quoteway-system": (sales.system_client, "process-api", "/v1/crm/accounts/001QW0000000001YAA"),
    }
    stolen = {name: await token_of(sales.landscape, client_id, name) for name, (_, client_id, _) in doors.items()}
    for name, (client, _, path) in doors.items():
        assert (await client.get(path, headers=bearer(stolen[name]))).status_code != 401

    for token in stolen.values():
        body = {"tokenId": read_token(token).claims["jti"], "reason": "It was found in a log."}
        answer = await sales.process_client.post("/v1/token-revocations", json=body, headers=bearer(operator))
        assert answer.status_code == 201, answer.text

    with counted_asks() as asks:
        await asks.by_all(len(doors))
    answers = {name: await client.get(path, headers=bearer(stolen[name])) for name, (client, _, path) in doors.items()}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(doors, 401)
    # Everyone else goes on.
    assert (await sales.client.get("/v1/orders/ord_none")).status_code == 404
