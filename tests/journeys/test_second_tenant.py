"""A second tenant, whose org has one currency and no picklists: it orders, and the two tenants' books do not meet."""

import json
import uuid
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
import pytest_asyncio

from sandbox.demo import access_token
from sandbox.landscape.landscape import Landscape
from sandbox.vendors.tryton.rest import RestClient
from tests.journeys.org import Line
from tests.running_tiers import TIER_SETTINGS, Sales, running_tiers

pytestmark = pytest.mark.servers

ALPINA, QUOTE = "001SW0000000001", "0Q0SW0000000001"


@pytest.fixture(scope="module")
def two_tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landscape]:
    landscape = Landscape(tmp_path_factory.mktemp("two"), second_tenant=True, tier_settings=TIER_SETTINGS)
    try:
        landscape.start_vendors()
        yield landscape
    finally:
        landscape.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def nordwind(two_tenants: Landscape) -> AsyncIterator[Sales]:
    async with running_tiers(two_tenants) as sales:
        yield sales


@pytest.fixture
def suedwind(nordwind: Sales) -> dict[str, str]:
    """What the second tenant's requests carry."""
    token = access_token(nordwind.landscape, "suedwind-lightning", "quoteway-experience")
    return {"Authorization": f"Bearer {token}"}


def books(landscape: Landscape, tenant: str) -> RestClient:
    """The ERP as one tenant's own user sees it, whatever company it is in."""
    access = {"nordwind": landscape.erp, "suedwind": landscape.second_erp}[tenant]
    company = next(iter(access.companies.values()))
    return RestClient(landscape.erp_server.url, landscape.erp_server.database, access.rest_key, company)


def crm_orders(landscape: Landscape, org: str, credentials: str) -> list[dict[str, Any]]:
    """Every order that one of the orgs shows its sellers."""
    known = json.loads((landscape.run_dir / credentials).read_text())
    base = landscape.url(org)
    login = {key: known[key] for key in ("client_id", "client_secret")}
    token = httpx.post(f"{base}/services/oauth2/token", data={"grant_type": "client_credentials", **login}).json()
    answer = httpx.get(
        f"{base}/services/data/v67.0/query",
        params={"q": "SELECT Order_Id__c, Status__c, Order_Total__c, Account__c FROM Quoteway_Order__c"},
        headers={"Authorization": f"Bearer {token['access_token']}"},
    )
    found: list[dict[str, Any]] = answer.raise_for_status().json()["records"]
    return found


async def submit_and_end(sales: Sales, headers: dict[str, str], quote_id: str) -> dict[str, Any]:
    """Submit a quote in a tenant's name and wait for the order's end."""
    before = dict(sales.client.headers)
    sales.client.headers.update(headers)
    try:
        answer = await sales.client.post(
            "/v1/orders", json={"quoteId": quote_id, "quoteRevision": 1}, headers={"Idempotency-Key": uuid.uuid4().hex}
        )
        assert answer.status_code == 202, answer.text
        return await sales.ended(answer.json()["orderId"])
    finally:
        sales.client.headers.clear()
        sales.client.headers.update(before)


async def test_each_tenant_books_in_its_own_company_and_org(nordwind: Sales, suedwind: dict[str, str]) -> None:
    landscape = nordwind.landscape

    theirs = await submit_and_end(nordwind, suedwind, QUOTE)
    ours = await nordwind.submit_and_end(
        nordwind.org.make_quote("acme", "EUR", [Line("SENSOR-TEMP", "1", "89.50"), Line("MON-STD", "1", "4.90")])
    )

    assert theirs["status"] == "booked", json.dumps(theirs, indent=1)
    assert ours["status"] == "booked", json.dumps(ours, indent=1)
    fields = ["reference", "untaxed_amount", "company.party.code"]
    (sale,) = books(landscape, "suedwind").search("sale.sale", [], fields)
    assert (sale["untaxed_amount"], sale["company"]["party"]["code"]) == (Decimal("358.00"), "SW-DE")
    seen = books(landscape, "nordwind").search("sale.sale", [], fields)
    assert {each["company"]["party"]["code"] for each in seen} == {"NW-DE"}
    assert sale["reference"] not in {each["reference"] for each in seen}
    (order,) = crm_orders(landscape, "suedwind", "suedwind.json")
    assert (order["Order_Id__c"], order["Status__c"], order["Order_Total__c"]) == (theirs["orderId"], "booked", 426.02)
    assert [each["Order_Id__c"] for each in crm_orders(landscape, "salesforce", "salesforce.json")] == [ours["orderId"]]


def test_one_tenants_billing_account_knows_nothing_of_the_others(nordwind: Sales) -> None:
    landscape = nordwind.landscape
    keys = [(landscape.run_dir / name).read_text().strip() for name in ("stripe.key", "suedwind-stripe.key")]

    own = httpx.get(f"{landscape.url('stripe')}/v1/subscriptions", auth=(keys[0], "")).json()["data"]
    others = httpx.get(f"{landscape.url('suedwind-stripe')}/v1/subscriptions", auth=(keys[1], "")).json()["data"]
    crossed = httpx.get(f"{landscape.url('stripe')}/v1/subscriptions", auth=(keys[1], ""))

    assert len(own) == 1
    assert others == []
    assert crossed.status_code == 401


def test_one_tenants_erp_user_does_not_see_the_others_sales(nordwind: Sales) -> None:
    """Whichever company it says it works in."""
    landscape = nordwind.landscape
    ours = landscape.erp.companies["NW-DE"]
    url, database = landscape.erp_server.url, landscape.erp_server.database
    (sale, *_) = books(landscape, "nordwind").search("sale.sale", [], ["id"])

    for company in (None, ours, landscape.second_erp.companies["SW-DE"]):
        theirs = RestClient(url, database, landscape.second_erp.rest_key, company)
        answer = theirs.send("GET", "sale.sale", [("f", "company.id")])
        seen = {each["company"]["id"] for each in answer.value} if answer.status == 200 else set()
        assert ours not in seen
        assert theirs.send("GET", f"sale.sale/{sale['id']}").status != 200
