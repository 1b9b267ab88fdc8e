"""Unknown query parameters are refused, so that typing errors show."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from litestar import get
from litestar.params import QueryParameter

from shared.identity.auth import Authenticator
from shared.inbound import query
from shared.inbound.query import check_query
from shared.inbound.service import create_service
from shared.inbound.tier import Published, Tier
from shared.operations.operation import operation
from shared.problem import InvalidRequest
from tests.app_lifespan import asgi_transport
from tests.shared.tokens import AUDIENCE, METADATA_URL, StandInIssuer, claims, rsa_key, sign


@get("/v1/offers", operation_id="listOffers", tags=["offers"],
     opt=operation(owner="desk", capability="offers", scopes=["offers:read"]))  # fmt: skip
async def list_offers(open_only: Annotated[bool, QueryParameter(name="openOnly", description="Open.")] = False) -> bool:
    """Whether only open offers were asked for."""
    return open_only


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    key = rsa_key()
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(key).transport())
    tier = Tier(
        name="offers",
        published=Published(title="Offers", version="1.0.0", description="Offers."),
        authenticator=authenticator,
    )
    app = create_service(tier, [list_offers], state={})
    headers = {"Authorization": f"Bearer {sign(key, claims(scope='offers:read'))}"}
    async with httpx.AsyncClient(transport=asgi_transport(app), base_url="http://tier.test", headers=headers) as client:
        yield client


async def test_a_known_parameter_is_taken(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/offers?openOnly=true")

    assert (answer.status_code, answer.json()) == (200, True)


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ("openonly=true", "query/openonly"),
        ("openOnly=true&limit=", "query/limit"),
        ("open_only=true", "query/open_only"),
        ("openOnly=true&openOnly=false", "query/openOnly"),
        ("open%4Fnly=true&openOnly=false", "query/openOnly"),
    ],
)
async def test_an_unknown_or_repeated_one_is_refused_with_its_name(
    client: httpx.AsyncClient, asked: str, pointer: str
) -> None:
    answer = await client.get(f"/v1/offers?{asked}")

    assert answer.status_code == 400
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_mutation_without_guard_a_misspelled_parameter_is_ignored(
    monkeypatch: pytest.MonkeyPatch, client: httpx.AsyncClient
) -> None:
    monkeypatch.setattr(query, "check_query", lambda *_: None)

    answer = await client.get("/v1/offers?openonly=true")

    assert (answer.status_code, answer.json()) == (200, False)


async def test_health_accepts_unknown_parameters(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/live?from=probe")).status_code == 200


def test_many_unknown_names_are_not_echoed_in_full() -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_query("&".join(f"p{number}" for number in range(500)), frozenset({"openOnly"}))

    assert len(refused.value.faults) == 20
