"""Webhooks: signed for the SDK's verification, retried, at least once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest
import stripe

from tests.sandbox.vendors.stripe.running_sandbox import (
    UNLIMITED,
    RunningSandbox,
    WebhookReceiver,
    running_sandbox,
    sdk,
    webhook_receiver,
)


@pytest.fixture(scope="module")
def eager() -> Iterator[RunningSandbox]:
    """A sandbox that retries after 50 ms, 100 ms, 100 ms …, at most four times."""
    with running_sandbox(
        *("--webhook-retry-first-s", "0.05", "--webhook-retry-cap-s", "0.1", "--webhook-attempts-max", "4"), *UNLIMITED
    ) as running:
        yield running


@pytest.fixture(scope="module")
def eager_client(eager: RunningSandbox) -> Iterator[stripe.StripeClient]:
    with sdk(eager.url) as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as listening:
        yield listening


@pytest.fixture
def endpoint(eager_client: stripe.StripeClient, receiver: WebhookReceiver) -> Iterator[stripe.WebhookEndpoint]:
    made = eager_client.v1.webhook_endpoints.create(
        {"url": receiver.url, "enabled_events": ["customer.created", "customer.updated"]}
    )
    yield made
    eager_client.v1.webhook_endpoints.delete(made.id)


def test_the_sdk_accepts_the_signature_and_nobody_elses(
    eager_client: stripe.StripeClient, receiver: WebhookReceiver, endpoint: stripe.WebhookEndpoint
) -> None:
    made = eager_client.v1.customers.create({"name": "hook"}, {"idempotency_key": "hooked"})
    eager_client.v1.products.create({"name": "not asked for"})
    body, signature = receiver.wait_for(1)[0]
    event = stripe.Webhook.construct_event(body, signature, endpoint.secret)
    assert (event.type, event.data.object["id"]) == ("customer.created", made.id)
    assert event.request is not None
    assert event.request.idempotency_key == "hooked"
    assert event.pending_webhooks == 1
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, signature, "whsec_other")
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body + b" ", signature, endpoint.secret)
    assert eager_client.v1.events.retrieve(event.id).data.object["id"] == made.id
    assert len(receiver.arrived) == 1


@pytest.mark.usefixtures("endpoint")
def test_an_update_tells_what_was_before(eager_client: stripe.StripeClient, receiver: WebhookReceiver) -> None:
    made = eager_client.v1.customers.create({"name": "old", "metadata": {"a": "1"}})
    eager_client.v1.customers.update(made.id, {"name": "new", "metadata": {"b": "2"}})
    eager_client.v1.customers.update(made.id, {"name": "new"})
    events = [json.loads(body) for body, _ in receiver.wait_for(2)]
    updated = next(event for event in events if event["type"] == "customer.updated")
    assert updated["data"]["previous_attributes"] == {"name": "old", "metadata": {"a": "1"}}
    listed = eager_client.v1.events.list({"type": "customer.updated"}).data
    assert [event.data.object["id"] for event in listed].count(made.id) == 1, "no change, no event"


def test_a_failed_delivery_is_repeated_until_it_is_received(
    eager: RunningSandbox,
    eager_client: stripe.StripeClient,
    receiver: WebhookReceiver,
    endpoint: stripe.WebhookEndpoint,
) -> None:
    receiver.answers[:] = [500, 302]
    eager_client.v1.customers.create({"name": "retry"})
    arrived = receiver.wait_for(3)
    assert len({json.loads(body)["id"] for body, _ in arrived}) == 1
    for body, signature in arrived:
        stripe.Webhook.construct_event(body, signature, endpoint.secret)
    event = json.loads(arrived[0][0])["id"]
    attempts = [a for a in _deliveries(eager) if a["event"] == event]
    assert [(a["attempt"], a["status"], a["delivered"]) for a in attempts] == [
        (1, 500, False),
        (2, 302, False),
        (3, 200, True),
    ]
    assert [a["retry_in_s"] for a in attempts] == [0.05, 0.1, None]
    assert eager_client.v1.events.retrieve(event).pending_webhooks == 0


def test_nobody_there_is_given_up_after_the_last_attempt(
    eager: RunningSandbox, eager_client: stripe.StripeClient, receiver: WebhookReceiver
) -> None:
    gone = eager_client.v1.webhook_endpoints.create(
        {"url": "http://127.0.0.1:9/nobody", "enabled_events": ["product.created"]}
    )
    watcher = eager_client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    receiver.answers[:] = [500, 500, 500]
    eager_client.v1.products.create({"name": "unheard"})
    receiver.wait_for(4)
    for endpoint in (gone, watcher):
        eager_client.v1.webhook_endpoints.delete(endpoint.id)
    attempts = [a for a in _deliveries(eager) if a["endpoint"] == gone.id]
    assert attempts
    assert all(a["status"] is None and "ConnectError" in str(a["error"]) for a in attempts)


def test_a_disabled_endpoint_hears_nothing_and_the_secret_is_told_once(
    eager_client: stripe.StripeClient, receiver: WebhookReceiver, endpoint: stripe.WebhookEndpoint
) -> None:
    assert endpoint.secret is not None
    assert endpoint.secret.startswith("whsec_")
    assert "secret" not in eager_client.v1.webhook_endpoints.retrieve(endpoint.id).to_dict()
    assert eager_client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True}).status == "disabled"
    eager_client.v1.customers.create({"name": "unheard"})
    assert eager_client.v1.events.list({"type": "customer.created"}).data[0].pending_webhooks == 0
    eager_client.v1.webhook_endpoints.update(endpoint.id, {"disabled": False})
    heard = eager_client.v1.customers.create({"name": "heard"})
    assert [json.loads(body)["data"]["object"]["id"] for body, _ in receiver.wait_for(1)] == [heard.id]


def test_disabling_an_endpoint_ends_its_retries(
    eager: RunningSandbox,
    eager_client: stripe.StripeClient,
    receiver: WebhookReceiver,
    endpoint: stripe.WebhookEndpoint,
) -> None:
    receiver.answers[:] = [500] * 4
    eager_client.v1.customers.create({"name": "retried"})
    receiver.wait_for(1)
    eager_client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    time.sleep(0.5)  # twice what all the retries take
    assert len([attempt for attempt in _deliveries(eager) if attempt["endpoint"] == endpoint.id]) < 4


def test_a_refused_write_tells_nobody(
    eager_client: stripe.StripeClient, receiver: WebhookReceiver, endpoint: stripe.WebhookEndpoint
) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        eager_client.v1.customers.create({"name": "half", "payment_method": "pm_card_visa", "expand": ["nothing"]})
    whole = eager_client.v1.customers.create({"name": "whole"})
    assert [json.loads(body)["data"]["object"]["id"] for body, _ in receiver.wait_for(1)] == [whole.id]
    assert endpoint.status == "enabled"


def test_events_can_arrive_twice_on_purpose(receiver: WebhookReceiver) -> None:
    with running_sandbox("--webhook-duplicate-every", "2", *UNLIMITED) as running, sdk(running.url) as client:
        client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["product.created"]})
        for name in ("once", "twice"):
            client.v1.products.create({"name": name})
        names = [json.loads(body)["data"]["object"]["name"] for body, _ in receiver.wait_for(3)]
    assert sorted(names) == ["once", "twice", "twice"]


def test_an_endpoint_needs_a_url(eager_client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        eager_client.v1.webhook_endpoints.create({"url": "ftp://there", "enabled_events": ["*"]})
    assert refused.value.code == "url_invalid"


def _deliveries(running: RunningSandbox) -> list[dict[str, object]]:
    answer = httpx.get(f"{running.url}/_sandbox/webhooks", trust_env=False).raise_for_status()
    deliveries: list[dict[str, object]] = answer.json()["deliveries"]
    return deliveries


def test_events_are_listed_for_thirty_days_on_the_sandboxs_clock() -> None:
    with running_sandbox(*UNLIMITED) as running, sdk(running.url) as client:
        client.v1.products.create({"name": "old"})
        (old,) = client.v1.events.list({"type": "product.created"}).data
        assert client.v1.events.retrieve(old.id).type == "product.created"
        url = f"{running.url}/_sandbox/clock"
        httpx.post(url, json={"advance_s": 30 * 86_400 + 1}, trust_env=False).raise_for_status()
        client.v1.products.create({"name": "new"})
        client.v1.customers.create({"name": "new"})
        wanted: stripe.params.EventListParams = {"types": ["product.created", "customer.created"]}
        newest, other = client.v1.events.list(wanted).data
        assert (newest.type, other.type) == ("customer.created", "product.created")
        assert [event.id for event in client.v1.events.list({**wanted, "starting_after": newest.id}).data] == [other.id]
        assert client.v1.events.list({"created": {"lt": newest.created}}).data == []
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.events.retrieve(old.id)
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_an_event_that_is_never_delivered_is_still_listed(receiver: WebhookReceiver) -> None:
    with running_sandbox("--webhook-drop-every", "2", *UNLIMITED) as running, sdk(running.url) as client:
        client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["product.created"]})
        for name in ("heard", "lost", "heard too"):
            client.v1.products.create({"name": name})
        arrived = [json.loads(body)["data"]["object"]["name"] for body, _ in receiver.wait_for(2)]
        listed = client.v1.events.list({"delivery_success": False}).data
        while len(listed) > 1:  # an arrival is counted a moment after it
            listed = client.v1.events.list({"delivery_success": False}).data
    assert sorted(arrived) == ["heard", "heard too"]
    assert [event.data.object["name"] for event in listed] == ["lost"]
