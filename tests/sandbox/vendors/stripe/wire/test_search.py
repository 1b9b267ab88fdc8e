"""Search by metadata and other fields, with pages and with a lag."""

from __future__ import annotations

import httpx
import pytest
import stripe

from tests.sandbox.vendors.stripe.conftest import NewCustomer
from tests.sandbox.vendors.stripe.running_sandbox import UNLIMITED, running_sandbox, sdk


def test_a_subscription_is_found_by_its_metadata(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    made = client.v1.subscriptions.create(
        {
            "customer": new_customer().id,
            "items": [{"price": monthly.id}],
            "metadata": {"operation_id": 'o\'brien "7"'},
            "expand": ["latest_invoice"],
        }
    )
    query = "metadata['operation_id']:'o\\'brien \"7\"' AND status:'active'"
    found = client.v1.subscriptions.search({"query": query, "expand": ["data.customer"]})
    assert [subscription.id for subscription in found.data] == [made.id]
    assert isinstance(found.data[0].customer, stripe.Customer)
    assert client.v1.subscriptions.search({"query": query.replace("active", "canceled")}).data == []
    by_invoice = client.v1.invoices.search({"query": f'subscription:"{made.id}" total>489 total<=490'})
    assert [invoice.id for invoice in by_invoice.data] == [made.latest_invoice.id]  # type: ignore[union-attr] # expanded
    client.v1.subscriptions.cancel(made.id)
    assert len(client.v1.subscriptions.search({"query": query.replace("active", "canceled")}).data) == 1


@pytest.fixture(scope="module")
def three(client: stripe.StripeClient) -> dict[str, str]:
    """Three customers of one group, by name."""
    return {
        name: client.v1.customers.create({"name": name, "metadata": {"group": "three", "n": str(n)}}).id
        for n, name in enumerate(("Alpha Cold", "Beta cold", "Gamma"))
    }


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("metadata['group']:'three'", {"Alpha Cold", "Beta cold", "Gamma"}),
        ("metadata['group']:'three' -name:'Gamma'", {"Alpha Cold", "Beta cold"}),
        ("metadata['group']:'three' and name~\"COLD\"", {"Alpha Cold", "Beta cold"}),
        ("metadata['n']:'0' OR metadata['n']:'2'", {"Alpha Cold", "Gamma"}),
        ("metadata['group']:'three' AND -metadata['n']:null AND email:null", {"Alpha Cold", "Beta cold", "Gamma"}),
        ("metadata['group']:'three' AND created>0 AND created<99999999999", {"Alpha Cold", "Beta cold", "Gamma"}),
        ("metadata['group']:'thre'", set()),
    ],
)
def test_the_query_language(client: stripe.StripeClient, three: dict[str, str], query: str, names: set[str]) -> None:
    found = client.v1.customers.search({"query": query})
    assert {customer.id for customer in found.data} == {three[name] for name in names}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "empty string"),
        ("name", "unable to parse"),
        ("name:'a", "unable to parse"),
        ("colour:'red'", "not a searchable field"),
        ("metadata:'red'", "not a searchable field"),
        ("name:'a' AND name:'b' OR name:'c'", "AND and OR"),
        ("name~'ab'", "three characters"),
        ("name>'a'", "not supported"),
        ("created:'soon'", "compared with a number"),
        (" ".join(f"name:'{n}'" for n in range(11)), "up to 10 clauses"),
    ],
)
def test_a_query_that_can_not_be_read_is_refused(http: httpx.Client, query: str, words: str) -> None:
    answer = http.get("/v1/customers/search", params={"query": query})
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_pages_have_tokens(client: stripe.StripeClient, three: dict[str, str], http: httpx.Client) -> None:
    query = "metadata['group']:'three'"
    first = client.v1.customers.search({"query": query, "limit": 2, "expand": ["total_count"]})
    assert (len(first.data), first.has_more, first.to_dict()["total_count"]) == (2, True, 3)
    second = client.v1.customers.search({"query": query, "limit": 2, "page": first.next_page})
    assert (len(second.data), second.has_more, second.to_dict()["next_page"]) == (1, False, None)
    assert {c.id for c in client.v1.customers.search({"query": query, "limit": 1}).auto_paging_iter()} == set(
        three.values()
    )
    for page in ("nonsense", first.next_page):
        wrong = http.get("/v1/customers/search", params={"query": "name:'other'", "page": page})
        assert wrong.status_code == 400


def test_prices_and_products_are_searchable(client: stripe.StripeClient) -> None:
    product = client.v1.products.search({"query": "metadata['sku']:'MON-STD' AND active:'true'"}).data[0]
    assert product.id == "MON-STD"
    keys = {p.lookup_key for p in client.v1.prices.search({"query": "product:'MON-STD' AND currency:'eur'"}).data}
    assert "MON-STD-EUR-month" in keys


def test_the_index_may_trail_the_writes() -> None:
    with running_sandbox("--search-lag-s", "30", *UNLIMITED) as lagging, sdk(lagging.url) as client:
        made = client.v1.customers.create({"metadata": {"k": "v"}})
        query = "metadata['k']:'v'"
        assert client.v1.customers.search({"query": query}).data == []
        assert [c.id for c in client.v1.customers.list().data] == [made.id], "lists are consistent at once"
        with lagging.http() as http:
            http.post("/_sandbox/clock", json={"advance_s": 31}).raise_for_status()
        assert [c.id for c in client.v1.customers.search({"query": query}).data] == [made.id]
