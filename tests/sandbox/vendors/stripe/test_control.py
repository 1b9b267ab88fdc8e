"""The sandbox's own doors: journal, state, refusals on order; and what a request leaves behind."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import stripe

from tests.sandbox.vendors.stripe.conftest import NewCustomer
from tests.sandbox.vendors.stripe.running_sandbox import RunningSandbox


@pytest.fixture
def refuse(http: httpx.Client) -> Iterator[httpx.Client]:
    yield http
    http.delete("/_sandbox/refuse").raise_for_status()


def test_the_next_matching_writes_are_refused_and_leave_nothing(
    client: stripe.StripeClient,
    new_customer: NewCustomer,
    monthly: stripe.Price,
    refuse: httpx.Client,
    sandbox: RunningSandbox,
) -> None:
    customer = new_customer()
    before = len(sandbox.journal("subscription"))
    order = {
        "method": "POST",
        "path": "/v1/subscriptions",
        "times": 2,
        "status": 402,
        "code": "card_declined",
        "message": "Your card was declined.",
    }
    assert refuse.post("/_sandbox/refuse", json=order).json()["refusals"][0]["times"] == 2
    wanted: stripe.params.SubscriptionCreateParams = {"customer": customer.id, "items": [{"price": monthly.id}]}
    for _ in range(2):
        with pytest.raises(stripe.CardError) as refused:
            client.v1.subscriptions.create(wanted)
        assert (refused.value.http_status, refused.value.code) == (402, "card_declined")
    assert client.v1.customers.update(customer.id, {"name": "not refused"}).name == "not refused"
    assert len(sandbox.journal("subscription")) == before
    assert client.v1.subscriptions.create(wanted).status == "active"


def test_a_path_may_be_a_pattern_and_the_work_may_be_done_all_the_same(
    client: stripe.StripeClient, refuse: httpx.Client
) -> None:
    invoice = client.v1.invoices.create({"customer": client.v1.customers.create({}).id, "currency": "eur"})
    client.v1.invoice_items.create({"invoice": invoice.id, "amount": 5})
    order = {"path": "/v1/invoices/*/finalize", "status": 500, "executed": True}
    refuse.post("/_sandbox/refuse", json=order).raise_for_status()
    with pytest.raises(stripe.APIError):
        client.v1.invoices.finalize_invoice(invoice.id)
    assert client.v1.invoices.retrieve(invoice.id).status == "open"


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"path": "/v1/customers"}, "missing fields ['status']"),
        ({"path": "/v1/customers", "status": 200}, "from 400 to 599"),
        ({"path": "/v1/customers", "status": 500, "times": 0}, "positive"),
        ({"path": "/v1/customers", "status": 500, "staus": 1}, "unknown fields ['staus']"),
        ({"path": "/v1/customers", "status": 500, "method": "GET"}, "POST or DELETE"),
        (["no"], "JSON object"),
    ],
)
def test_a_wrong_order_says_what_is_wrong(http: httpx.Client, order: object, words: str) -> None:
    answer = http.post("/_sandbox/refuse", json=order)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_the_journal_tells_each_accepted_write_once_and_in_order(
    client: stripe.StripeClient, new_customer: NewCustomer, monthly: stripe.Price, sandbox: RunningSandbox
) -> None:
    customer = new_customer(metadata={"external_id": "001QW0000000001"})
    made = client.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": monthly.id}], "metadata": {"external_id": "op-7"}},
        {"idempotency_key": "op-7-key"},
    )
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.subscriptions.update(made.id, {"items": [{"id": "si_none"}]})
    client.v1.subscriptions.cancel(made.id)
    of_this = [entry for entry in sandbox.journal("subscription") if entry["object_id"] == made.id]
    assert [entry["action"] for entry in of_this] == ["created", "deleted"]
    assert {entry["external_id"] for entry in of_this} == {"op-7"}
    assert of_this[0]["idempotency_key"] == "op-7-key"
    assert of_this[0]["data"]["items"]["data"][0]["price"]["id"] == monthly.id
    assert of_this[0]["at"].endswith("Z")
    everything = httpx.get(f"{sandbox.url}/_sandbox/journal", trust_env=False).json()["entries"]
    assert [entry["seq"] for entry in everything] == list(range(1, len(everything) + 1))
    invoices = [e for e in everything if e["object_type"] == "invoice" and e["request_id"] == of_this[0]["request_id"]]
    assert [entry["action"] for entry in invoices] == ["created", "finalized", "paid", "payment_succeeded"]
    assert not any(key.startswith("_") for entry in everything for key in entry["data"])


def test_a_write_that_fails_late_leaves_nothing(
    client: stripe.StripeClient, new_customer: NewCustomer, http: httpx.Client
) -> None:
    """The customer is attached a card, gets discounts and items, before the last parameter turns out to be wrong."""

    def counts() -> dict[str, int]:
        objects: dict[str, int] = http.get("/_sandbox/state").json()["objects"]
        return objects

    customer, coupon = new_customer().id, client.v1.coupons.create({"percent_off": 5, "max_redemptions": 1}).id
    before = counts()
    answer = http.post(
        "/v1/subscriptions",
        data={
            "customer": customer,
            "items[0][price_data][currency]": "eur",
            "items[0][price_data][product]": "MON-STD",
            "items[0][price_data][recurring][interval]": "month",
            "items[0][price_data][unit_amount]": "500",
            "items[0][discounts][0][coupon]": coupon,
            "items[1][price]": "price_none",
        },
    )
    assert answer.status_code == 400
    assert counts() == before
    assert client.v1.coupons.retrieve(coupon).times_redeemed == 0
