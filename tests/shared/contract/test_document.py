"""The contract document: our additions to an operation, and where it is served."""

from typing import Annotated, Any

import httpx
import msgspec
import pytest
from litestar import Litestar, Response, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from shared.contract.document import build_document
from shared.identity.auth import Authenticator
from shared.inbound.service import create_service
from shared.inbound.tier import Published, Refusals, Tier
from shared.moment import Moment
from shared.operations.operation import operation, policy_of, public
from tests.app_lifespan import asgi_transport
from tests.shared.tokens import AUDIENCE, METADATA_URL, StandInIssuer


class Part(msgspec.Struct, rename="camel"):
    """A part of an offer. `made_at` is when it was made; `not_there` is a value, and no field."""

    sku: str
    made_at: Moment = "2026-03-02T09:15:00.120Z"


class Offer(msgspec.Struct, rename="camel"):
    """An offer,

    in two paragraphs.
    """

    offer_id: str
    parts: list[Part]


@get("/v1/offers/{offerId:str}", operation_id="getOffer", tags=["offers"],
     opt=operation(owner="desk", capability="offers", scopes=["offers:read"]))  # fmt: skip
async def get_offer(offer_id: Annotated[str, PathParameter(name="offerId", description="The offer.")]) -> Offer:
    """Read an offer.

    All of it.
    """
    return Offer(offer_id, [])


@post("/v1/offers", operation_id="createOffer", tags=["offers"],
      opt=operation(owner="desk", capability="offers", scopes=["offers:write", "offers:read"], rate="write",
                    audit="financial"))  # fmt: skip
async def create_offer(data: JSONBody[Offer]) -> Response[Offer]:
    """Make an offer."""
    return Response(data)


def app(*, plain: bool = False) -> Litestar:
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer().transport())
    tier = Tier(
        name="offers",
        published=Published(
            title="Offers",
            version="1.2.3",
            description="Offers for tests.",
            tags={"offers": "Offers."},
        ),
        authenticator=authenticator,
        refusals=Refusals(plain=plain),
    )
    return create_service(tier, [get_offer, create_offer], state={})


def test_an_operation_says_its_policy_and_its_docstring() -> None:
    described = build_document(app())["paths"]["/v1/offers"]["post"]

    assert described["description"] == "Make an offer."
    assert described["security"] == [{"accessToken": ["offers:write", "offers:read"]}]
    assert {name: value for name, value in described.items() if name.startswith("x-quoteway")} == {
        "x-quoteway-owner": "desk",
        "x-quoteway-capability": "offers",
        "x-quoteway-scopes": ["offers:write", "offers:read"],
        "x-quoteway-rate-class": "write",
        "x-quoteway-rate-cost": 1,
        "x-quoteway-audit-class": "financial",
    }


def test_reads_and_writes_name_the_problems_they_can_answer() -> None:
    paths = build_document(app())["paths"]

    read = set(paths["/v1/offers/{offerId}"]["get"]["responses"])
    write = set(paths["/v1/offers"]["post"]["responses"])
    assert read == {"200", "304", "400", "401", "403", "404", "422", "429", "500", "503"}
    assert write == {"201", *(read - {"200", "304"}), "408", "409", "413", "504"}


@pytest.mark.parametrize("plain", [False, True])
def test_problems_are_described_in_the_media_types_that_the_tier_answers(*, plain: bool) -> None:
    document = build_document(app(plain=plain))
    shared = document["paths"]["/v1/offers/{offerId}"]["get"]["responses"]["404"]
    assert shared == {"$ref": "#/components/responses/NotFound"}
    answer = document["components"]["responses"]["NotFound"]

    assert set(answer["content"]) == {"application/json", "application/problem+json"}
    assert {content["schema"]["$ref"] for content in answer["content"].values()} == {"#/components/schemas/Problem"}


def test_types_carry_their_docstrings_without_indentation() -> None:
    schemas = build_document(app())["components"]["schemas"]

    assert schemas["Offer"]["description"] == "An offer,\n\nin two paragraphs."
    assert schemas["Part"]["description"].startswith("A part of an offer.")
    assert "\n    " not in schemas["Problem"]["description"]


def test_descriptions_call_fields_what_they_are_called_on_the_wire() -> None:
    schemas = build_document(app())["components"]["schemas"]

    assert "`madeAt` is when it was made; `not_there` is a value" in schemas["Part"]["description"]
    assert "`reasonCode` gives the reason" in schemas["Problem"]["description"]


@pytest.mark.parametrize(("plain", "version", "kept"), [(False, "v1", True), (True, "v1", False), (True, None, True)])
def test_times_have_their_format_but_where_orgs_have_registered_texts(
    *, plain: bool, version: str | None, kept: bool
) -> None:
    made_at = build_document(app(plain=plain), version)["components"]["schemas"]["Part"]["properties"]["madeAt"]

    assert made_at["type"] == "string"
    assert (made_at.get("format") == "date-time") is kept


def test_the_document_is_the_same_every_time_and_sorted() -> None:
    first, second = (msgspec.json.encode(build_document(app())) for _ in range(2))

    assert first == second
    assert list(build_document(app())["paths"]) == sorted(build_document(app())["paths"])


class Counted(msgspec.Struct):
    """A number that may be left out, and is never below zero."""

    left: Annotated[int, msgspec.Meta(ge=0, le=9)] | None = None


@get("/v1/counts", operation_id="count", tags=["offers"],
     opt=operation(owner="desk", capability="offers", scopes=["offers:read"]))  # fmt: skip
async def count(least: Annotated[int | None, QueryParameter(name="leastS", ge=0, required=False)] = None) -> Counted:
    """Count."""
    return Counted(least)


def test_a_bound_of_zero_is_said_of_what_may_be_left_out_too() -> None:
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer().transport())
    published = Published(title="Counts", version="1.0.0", description="Counts for tests.", tags={"offers": "Offers."})
    tier = Tier(name="counts", published=published, authenticator=authenticator)
    document = build_document(create_service(tier, [count], state={}))

    [parameter] = document["paths"]["/v1/counts"]["get"]["parameters"]
    assert (parameter["name"], parameter["schema"]["minimum"]) == ("leastS", 0)
    left = document["components"]["schemas"]["Counted"]["properties"]["left"]
    assert (left["minimum"], left["maximum"]) == (0, 9)


async def ask(path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=asgi_transport(app()), base_url="http://tier.test") as client:
        return await client.get(path)


async def test_the_document_is_served_to_everyone() -> None:
    expected: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(build_document(app())))

    for path in ("/openapi.json", "/docs/openapi.json"):
        assert (await ask(path)).json() == expected


async def test_the_page_and_all_it_needs_come_from_this_tier() -> None:
    page = await ask("/docs")

    assert page.headers["content-type"].startswith("text/html")
    assert "//" not in page.text.replace("<!doctype html>", "")
    for path in ("/docs/assets/swagger-ui.css", "/docs/assets/swagger-ui-bundle.js"):
        assert path in page.text
        assert len((await ask(path)).content) > 10_000


@pytest.mark.parametrize("name", ["missing.js", "..%2F__init__.py", "%2e%2e"])
async def test_no_other_file_is_served(name: str) -> None:
    # An ambiguous address is refused before the file is looked up (shared/inbound/request_head.py).
    assert (await ask(f"/docs/assets/{name}")).status_code == (404 if name == "missing.js" else 400)


def test_operation_without_policy_or_public_mark_is_an_error() -> None:
    policy = policy_of(operation(owner="desk", capability="offers", scopes=["a"]))

    assert policy is not None
    assert (policy.rate, policy.audit) == ("read", "access")
    assert policy_of(public()) is None
    with pytest.raises(KeyError):
        policy_of({})


async def test_each_version_has_a_document_of_its_own() -> None:
    one = (await ask("/openapi/v1.json")).json()

    assert set(one["paths"]) == {"/health/live", "/health/ready", "/v1/offers", "/v1/offers/{offerId}"}
    assert one == build_document(app(), "v1")
    for address in ("/openapi/v2.json", "/openapi/v1"):
        assert (await ask(address)).status_code == 404
    assert (await ask("/openapi/..%2Fopenapi.json")).status_code == 400


async def test_the_page_offers_every_version() -> None:
    page = (await ask("/docs")).text

    assert '{"name":"v1","url":"/openapi/v1.json"}' in page
    assert "swagger-ui-standalone-preset.js" in page


async def test_the_page_says_how_to_get_a_token() -> None:
    page = (await ask("/docs")).text

    assert "How to get a token" in page
    assert f"<code>{AUDIENCE}</code>" in page
    assert 'href="/.well-known/oauth-protected-resource"' in page
    assert "-m sandbox.token --as NAME --tier offers" in page
    assert "deprecated" not in page


async def test_there_is_no_further_form_of_a_document_that_the_tier_does_not_name() -> None:
    assert (await ask("/openapi/v1.salesforce.json")).status_code == 404
    assert (await ask("/openapi/v1..json")).status_code == 404
