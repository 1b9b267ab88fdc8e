"""Idempotency keys: kept answers, refused reuse, requests in flight."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import stripe

from tests.sandbox.vendors.stripe.conftest import NewCustomer
from tests.sandbox.vendors.stripe.running_sandbox import UNLIMITED, RunningSandbox, running_sandbox, sdk


def test_the_same_request_gets_the_same_bytes(http: httpx.Client, sandbox: RunningSandbox) -> None:
    body = {"name": "once", "metadata[a]": "b"}
    first = http.post("/v1/customers", data=body, headers={"Idempotency-Key": "same-bytes"})
    again = http.post("/v1/customers", data=dict(reversed(body.items())), headers={"Idempotency-Key": "same-bytes"})
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["original-request"] == first.headers["request-id"] != again.headers["request-id"]
    assert again.headers["idempotency-key"] == "same-bytes"
    entries = [entry for entry in sandbox.journal("customer") if entry["object_id"] == first.json()["id"]]
    assert [(entry["action"], entry["idempotency_key"]) for entry in entries] == [("created", "same-bytes")]


def test_other_parameters_or_another_endpoint_are_refused(client: stripe.StripeClient) -> None:
    client.v1.customers.create({"name": "a"}, {"idempotency_key": "reused"})
    with pytest.raises(stripe.IdempotencyError, match="same parameters") as refused:
        client.v1.customers.create({"name": "b"}, {"idempotency_key": "reused"})
    assert refused.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        client.v1.products.create({"name": "a"}, {"idempotency_key": "reused"})


def test_validation_keeps_nothing(http: httpx.Client) -> None:
    key = {"Idempotency-Key": "after-validation"}
    for wrong in ({"nmae": "x"}, {"balance": "much"}, {"payment_method": "pm_none"}):
        assert http.post("/v1/customers", data=wrong, headers=key).status_code == 400
    assert http.post("/v1/customers", data={"name": "right"}, headers=key).status_code == 200
    too_long = http.post("/v1/customers", data={}, headers={"Idempotency-Key": "x" * 256})
    assert too_long.status_code == 400
    assert "255" in too_long.json()["error"]["message"]
    assert http.post("/v1/customers", data={}, headers={"Idempotency-Key": "x" * 255}).status_code == 200


def test_a_refused_payment_is_kept(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price, http: httpx.Client
) -> None:
    customer = new_customer(card="pm_card_chargeDeclined")
    body = {"customer": customer.id, "items[0][price]": monthly.id, "payment_behavior": "error_if_incomplete"}
    key = {"Idempotency-Key": "declined-once"}
    first = http.post("/v1/subscriptions", data=body, headers=key)
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    client.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": card.id}})
    again = http.post("/v1/subscriptions", data=body, headers=key)
    assert (first.status_code, again.status_code) == (402, 402)
    assert again.headers["idempotent-replayed"] == "true"
    assert http.post("/v1/subscriptions", data=body, headers={"Idempotency-Key": "fresh"}).status_code == 200


def test_a_500_is_kept_and_a_503_is_not(http: httpx.Client) -> None:
    for status, expected in ((500, 500), (503, 200)):
        http.post("/_sandbox/refuse", json={"path": "/v1/customers", "status": status}).raise_for_status()
        key = {"Idempotency-Key": f"after-{status}"}
        assert http.post("/v1/customers", data={"name": "x"}, headers=key).status_code == status
        again = http.post("/v1/customers", data={"name": "x"}, headers=key)
        assert again.status_code == expected
        assert ("idempotent-replayed" in again.headers) == (expected == 500)


def test_reads_ignore_the_key(http: httpx.Client) -> None:
    key = {"Idempotency-Key": "on-a-get"}
    assert http.get("/v1/customers", params={"limit": 1}, headers=key).status_code == 200
    assert http.get("/v1/products", headers=key).status_code == 200


def test_two_at_once_make_one() -> None:
    with running_sandbox("--latency-s", "0.5", *UNLIMITED) as slow, slow.http() as http:

        def create(_: int) -> httpx.Response:
            return http.post("/v1/customers", data={"name": "race"}, headers={"Idempotency-Key": "race"})

        with ThreadPoolExecutor(2) as pool:
            answers = sorted(pool.map(create, range(2)), key=lambda answer: answer.status_code)
        assert [answer.status_code for answer in answers] == [200, 409]
        error = answers[1].json()["error"]
        assert (error["type"], error["code"]) == ("idempotency_error", "idempotency_key_in_use")
        assert answers[1].headers["stripe-should-retry"] == "true"
        assert create(0).content == answers[0].content
        assert len(slow.journal("customer")) == 1
        with sdk(slow.url, retries=2) as patient, ThreadPoolExecutor(2) as pool:
            made = pool.map(
                lambda _: patient.v1.customers.create({"name": "sdk"}, {"idempotency_key": "sdk-race"}), range(2)
            )
            assert len({customer.id for customer in made}) == 1, "the SDK waits and gets the kept answer"


def test_after_a_day_the_key_is_free_again() -> None:
    with running_sandbox(*UNLIMITED) as running, running.http() as http:

        def create() -> str:
            answer = http.post("/v1/customers", data={"name": "x"}, headers={"Idempotency-Key": "daily"})
            return str(answer.raise_for_status().json()["id"])

        first = create()
        http.post("/_sandbox/clock", json={"advance_s": 86_000}).raise_for_status()
        assert create() == first
        http.post("/_sandbox/clock", json={"advance_s": 1_000}).raise_for_status()
        assert create() != first
