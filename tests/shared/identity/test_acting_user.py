"""The acting user: from the access token in the outer tier, from the transaction token only behind it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Request, get

from shared.identity.acting_user import act_for_handed_user, act_for_token_user, publish_keys
from shared.identity.auth import Authenticator, Principal
from shared.identity.principal import ActingUser
from shared.identity.transaction_token import HEADER, JWKS_PATH, TransactionTokenSigner, TransactionTokenVerifier
from shared.inbound.service import create_service
from shared.inbound.tier import Policies, Published, Tier
from shared.operations.chain import Middleware
from shared.operations.operation import operation
from tests.app_lifespan import asgi_transport, running_app
from tests.shared.tokens import AUDIENCE, METADATA_URL, StandInIssuer, claims, rsa_key, sign
from tests.shared.transaction_tokens import ADA, DESK, Publisher

KEY = rsa_key()
READ = operation(owner="tests", capability="orders", scopes=["orders:read"])
WRITE = operation(owner="tests", capability="orders", scopes=["orders:write"])


@get("/v1/acting", operation_id="getActing", opt=READ, sync_to_thread=False)
def get_acting(request: Request[Principal, Any, Any]) -> dict[str, str]:
    """On whose behalf."""
    user: ActingUser | None = request.state.acting_user
    through = {"for": request.user.for_client} if request.user.for_client else {}
    return through if user is None else {**through, "user": user.user_id, "client": user.client_id}


@get("/v1/writing", operation_id="getWriting", opt=WRITE, sync_to_thread=False)
def get_writing() -> None:
    """Something that Ada's own token does not allow."""


async def client_of(acting_user: Middleware, publisher: Publisher) -> AsyncIterator[httpx.AsyncClient]:
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport())
    tier = Tier(
        name="tests",
        published=Published(title="Tests", version="1.0.0", description="A service for tests."),
        authenticator=authenticator,
        policies=Policies(acting_user=acting_user),
    )
    app = create_service(tier, [get_acting, get_writing, publish_keys(publisher.keys)], state={})
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://service.test") as client,
    ):
        yield client


@pytest.fixture
async def outer(publisher: Publisher) -> AsyncIterator[httpx.AsyncClient]:
    """A tier where users come in."""
    async for client in client_of(act_for_token_user, publisher):
        yield client


@pytest.fixture
async def inner(verifier: TransactionTokenVerifier, publisher: Publisher) -> AsyncIterator[httpx.AsyncClient]:
    """A tier behind it."""
    async for client in client_of(act_for_handed_user(verifier), publisher):
        yield client


def bearer(**changes: Any) -> dict[str, str]:
    content = claims(client_id="experience-api", **changes)
    return {"Authorization": f"Bearer {sign(KEY, content)}"}


async def test_outer_tier_takes_the_user_from_the_access_token(
    outer: httpx.AsyncClient, signer: TransactionTokenSigner
) -> None:
    user = {"user": ADA.user_id, "client": "experience-api"}
    assert (await outer.get("/v1/acting", headers=bearer(salesforce_user=ADA.user_id))).json() == user
    # A caller's statements beside its token are ignored.
    claimed = {HEADER: signer.sign(ADA), "X-User-Id": ADA.user_id}
    assert (await outer.get("/v1/acting", headers={**bearer(), **claimed})).json() == {}


async def test_inner_tier_takes_the_user_from_the_transaction_token_only(
    inner: httpx.AsyncClient, signer: TransactionTokenSigner
) -> None:
    handed = await inner.get("/v1/acting", headers={**bearer(), HEADER: signer.sign(ADA)})
    service = await inner.get("/v1/acting", headers={**bearer(), "X-User-Id": ADA.user_id})

    assert handed.json() == {
        "user": ADA.user_id,
        "client": "salesforce-lightning",
        "for": "salesforce-lightning",
    }
    assert service.json() == {}


async def test_inner_tier_knows_a_service_by_its_outer_client(
    inner: httpx.AsyncClient, signer: TransactionTokenSigner
) -> None:
    handed = await inner.get("/v1/acting", headers={**bearer(), HEADER: signer.sign(DESK)})

    assert handed.json() == {"for": "us-desk"}


async def test_users_access_token_is_refused_as_a_services(inner: httpx.AsyncClient) -> None:
    answer = await inner.get("/v1/acting", headers=bearer(salesforce_user=ADA.user_id))

    assert answer.status_code == 401


async def test_invalid_transaction_token_is_refused_and_not_ignored(
    inner: httpx.AsyncClient, signer: TransactionTokenSigner
) -> None:
    good = signer.sign(ADA)
    answers = [
        await inner.get("/v1/acting", headers={**bearer(), HEADER: bad}) for bad in ("", "x", good[:-2], f"{good}, x")
    ]
    answers.append(await inner.get("/v1/acting", headers={**bearer(tenant="another"), HEADER: good}))
    twice = await inner.get("/v1/acting", headers=[*bearer().items(), (HEADER, good), (HEADER, good)])

    assert twice.status_code == 400
    for answer in answers:
        assert answer.status_code == 401
        assert answer.json()["type"] == "urn:quoteway:problem:unauthenticated"


async def test_user_is_limited_to_the_scopes_of_its_own_token(
    inner: httpx.AsyncClient, signer: TransactionTokenSigner
) -> None:
    assert (await inner.get("/v1/writing", headers=bearer())).status_code == 200

    answer = await inner.get("/v1/writing", headers={**bearer(), HEADER: signer.sign(ADA)})

    assert answer.status_code == 403


async def test_without_verification_keys_no_user_is_accepted(
    publisher: Publisher, signer: TransactionTokenSigner
) -> None:
    async for client in client_of(act_for_handed_user(None), publisher):
        answer = await client.get("/v1/acting", headers={**bearer(), HEADER: signer.sign(ADA)})

    assert answer.status_code == 401


async def test_published_keys_contain_no_private_parts(outer: httpx.AsyncClient, publisher: Publisher) -> None:
    answer = await outer.get(JWKS_PATH)

    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert answer.json() == publisher.keys.published()
    assert len(answer.json()["keys"]) == 2
    assert not any("d" in key for key in answer.json()["keys"])
