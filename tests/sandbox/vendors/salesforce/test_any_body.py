"""Whatever JSON a client sends, the org answers it or refuses it: it never breaks."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.vendors.salesforce.app import create_app
from sandbox.vendors.salesforce.settings import SalesforceSandboxSettings
from tests.sandbox.vendors.salesforce.conftest import API, INSTANCE_URL, SEED_DIR

ACME = "001QW0000000001YAA"
ENDPOINTS = [
    ("POST", "/sobjects/Account"),
    ("PATCH", f"/sobjects/Account/{ACME}"),
    ("PATCH", "/sobjects/Quoteway_Order__c/Order_Id__c/any"),
    ("POST", "/sobjects/Quoteway_Order_Status__e"),
    ("POST", "/composite"),
    ("POST", "/composite/batch"),
    ("POST", "/composite/tree/Account"),
    ("POST", "/composite/sobjects"),
    ("PATCH", "/composite/sobjects"),
    ("PATCH", "/composite/sobjects/Quoteway_Order__c/Order_Id__c"),
    ("POST", "/composite/sobjects/Account"),
]
# Names and values that mean something to the org, so that the bodies get past the first check.
WORDS = st.sampled_from(
    [
        *(
            "Name",
            "Order_Id__c",
            "Version__c",
            "Account__c",
            "IsActive",
            "Id",
            "id",
            "attributes",
            "type",
            "referenceId",
        ),
        *(
            "records",
            "compositeRequest",
            "batchRequests",
            "allOrNone",
            "method",
            "url",
            "body",
            "richInput",
            "httpHeaders",
        ),
        *("Opportunities", "Quotes", "Account", "Quoteway_Order__c", "ids", "fields", "GET", "POST", "a", "@{a.id}"),
        *(f"{API}/sobjects/Account", f"{API}/query?q=SELECT+Id+FROM+Account", f"{API}/composite", ACME, ""),
    ]
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | WORDS
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=5),
    max_leaves=15,
)
SUBREQUEST = st.fixed_dictionaries(
    {"method": st.sampled_from(["GET", "POST"]), "url": WORDS, "referenceId": st.sampled_from("ab")},
    optional={"body": JSON, "richInput": JSON, "httpHeaders": JSON},
)
RECORD = st.fixed_dictionaries(
    {"attributes": st.fixed_dictionaries({"type": WORDS, "referenceId": st.text(max_size=2)}) | JSON},
    optional=dict.fromkeys(("Id", "Order_Id__c", "Name", "Opportunities", "Version__c", "Account__c"), JSON),
)
LISTS = {"compositeRequest": SUBREQUEST, "batchRequests": SUBREQUEST, "records": RECORD}
BODIES = JSON | st.fixed_dictionaries(
    {name: st.lists(one, max_size=3) | JSON for name, one in LISTS.items()}, optional={"allOrNone": JSON}
)


class _Caller:
    """Calls the application in an event loop of its own, and raises what it raises instead of answering 500."""

    def __init__(self, credentials_file: Path) -> None:
        settings = SalesforceSandboxSettings(INSTANCE_URL, SEED_DIR, credentials_file, requests_per_second_max=10**6)
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(create_app(settings)), base_url=INSTANCE_URL)
        self._runner = asyncio.Runner()
        form = {"grant_type": "client_credentials", "client_id": "the-client", "client_secret": "the-secret"}
        login = self._runner.run(self._http.post("/services/oauth2/token", data=form))
        self._http.headers["Authorization"] = f"Bearer {login.json()['access_token']}"

    def call(self, method: str, path: str, body: Any) -> httpx.Response:
        return self._runner.run(self._http.request(method, f"{API}{path}", json=body))

    def close(self) -> None:
        self._runner.run(self._http.aclose())
        self._runner.close()


@pytest.fixture(scope="module")
def caller(credentials_file: Path) -> Iterator[_Caller]:
    caller = _Caller(credentials_file)
    yield caller
    caller.close()


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(endpoint=st.sampled_from(ENDPOINTS), body=BODIES)
def test_every_body_is_answered(caller: _Caller, endpoint: tuple[str, str], body: Any) -> None:
    answer = caller.call(*endpoint, body)
    assert answer.status_code < 500
    if answer.status_code >= 400 and "tree" not in endpoint[1]:
        assert answer.json()[0]["errorCode"]
