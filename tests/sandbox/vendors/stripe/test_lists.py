"""Pagination, filters and expansion."""

from __future__ import annotations

import httpx
import pytest
import stripe

from tests.sandbox.vendors.stripe.conftest import NewCustomer


@pytest.fixture(scope="module")
def twelve(client: stripe.StripeClient) -> list[str]:
    """Twelve prices of one product, newest first."""
    product = client.v1.products.create({"id": "TWELVE", "name": "twelve"})
    made = [
        client.v1.prices.create({"product": product.id, "currency": "eur", "unit_amount": amount}).id
        for amount in range(12)
    ]
    return made[::-1]


def test_newest_first_ten_at_a_time(client: stripe.StripeClient, twelve: list[str]) -> None:
    page = client.v1.prices.list({"product": "TWELVE"})
    assert [price.id for price in page.data] == twelve[:10]
    assert (page.has_more, page.url) == (True, "/v1/prices")
    rest = client.v1.prices.list({"product": "TWELVE", "starting_after": twelve[9]})
    assert ([price.id for price in rest.data], rest.has_more) == (twelve[10:], False)
    back = client.v1.prices.list({"product": "TWELVE", "ending_before": twelve[10], "limit": 3})
    assert ([price.id for price in back.data], back.has_more) == (twelve[7:10], True)
    assert client.v1.prices.list({"product": "TWELVE", "limit": 12}).has_more is False
    exactly = client.v1.prices.list({"product": "TWELVE", "starting_after": twelve[1], "limit": 10})
    assert (len(exactly.data), exactly.has_more) == (10, False)


def test_the_sdk_pages_by_itself_both_ways(client: stripe.StripeClient, twelve: list[str]) -> None:
    forward = client.v1.prices.list({"product": "TWELVE", "limit": 5}).auto_paging_iter()
    assert [price.id for price in forward] == twelve
    backward = client.v1.prices.list({"product": "TWELVE", "limit": 5, "ending_before": twelve[-1]}).auto_paging_iter()
    assert [price.id for price in backward] == twelve[-2::-1]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"limit": "0"}, "greater than or equal to 1"),
        ({"limit": "101"}, "less than or equal to 100"),
        ({"limit": "ten"}, "Invalid integer"),
        ({"starting_after": "price_a", "ending_before": "price_b"}, "only specify one"),
        ({"starting_after": "price_none"}, "No such price"),
        ({"sort": "asc"}, "unknown parameter"),
    ],
)
def test_wrong_cursors_are_refused(http: httpx.Client, params: dict[str, str], words: str) -> None:
    answer = http.get("/v1/prices", params=params)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_created_takes_a_moment_or_bounds(client: stripe.StripeClient, http: httpx.Client) -> None:
    made = client.v1.customers.create({"email": "created@filter.example"})

    def found(**params: str | int) -> list[str]:
        answer = http.get("/v1/customers", params={"email": "created@filter.example", **params}).raise_for_status()
        return [customer["id"] for customer in answer.json()["data"]]

    assert found(created=made.created) == [made.id]
    assert found(**{"created[gte]": made.created, "created[lt]": made.created + 1}) == [made.id]
    assert found(**{"created[gt]": made.created}) == []


def test_objects_on_a_test_clock_are_left_out_of_lists_of_everything(
    client: stripe.StripeClient, new_customer: NewCustomer
) -> None:
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": 1_748_736_000})
    customer = new_customer(test_clock=clock.id, email="on@a-clock.example")
    assert client.v1.customers.list({"email": "on@a-clock.example"}).data == []
    listed = client.v1.customers.list({"email": "on@a-clock.example", "test_clock": clock.id})
    assert [found.id for found in listed.data] == [customer.id]


def test_expand_reaches_four_levels_and_no_further(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price, http: httpx.Client
) -> None:
    customer = new_customer()
    made = client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": monthly.id}]})
    listed = client.v1.subscriptions.list(
        {
            "customer": customer.id,
            "expand": ["data.customer.invoice_settings.default_payment_method", "data.latest_invoice.lines"],
        }
    ).data[0]
    assert isinstance(listed.customer, stripe.Customer)
    assert listed.customer.invoice_settings is not None
    assert isinstance(listed.customer.invoice_settings.default_payment_method, stripe.PaymentMethod)
    assert isinstance(listed.latest_invoice, stripe.Invoice)
    expanded = client.v1.customers.retrieve(customer.id, {"expand": ["subscriptions.data.latest_invoice"]})
    assert expanded.subscriptions is not None
    assert [subscription.id for subscription in expanded.subscriptions.data] == [made.id]
    for path, words in (
        ("status", "cannot be expanded"),
        ("nothing", "cannot be expanded"),
        ("latest_invoice.customer.nothing", "cannot be expanded"),
        ("latest_invoice.subscription.latest_invoice.subscription.customer", "more than 4 levels"),
    ):
        answer = http.get(f"/v1/subscriptions/{made.id}", params={"expand[]": path})
        assert answer.status_code == 400
        assert words in answer.json()["error"]["message"]


def test_a_write_with_a_wrong_expand_leaves_nothing(http: httpx.Client) -> None:
    answer = http.post("/v1/customers", data={"email": "wrong@expand.example", "expand[]": "nothing"})
    assert answer.status_code == 400
    assert http.get("/v1/customers", params={"email": "wrong@expand.example"}).json()["data"] == []
