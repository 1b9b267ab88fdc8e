"""Vendor quotas: account, endpoint, search, invoices of a subscription, object locks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import stripe

from tests.sandbox.vendors.stripe.conftest import NewCustomer
from tests.sandbox.vendors.stripe.running_sandbox import UNLIMITED, running_sandbox, sdk


def _statuses(answers: list[httpx.Response]) -> tuple[int, int]:
    return sum(a.status_code == 200 for a in answers), sum(a.status_code == 429 for a in answers)


def test_the_account_and_each_endpoint_have_their_quota() -> None:
    quotas = ("--rate-limit", "8/minute", "--endpoint-rate-limit", "5/minute", "--search-rate-limit", "2/minute")
    with running_sandbox(*quotas) as running, running.http() as http:
        writes = [http.post("/v1/customers", headers={"Idempotency-Key": f"quota-{n}"}) for n in range(6)]
        assert _statuses(writes) == (5, 1)
        limited = writes[-1]
        assert limited.headers["stripe-rate-limited-reason"] == "endpoint-rate"
        assert limited.headers["stripe-should-retry"] == "false"
        assert limited.headers["request-id"].startswith("req_")
        assert "retry-after" not in limited.headers, "Stripe does not say when"
        error = limited.json()["error"]
        assert (error["type"], error["code"]) == ("invalid_request_error", "rate_limit")
        searches = [http.get("/v1/products/search", params={"query": "active:'true'"}) for _ in range(2)]
        searches.append(http.get("/v1/customers/search", params={"query": "name:'a'"}))
        assert _statuses(searches) == (2, 1), "all searches share one quota"
        reads = [http.get("/v1/products") for _ in range(2)]
        assert _statuses(reads) == (1, 1)
        assert reads[-1].headers["stripe-rate-limited-reason"] == "global-rate"
        assert len(running.journal("customer")) == 5
        with sdk(running.url) as client, pytest.raises(stripe.RateLimitError) as refused:
            client.v1.prices.list()
        assert refused.value.http_status == 429


def test_a_limited_request_does_not_use_its_key_up() -> None:
    with running_sandbox("--rate-limit", "1/second") as running, running.http() as http:
        assert http.get("/v1/products").status_code == 200
        key = {"Idempotency-Key": "limited"}
        assert http.post("/v1/customers", headers=key).status_code == 429
        with sdk(running.url) as client:
            while True:
                try:
                    made = client.v1.customers.create({}, {"idempotency_key": "limited"})
                    break
                except stripe.RateLimitError:
                    continue
        assert [entry["object_id"] for entry in running.journal("customer")] == [made.id]


def test_a_subscription_makes_ten_invoices_a_minute(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price
) -> None:
    made = client.v1.subscriptions.create({"customer": new_customer().id, "items": [{"price": monthly.id}]})
    for _ in range(10):
        client.v1.invoices.create({"customer": str(made.customer), "subscription": made.id})
    with pytest.raises(stripe.RateLimitError) as refused:
        client.v1.invoices.create({"customer": str(made.customer), "subscription": made.id})
    assert refused.value.headers is not None
    assert refused.value.headers["stripe-rate-limited-reason"] == "resource-specific"
    assert len(client.v1.invoices.list({"subscription": made.id, "limit": 100}).data) == 11


def test_writes_to_one_object_wait_for_each_other_and_not_for_ever() -> None:
    with running_sandbox("--latency-s", "0.5", "--lock-wait-s", "0.05", *UNLIMITED) as running, running.http() as http:
        with ThreadPoolExecutor(2) as pool:
            customers = list(pool.map(lambda _: http.post("/v1/customers").json()["id"], range(2)))

        def rename(customer: str) -> httpx.Response:
            return http.post(f"/v1/customers/{customer}", data={"name": "x"})

        with ThreadPoolExecutor(2) as pool:
            same = list(pool.map(rename, [customers[0]] * 2))
            different = list(pool.map(rename, customers))
        assert _statuses(same) == (1, 1)
        locked = next(answer for answer in same if answer.status_code == 429)
        assert locked.json()["error"]["code"] == "lock_timeout"
        assert "stripe-rate-limited-reason" not in locked.headers
        assert locked.headers["stripe-should-retry"] == "true"
        assert _statuses(different) == (2, 0)
